/** What `kuke doctor` says of each resource: whether an apply of what is stored would change something. */
import type { KukeError } from './errors.ts';
import { asKukeError } from './errors.ts';
import type { Finding } from './extensible.ts';
import type { Repairing } from './findings.ts';
import type { ObserveContext, Resource } from './kinds.ts';
import { makeObserveContext } from './observe.ts';
import { planResource } from './plan-resource.ts';
import { DEFAULT_STOP_TIMEOUT_MS } from './planning.ts';
import type { Kernel } from './registry.ts';
import { describe } from './resource.ts';

const options = { verb: 'apply', stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS } as const;

/** A file's fault or the host's, told once as what it is and not of each resource. */
const HOSTS = ['MetadataCorrupt', 'RuntimeUnavailable', 'HostNotReady'];

/** `unseen`: those of which nobody can say it, and why. */
export interface ResourceFindings {
  findings: Finding[];
  unseen: Map<string, KukeError>;
}

/** Their namespace is gone, say, or a container. */
export async function resourceFindings(
  kernel: Kernel,
  observe: ObserveContext,
  repairing: Repairing | undefined,
): Promise<ResourceFindings> {
  const findings: Finding[] = [];
  const unseen = new Map<string, KukeError>();
  for (const one of observe.tree.all()) {
    const resource = describe(one.ref);
    try {
      const { plan } = await planResource(kernel, observe.tree, one, options, observe);
      const steps = [...new Set(plan.steps.map(({ type }) => type))];
      if (steps.length === 0) continue;
      const what = `${resource} is not as it was applied; due: ${steps.join(', ')}`;
      const fix = () => applyStored(kernel, one, repairing);
      findings.push({ level: 'error', code: 'NotAsApplied', resource, what, fix });
    } catch (thrown) {
      const error = asKukeError(thrown);
      const { code, message, remedy } = error;
      if (HOSTS.includes(code)) unseen.set(resource, error);
      else {
        const what = `${resource} is not as it was applied, and cannot be: ${message}`;
        findings.push({ level: 'error', code, resource, what, ...(remedy !== undefined && { remedy }) });
      }
    }
  }
  return { findings, unseen };
}

/** Without its long steps, which come ahead of the next time. */
async function applyStored(kernel: Kernel, resource: Resource, repairing: Repairing | undefined): Promise<void> {
  if (repairing === undefined) return;
  const { session, ahead } = repairing;
  // Another's repair may have seen to it.
  const fresh = makeObserveContext(session.tree);
  const { plan } = await planResource(kernel, session.tree, resource, options, fresh);
  if (kernel.dryRun === undefined && ahead.putsOff(resource.ref, plan)) return;
  const due = ahead.without(plan);
  if (due.steps.length > 0) await session.run(due);
  await session.saveStatus(resource);
}
