/** Containers that were killed for want of memory: how often, and whose limit was hit the last time. */
import {
  CGROUP_ROOT,
  formatBytes,
  groupName,
  type ObserveContext,
  type OomObservation,
  type PluginKernel,
} from 'kuke/plugin';
import { type Cell, containerCgroup } from './layout.ts';
import type { ContainerSpec } from './schema.ts';

export const OOM_KILLED = 'OOMKilled';

/** The kernel counts in the group of its last life; where that is gone, what was known of it holds. */
export async function oomOf(kernel: PluginKernel, cell: Cell, container: ContainerSpec): Promise<OomObservation> {
  const there = await (await kernel.use('cgroup')).oom(containerCgroup(cell, container));
  if (there !== undefined) return there;
  const before = cell.manifest.status?.containers?.find(({ id }) => id === container.id);
  return { kills: before?.oomKills ?? 0 };
}

/** `the limit of stack main/default/blog (512Mi) was hit; it had 40Mi itself`. */
export async function oomText(
  context: ObserveContext,
  cell: Cell,
  container: ContainerSpec,
  { path, limit, peak }: NonNullable<OomObservation['last']>,
): Promise<string> {
  const had = peak === undefined ? '' : `, it had ${inMi(peak)} at most`;
  if (path === undefined) return `killed, for the host had no memory left${had}`;
  const size = limit === undefined ? '' : ` of ${inMi(limit)}`;
  const whose =
    path === containerCgroup(cell, container) ? 'its own limit' : `the limit of ${await groupName(context, path)}`;
  const limitText =
    path === CGROUP_ROOT ? `the share of the host that init has left to kuke${size}` : `${whose}${size}`;
  return `killed, for ${limitText} was hit${had}`;
}

/** What the kernel counts is seldom a round number. */
const inMi = (bytes: number): string => {
  const text = formatBytes(bytes);
  return /^\d+(\.\d+)?[KMGTPE]i$/.test(text) ? text : `${(bytes / 2 ** 20).toFixed(1)}Mi`;
};
