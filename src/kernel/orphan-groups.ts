/** Cgroups of ours on the levels of resources that are of none. */
import type { CgroupBackend } from './backends/index.ts';
import { CGROUP_ROOT, cgroupPath } from './cgroups.ts';
import { KukeError } from './errors.ts';
import type { Finding } from './extensible.ts';
import type { Kernel } from './registry.ts';
import type { ResourceTree } from './tree.ts';

/** What lies in one goes with it. */
export async function orphanGroups(kernel: Kernel, tree: ResourceTree): Promise<Finding[]> {
  const cgroup = await kernel.use('cgroup');
  const own = new Set([CGROUP_ROOT, ...tree.all().map(({ ref }) => cgroupPath(ref))]);
  const levels = Math.max(
    ...kernel.kinds.all().map(kind => (kind.lifecycle ? kernel.kinds.above(kind.kind).length + 1 : 0)),
  );
  const parent = (path: string): string => path.slice(0, path.lastIndexOf('/'));
  return (await cgroup.observe(CGROUP_ROOT))
    .filter(({ path, ours }) => ours && !own.has(path) && own.has(parent(path)))
    .filter(({ path }) => !own.values().some(other => other.startsWith(`${path}/`)))
    .filter(({ path }) => path.split('/').length - 2 <= levels)
    .map(({ path, populated }) => ({
      level: 'error',
      code: 'OrphanCgroup',
      what: `cgroup ${path} is of no resource${populated ? ', and something runs in it' : ''}`,
      byHand: () => cgroup.explain('remove', { path }),
      async fix(context) {
        const who = await strangersText(cgroup, path);
        const remedy = 'move them elsewhere or end them, then try again';
        if (who !== undefined)
          throw new KukeError('Conflict', `these processes are no container's: ${who}`, { remedy });
        await cgroup.remove({ path }, context);
      },
    }));
}

/** What goes takes along all that is in its cgroup: somebody may have moved a process of his own there. Undefined: nobody has. */
export async function strangersText(cgroup: CgroupBackend, path: string): Promise<string | undefined> {
  const strangers = await cgroup.strangers(path);
  if (strangers.length === 0) return undefined;
  return strangers.map(one => `${one.pid} (${one.command}) in ${one.path}`).join(', ');
}
