/** What start, stop and kill write: a cell's desiredState. */
import type { Desired } from './apply.ts';
import { asKukeError, KukeError } from './errors.ts';
import type { KindDefinition, Resource } from './kinds.ts';
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

/** The stored resources with that state; throws what is wrong with any of them, NotFound say, and of all that is so. */
export function inState(
  kernel: Kernel,
  refs: readonly ResourceRef[],
  verb: keyof typeof DESIRED_BY,
): Exclude<Desired, readonly unknown[]> {
  return tree => {
    const faults: KukeError[] = [];
    const desired = refs.flatMap(ref => {
      try {
        refuseDamaged(tree, ref, 'itself');
        return [desiredIn(kernel, tree.get(ref), DESIRED_BY[verb])];
      } catch (thrown) {
        faults.push(asKukeError(thrown));
        return [];
      }
    });
    const [first, ...others] = faults;
    if (first !== undefined) throw first.with(others);
    return desired;
  };
}

/** What holds already is not written: a cell that says nothing is to run. */
function desiredIn(kernel: Kernel, stored: Resource, desiredState: string): Resource {
  const { spec } = stored.manifest;
  if ((spec.desiredState ?? DESIRED_BY.start) === desiredState) return stored;
  return toResource(kernel.kinds, { ...stored.manifest, spec: { ...spec, desiredState } });
}
