/** What `kuke cp` is given: one place in a cell, and one of the person's own. */
import { KukeError } from '../../kernel/errors.ts';

export interface Copy {
  isUpload: boolean;
  cell: string;
  /** In the container, as it was given; relative to its `/`. */
  inner: string;
  /** A path, or `-`. */
  local: string;
}

/** Throws Usage. */
export function readCopy(source: string, target: string): Copy {
  const [from, to] = [inCell(source), inCell(target)];
  if (from !== undefined && to !== undefined)
    throw new KukeError('Usage', 'from one container to another there is no way', {
      remedy: 'copy it out of the one, then into the other: `kuke cp A:PATH - | kuke cp - B:PATH`',
    });
  const there = from ?? to;
  if (there === undefined)
    throw new KukeError('Usage', `neither \`${source}\` nor \`${target}\` is in a cell`, {
      remedy: 'write CELL:PATH for what is in a container, and ./a:b for a file with a colon in its name',
    });
  if (there.inner === '')
    throw new KukeError('Usage', `\`${there.cell}:\`: no path`, { remedy: 'write CELL:PATH, such as web:/srv' });
  return { ...there, isUpload: from === undefined, local: from === undefined ? source : target };
}

/** A name has neither `/` nor `.` in it, so a path with a colon is told from it by a `/` before that. */
function inCell(word: string): { cell: string; inner: string } | undefined {
  const [, cell, inner] = /^([^/:.]+):(.*)$/s.exec(word) ?? [];
  return cell === undefined || inner === undefined ? undefined : { cell, inner };
}

/** Absolute, without `.`, `..` and a `/` at its end; as the person says it, before any link is followed. */
export function innerPath(inner: string): string {
  const parts: string[] = [];
  for (const part of inner.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** The last part of a path; `files` for what has none, such as `/`. */
export function baseName(path: string): string {
  const name = path
    .split('/')
    .filter(part => part !== '')
    .at(-1);
  return name === undefined || name === '.' || name === '..' ? 'files' : name;
}
