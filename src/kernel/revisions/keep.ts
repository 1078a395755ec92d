/** The steps that keep the revisions of a resource: one more with a change, all of them away with a delete. */
import type { Resource } from '../kinds.ts';
import type { Added, Plan } from '../plan.ts';
import type { PlanOptions } from '../planning.ts';
import type { Kernel } from '../registry.ts';
import type { EngineOptions } from '../session.ts';
import {
  followedBy,
  hasRevisions,
  readRevisions,
  revised,
  revisionsFile,
  revisionsOf,
  revisionsText,
} from './revision.ts';

/** `desired` takes the place of `stored`; nothing where only its state is changed, as by start and stop. */
export async function planRevision(
  kernel: Pick<Kernel, 'kinds' | 'use'>,
  plan: Plan,
  stored: Resource | undefined,
  { ref, manifest }: Resource,
  { command, actor, takesBack = false }: Pick<EngineOptions, 'command' | 'actor'> & Pick<PlanOptions, 'takesBack'>,
): Promise<void> {
  const kind = kernel.kinds.get(ref.kind);
  if (stored === undefined || !hasRevisions(kind)) return;
  const next = revised(kind, manifest);
  if (Bun.deepEquals(revised(kind, stored.manifest), next)) return;
  const { pid: _, ...by } = actor?.() ?? {};
  const made = { at: new Date().toISOString(), ...(actor && { by }), command };
  const before = await revisionsOf(kernel, stored);
  // Somebody may have changed it since: then that is one, and so is this.
  const isBack = takesBack && Bun.deepEquals(before.at(-2)?.manifest, next);
  const content = revisionsText(isBack ? before.slice(0, -1) : followedBy(before, next, made));
  plan.add(ref, 'store.writeFile', { path: revisionsFile(ref), content });
}

export async function planForget(
  { kinds, use }: Pick<Kernel, 'kinds' | 'use'>,
  plan: Plan,
  { ref }: Resource,
  after: readonly Pick<Added<unknown>, 'id'>[],
): Promise<void> {
  if (!hasRevisions(kinds.get(ref.kind)) || (await readRevisions(use, ref)).length === 0) return;
  plan.add(ref, 'store.removeFile', { path: revisionsFile(ref) }, after);
}
