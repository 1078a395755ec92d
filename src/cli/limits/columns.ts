/** Limits and use of any kind of resource, as columns of a table: `kuke get --resources`. */
import type { CgroupUsage } from '../../kernel/backends/index.ts';
import { CGROUP_ROOT, cgroupPath } from '../../kernel/cgroups.ts';
import type { Column, Resource } from '../../kernel/kinds.ts';
import type { LimitStatus } from '../../kernel/limits/status.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { count, shortBytes } from '../top/figures.ts';

export async function limitColumns(kernel: Kernel): Promise<Column[]> {
  const groups = await (await kernel.use('cgroup')).usage(CGROUP_ROOT);
  const byPath = new Map(groups.map(group => [group.path, group]));
  const useOf = (resource: Resource): Partial<CgroupUsage> => byPath.get(groupOf(kernel, resource) ?? '') ?? {};
  return [
    { header: 'CPU-LIMIT', value: resource => limitText(resource, 'cpu.limit') },
    {
      header: 'MEMORY',
      value(resource) {
        const { memory } = useOf(resource);
        return `${shortBytes(memory?.current)}${memory?.limit === undefined ? '' : `/${shortBytes(memory.limit)}`}`;
      },
    },
    { header: 'PIDS', value: resource => count(useOf(resource).pids) },
    { header: 'MANUAL', wide: true, value: resource => fieldsText(resource, ({ from }) => from === 'manual') },
    { header: 'NOT-ENFORCED', value: resource => fieldsText(resource, isNotEnforced) },
    { header: 'WHY', wide: true, value: whyText },
  ];
}

/** Of one that its parent declares, only the status says it. */
export function groupOf(kernel: Kernel, { ref, manifest }: Resource): string | undefined {
  if (kernel.kinds.get(ref.kind).embedded === undefined) return cgroupPath(ref);
  const path = manifest.status?.cgroupPath;
  return typeof path === 'string' ? path : undefined;
}

/** As the kernel writes them; a plugin's kind may have none. */
function limitsOf({ manifest }: Resource): LimitStatus[] {
  const resources = manifest.status?.resources;
  return Array.isArray(resources) ? (resources as LimitStatus[]) : [];
}

const isNotEnforced = ({ notEnforced }: LimitStatus): boolean => notEnforced !== undefined;

function limitText(resource: Resource, field: string): string {
  const found = limitsOf(resource).find(one => one.field === field && !isNotEnforced(one));
  return found?.value ?? '-';
}

function fieldsText(resource: Resource, wanted: (limit: LimitStatus) => boolean): string {
  const found = limitsOf(resource).filter(wanted);
  return found.map(({ field, value }) => `${field}=${value}`).join(',') || '-';
}

function whyText(resource: Resource): string {
  const reasons = limitsOf(resource).flatMap(({ notEnforced }) => notEnforced ?? []);
  return [...new Set(reasons)].join('; ') || '-';
}
