/** The flags that say where a resource is: `--realm`, `--space`, `--stack`, and `--cell` for containers. */
import type { ArgsDef } from 'citty';
import { KukeError } from '../kernel/errors.ts';
import type { KindDefinition } from '../kernel/kinds.ts';
import { nameFault } from '../kernel/names.ts';
import type { Kernel } from '../kernel/registry.ts';
import { keyOf, type ResourceRef } from '../kernel/resource.ts';

export const scopeArgs = {
  realm: { type: 'string', valueHint: 'NAME', description: 'realm (main)' },
  space: { type: 'string', valueHint: 'NAME', description: 'space (default)' },
  stack: { type: 'string', valueHint: 'NAME', description: 'stack (default)' },
} as const satisfies ArgsDef;

/** Any kind's word; the commands that have it say how far down they go without. */
export const levelArg = { type: 'string', valueHint: 'KIND' } as const satisfies ArgsDef[string];

/** `cell/web`, as `get -o name` prints it. */
export const KIND_AND_NAME = /^([A-Za-z]+)\/([^/]+)$/;

export const SCOPES = [...Object.keys(scopeArgs), 'cell'];

/** The kind that a word means. Throws Usage for a scope flag that says nothing of where such a resource is. */
export function kindOf(kernel: Kernel, word: string, flags: Record<string, unknown>): KindDefinition {
  const kind = kernel.kinds.lookup(word);
  const above = kernel.kinds.above(kind.kind).map(parent => parent.kind.toLowerCase());
  const stray = SCOPES.find(flag => flags[flag] !== undefined && !above.includes(flag));
  if (stray === undefined) return kind;
  const own = above.map(flag => `--${flag}`).join(', ');
  throw new KukeError('Usage', `--${stray} has no meaning for a ${kind.kind.toLowerCase()}`, {
    remedy: above.length === 0 ? 'leave it out' : `leave it out; it is found by ${own}`,
  });
}

/** The names of the kinds above, outermost first; flags, else what a variable or the configuration file says, else each kind's default name. */
export function scopePath(kernel: Kernel, kind: KindDefinition, flags: Record<string, unknown>): string[] {
  return kernel.kinds.above(kind.kind).map(parent => {
    const flag = parent.kind.toLowerCase();
    const given = flags[flag];
    if (typeof given === 'string') return checked(`--${flag}`, given);
    const name = kernel.settings.scope?.[flag] ?? parent.defaultName;
    if (name !== undefined) return name;
    throw new KukeError('Usage', `--${flag} is needed: which ${flag} is it in?`);
  });
}

export function refFor(
  kernel: Kernel,
  kind: KindDefinition,
  name: string,
  flags: Record<string, unknown>,
): ResourceRef {
  return { kind: kind.kind, path: [...scopePath(kernel, kind, flags), checked('NAME', name)] };
}

/** What `cell web db`, or `cell/web space/dmz`, means: each once; a name may bring a kind of its own, and `kind` is that of the others. */
export function namedRefs(
  kernel: Kernel,
  kind: KindDefinition,
  words: readonly string[],
  flags: Record<string, unknown>,
  check: (kind: KindDefinition) => void = () => {},
): ResourceRef[] {
  const refs = words.map(word => {
    const [, own, name = word] = KIND_AND_NAME.exec(word) ?? [];
    const its = own === undefined ? kind : kindOf(kernel, own, flags);
    check(its);
    return refFor(kernel, its, name, flags);
  });
  return [...new Map(refs.map(ref => [keyOf(ref), ref])).values()];
}

/** For `namedRef`. */
export const namedArgs = {
  kind: { type: 'positional', required: true, description: 'its kind (cell), or its name' },
  name: { type: 'positional', required: false, description: 'its name' },
} as const satisfies ArgsDef;

/** What `cell web` or `space dmz` means; one word alone is the name of a cell. */
export function namedRef(
  kernel: Kernel,
  args: { kind: string; name?: string | undefined } & Record<string, unknown>,
): { kind: KindDefinition; ref: ResourceRef } {
  const [word, name] = args.name === undefined ? ['cell', args.kind] : [args.kind, args.name];
  const kind = kindOf(kernel, word, args);
  return { kind, ref: refFor(kernel, kind, name, args) };
}

/** A name from the command line; `what` is its place there. Throws Usage. */
export function checked(what: string, name: string): string {
  const fault = nameFault(name);
  if (fault === undefined) return name;
  const remedy = `give ${what === 'NAME' ? 'a NAME' : what} such as \`web\` or \`web-2\``;
  throw new KukeError('Usage', `${what}: \`${name}\` ${fault}`, { remedy });
}
