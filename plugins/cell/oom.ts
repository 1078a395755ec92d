/** Containers that were killed for want of memory: how often, and whose limit was hit the last time. */
import { formatBytes, groupName, type ObserveContext, type OomObservation, type PluginKernel } from 'kuke/plugin';
import { type Cell, containerCgroup } from './layout.ts';
import type { ContainerSpec } from './schema.ts';

export const OOM_KILLED = 'OOMKilled';

/** The kernel counts in the group of its last life; where that is gone, what was known of it holds. */
export async function oomOf(
  kernel: PluginKernel,
  context: Pick<ObserveContext, 'once'>,
  cell: Cell,
  container: ContainerSpec,
): Promise<OomObservation> {
  const path = containerCgroup(cell, container);
  const there = await context.once(`oom:${path}`, async () => (await kernel.use('cgroup')).oom(path));
  if (there !== undefined) return there;
  return { kills: savedKills(cell, container) };
}

/** A context that remembers nothing: what is counted up to now is handed on to the next life. */
export const unremembered: Pick<ObserveContext, 'once'> = { once: (_, look) => look() };

const savedKills = ({ manifest }: Cell, { id }: ContainerSpec): number =>
  manifest.status?.containers?.find(one => one.id === id)?.oomKills ?? 0;

/** A container was killed since the status of its cell was stored. */
export async function isOomUnsaved(kernel: PluginKernel, context: ObserveContext, cell: Cell): Promise<boolean> {
  for (const one of cell.spec.containers)
    if ((await oomOf(kernel, context, cell, one)).kills !== savedKills(cell, one)) return true;
  return false;
}

/** `killed for want of memory: the limit of stack main/default/blog (512Mi) was hit; it had 40Mi at most`. */
export async function oomText(
  context: ObserveContext,
  cell: Cell,
  container: ContainerSpec,
  { path, limit, peak }: NonNullable<OomObservation['last']>,
): Promise<string> {
  const isOwn = path === containerCgroup(cell, container);
  const whose = isOwn ? 'its own limit' : path && `the limit of ${await groupName(context, path)}`;
  const size = limit === undefined ? '' : ` (${formatBytes(limit)})`;
  const why = whose === undefined ? 'the host had none left' : `${whose}${size} was hit`;
  return `killed for want of memory: ${why}${peak === undefined ? '' : `; it had ${inMi(peak)} at most`}`;
}

/** What the kernel counts is seldom a round number. */
const inMi = (bytes: number): string => `${Math.round((bytes / 2 ** 20) * 10) / 10}Mi`;
