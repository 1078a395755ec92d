/** Which resources a command means that takes several: `wait`, `rollout restart`. */
import { KukeError } from '../../kernel/errors.ts';
import type { KindDefinition } from '../../kernel/kinds.ts';
import type { Kernel } from '../../kernel/registry.ts';
import type { ResourceRef } from '../../kernel/resource.ts';
import { matchesSelector, parseSelector } from '../../kernel/selector.ts';
import type { ResourceTree } from '../../kernel/tree.ts';
import { kindOf, namedRefs, scopePath } from '../scope.ts';

/** `selector`, `all`, `all-scopes`, and those of the scope. */
type Flags = Readonly<Record<string, unknown>>;

/** What the words and flags name. Words: `web`, `cell/web`, or `cell web`; with -l or --all a kind alone, or nothing. */
export function targetsIn(kernel: Kernel, tree: ResourceTree, words: string[], flags: Flags): ResourceRef[] {
  const isOfAll = flags['all-scopes'] === true;
  const isChosen = flags.selector !== undefined || flags.all === true || isOfAll;
  const [first = '', ...more] = words;
  const isKind = (words.length > 1 || isChosen) && kernel.kinds.all().some(kind => isNamed(kind, first));
  const kind = stored(kindOf(kernel, isKind ? first : 'cell', flags));
  const names = isKind ? more : words;
  if (isChosen && names.length > 0)
    throw new KukeError('Usage', `\`${names[0]}\` is one argument too many: give names, or --selector, or --all`);
  if (!isChosen && names.length === 0)
    throw new KukeError('Usage', `which ${kind.plural}?`, {
      remedy: 'give names of cells, or KIND/NAME, or --selector, or --all',
    });
  if (!isChosen) return namedRefs(kernel, kind, names, flags, stored);
  const selector = parseSelector(String(flags.selector ?? ''));
  const chosen = tree
    .all(kind.kind, isOfAll ? [] : scopePath(kernel, kind, flags))
    .filter(({ manifest }) => matchesSelector(selector, manifest.metadata.labels ?? {}));
  if (chosen.length === 0) throw new KukeError('NotFound', `no ${kind.kind.toLowerCase()} here is meant by that`);
  return chosen.map(({ ref }) => ref);
}

const isNamed = ({ kind, plural, aliases }: KindDefinition, word: string): boolean =>
  [kind, plural, ...aliases].some(name => name.toLowerCase() === word.toLowerCase());

function stored(kind: KindDefinition): KindDefinition {
  if (kind.embedded === undefined) return kind;
  const remedy = `name its ${kind.parent?.toLowerCase()}; to wait, by jsonpath=.status.containers[0].state=Running, say`;
  throw new KukeError('Usage', `a ${kind.kind.toLowerCase()} is not to be had by itself here`, { remedy });
}
