/** What takes one resource from what is stored and observed to what is desired. */
import { diffSpecs, type FieldChange, valueAt } from './diff.ts';
import { KukeError } from './errors.ts';
import type { ObserveContext, Resource } from './kinds.ts';
import { type AskedOf, askedIn } from './limits/wanted.ts';
import { makeObserveContext } from './observe.ts';
import { othersTurn } from './others-turn.ts';
import { makePlan, type Plan } from './plan.ts';
import type { PlanContext, PlanOptions } from './planning.ts';
import type { Kernel } from './registry.ts';
import { describe, type Manifest } from './resource.ts';
import { traced } from './trace.ts';
import { type ResourceTree, refuseDamaged, refuseOtherCase } from './tree.ts';

export interface Planned {
  plan: Plan;
  changes: FieldChange[];
  notes: string[];
}

/** Plans one resource against what is stored and observed. Changes nothing. `asked`: of all groups, when the command is done. */
export async function planResource(
  kernel: Kernel,
  tree: ResourceTree,
  desired: Resource,
  options: PlanOptions,
  observe = makeObserveContext(tree),
  asked = askedIn(kernel.kinds, tree.with([desired])),
): Promise<Planned> {
  await othersTurn();
  refuseDamaged(tree, desired.ref, 'itself');
  const stored = tree.find(desired.ref);
  const lifecycle = kernel.kinds.lifecycle(desired.ref.kind);
  const changes = stored === undefined ? [] : changesOf(kernel, stored, desired);
  // Undone when it fails, also where it changes a resource; save when it takes away what was there: `onDeath`.
  const context = planContext(makePlan('undo'), options, changes, observe, asked);
  const { plan } = context;
  if (stored === undefined || changes.length > 0) {
    const before = stored
      ? { previous: stored.manifest }
      : // Now, for the first start may be faster than the first look of this step.
        { logs: await (await kernel.use('store')).logs(desired.ref) };
    plan.add(desired.ref, 'store.write', {
      ref: desired.ref,
      manifest: unobserved(desired.manifest),
      ...before,
    });
  }
  await traced('command', 'plan', () => lifecycle.plan(context, desired, stored), describe(desired.ref));
  return { plan, changes, notes: context.notes };
}

/** Its status is from before the change: who finds it so stores it anew, if this kuke does not live to do it. */
function unobserved(manifest: Manifest): Manifest {
  if (manifest.status === undefined) return manifest;
  const { observedAt: _, ...status } = manifest.status;
  return { ...manifest, status };
}

/** Whether the stored status was observed after all that was done. */
export const hasStatus = (stored: Resource | undefined): boolean => stored?.manifest.status?.observedAt !== undefined;

export function planContext(
  plan: Plan,
  options: PlanOptions,
  changes: FieldChange[],
  observe: ObserveContext,
  asked: AskedOf,
): PlanContext & { notes: string[]; keeps: { status: boolean } } {
  const notes: string[] = [];
  const keeps = { status: false };
  return {
    ...observe,
    asked,
    plan,
    options,
    changes,
    notes,
    keeps,
    keepStatus() {
      keeps.status = true;
    },
    note(message) {
      if (!notes.includes(message)) notes.push(message);
    },
  };
}

/** Field by field; a change of what is fixed at creation is a conflict, unless it only spells out what holds already. */
function changesOf(kernel: Kernel, stored: Resource, desired: Resource): FieldChange[] {
  const resource = describe(desired.ref);
  refuseOtherCase(stored.ref, desired.ref);
  const { spec } = kernel.kinds.get(desired.ref.kind);
  const changes = diffSpecs(spec, stored.manifest.spec, desired.manifest.spec);
  const fixed = changes.find(
    ({ change, keys }) =>
      change === 'immutable' && !Bun.deepEquals(valueAt(stored.spec, keys), valueAt(desired.spec, keys)),
  );
  if (fixed !== undefined) {
    const held = valueAt(stored.spec, fixed.keys);
    const now = held === undefined ? 'not set' : JSON.stringify(held);
    throw new KukeError('Conflict', `${fixed.path} cannot be changed (it is ${now})`, {
      resource,
      field: fixed.path,
      remedy: 'delete the resource and create it anew, or leave the field as it is',
    });
  }
  return [...changes, ...metadataChanges(stored.manifest, desired.manifest)];
}

/** Of labels and annotations. */
export function metadataChanges(before: Pick<Manifest, 'metadata'>, now: Pick<Manifest, 'metadata'>): FieldChange[] {
  return (['labels', 'annotations'] as const).flatMap(key => {
    const from = before.metadata[key] ?? {};
    const to = now.metadata[key] ?? {};
    if (Bun.deepEquals(from, to)) return [];
    return [{ path: `metadata.${key}`, keys: [key], from, to, change: 'in-place' as const }];
  });
}
