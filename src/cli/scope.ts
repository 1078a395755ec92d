/** The flags that say where a resource is: `--realm`, `--space`, `--stack`, and `--cell` for containers. */
import type { ArgsDef } from 'citty';
import { KukeError } from '../kernel/errors.ts';
import type { KindDefinition } from '../kernel/kinds.ts';
import { nameFault } from '../kernel/names.ts';
import type { Kernel } from '../kernel/registry.ts';
import type { ResourceRef } from '../kernel/resource.ts';

export const scopeArgs = {
  realm: { type: 'string', valueHint: 'NAME', description: 'realm (main)' },
  space: { type: 'string', valueHint: 'NAME', description: 'space (default)' },
  stack: { type: 'string', valueHint: 'NAME', description: 'stack (default)' },
} as const satisfies ArgsDef;

/** The names of the kinds above, outermost first; flags, else each kind's default name. */
export function scopePath(kernel: Kernel, kind: KindDefinition, flags: Record<string, unknown>): string[] {
  return kernel.kinds.above(kind.kind).map(parent => {
    const flag = parent.kind.toLowerCase();
    const given = flags[flag];
    if (typeof given === 'string') return checked(`--${flag}`, given);
    if (parent.defaultName !== undefined) return parent.defaultName;
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

function checked(what: string, name: string): string {
  const fault = nameFault(name);
  if (fault !== undefined) throw new KukeError('Usage', `${what}: \`${name}\` ${fault}`);
  return name;
}
