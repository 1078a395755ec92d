/** Names of resources (spec.md §1), and the nearest known word to one that is not known. */

export const NAME_PATTERN = /^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/;
export const NAME_MAX = 63;

/** Both, for `pattern` in the metadata of a field. */
export const NAME_SHAPE = NAME_PATTERN.source.replace('^', `^(?=.{1,${NAME_MAX}}$)`);

/** Why `name` is not a name; undefined when it is one. */
export function nameFault(name: string): string | undefined {
  if (name.length > NAME_MAX) return `has ${name.length} characters; at most ${NAME_MAX} are allowed`;
  if (NAME_PATTERN.test(name)) return undefined;
  return 'is not a name: letters and digits, with single hyphens between them (containerd refuses others)';
}

/** The known word that is meant, if one is near: at most a third of its letters differ; else the shortest that begins so. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const words = [...known];
  let best: { word: string; distance: number } | undefined;
  for (const candidate of words) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance <= Math.max(1, Math.ceil(candidate.length / 3)) && (best === undefined || distance < best.distance)) {
      best = { word: candidate, distance };
    }
  }
  return best?.word ?? shortest(word.length < 3 ? [] : words.filter(one => one.startsWith(word)));
}

const shortest = (words: string[]): string | undefined => words.sort((a, b) => a.length - b.length)[0];

/** `; did you mean \`image\`?`, or nothing. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const meant = nearest(word, known);
  return meant === undefined ? '' : `; did you mean \`${meant}\`?`;
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  if (a.length > 64 || b.length > 64) return Number.POSITIVE_INFINITY;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((row[j - 1] ?? 0) + 1, (last[j] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
