/** What start, stop and kill write: a cell's desiredState. */
import type { Desired } from './apply.ts';
import { KukeError } from './errors.ts';
import type { KindDefinition } from './kinds.ts';
import { toResource } from './manifest.ts';
import type { Verb } from './planning.ts';
import type { Kernel } from './registry.ts';
import type { ResourceRef } from './resource.ts';
import { entriesOf } from './schema.ts';
import { refuseDamaged } from './tree.ts';

/** The verbs that do it, and what they write. */
export const DESIRED_BY = { start: 'running', stop: 'stopped', kill: 'stopped' } as const satisfies Partial<
  Record<Verb, string>
>;

export const hasDesiredState = ({ lifecycle, spec }: KindDefinition): boolean =>
  lifecycle !== undefined && entriesOf(spec)?.desiredState !== undefined;

const DONE = {
  start: 'started',
  stop: 'stopped',
  kill: 'stopped',
  'rollout restart': 'restarted',
  'rollout undo': 'brought back to a revision',
  'rollout history': 'brought back to a revision',
} as const;

/** Throws Usage for a kind that nobody can start. */
export function refuseStateless(kind: KindDefinition, verb: keyof typeof DONE): void {
  if (hasDesiredState(kind)) return;
  const what = DONE[verb];
  throw new KukeError('Usage', `a ${kind.kind.toLowerCase()} cannot be ${what}`, {
    remedy: `name a cell: \`kuke ${verb} cell NAME\``,
  });
}

/** The stored resource with that state; NotFound where there is none. */
export function inState(
  kernel: Kernel,
  ref: ResourceRef,
  verb: keyof typeof DESIRED_BY,
): Exclude<Desired, readonly unknown[]> {
  return tree => {
    refuseDamaged(tree, ref, 'itself');
    const { manifest } = tree.get(ref);
    return [toResource(kernel.kinds, { ...manifest, spec: { ...manifest.spec, desiredState: DESIRED_BY[verb] } })];
  };
}
