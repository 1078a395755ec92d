/** The tree of cgroups in memory. What runs in it are the fake runtime's tasks. */
import {
  type CgroupActions,
  type CgroupBackend,
  type CgroupObservation,
  explainWith,
  shellCommand,
  thereWith,
} from '../../src/kernel/backends/index.ts';
import { KukeError } from '../../src/kernel/errors.ts';
import { eachLimit } from '../../src/kernel/limits/limits.ts';
import { type FakeHost, processOn } from './host.ts';

const WANTED = ['cpu', 'cpuset', 'memory', 'io', 'pids', 'hugetlb'];

/** `/kukeon` or below it, and nothing that a path could escape with. */
function checkPath(path: string): string {
  if (/^\/kukeon(\/[^/\0]+)*$/.test(path) && !/\/\.{1,2}(\/|$)/.test(path)) return path;
  throw new KukeError('Internal', `${JSON.stringify(path)} is not the path of one of kuke's cgroups`);
}

/** Down to the cells; below them are the runtime's. */
const isKukes = (path: string) => path.split('/').length <= 6;
const isAtOrBelow = (path: string, top: string) => path === top || path.startsWith(`${top}/`);

export function fakeCgroup(host: FakeHost): CgroupBackend {
  const { action, read } = processOn(host);
  const missing = () => WANTED.filter(name => !host.controllers.has(name));
  const tasks = (top: string) =>
    [...host.runtime.namespaces].flatMap(([namespace, { containers }]) =>
      [...containers]
        .filter(([, { task, config }]) => task?.state === 'running' && isAtOrBelow(config.cgroup, top))
        .map(([id, { config }]) => ({ namespace, id, cgroup: config.cgroup })),
    );
  const observed = (path: string, ours: boolean): CgroupObservation => ({
    path,
    ours,
    controllers: WANTED.filter(name => host.controllers.has(name)),
    missing: missing(),
    populated: tasks(path).length > 0,
    frozen: [...host.frozen].some(group => isAtOrBelow(path, group)),
  });
  const absent = (path: string) => new KukeError('CgroupFailed', `mkdir ${path}: No such file or directory (ENOENT)`);
  const make = (path: string): void => {
    const parent = checkPath(path).slice(0, path.lastIndexOf('/'));
    if (parent !== '' && !host.cgroups.has(parent)) throw absent(path);
    const found = host.cgroups.get(path);
    if (found?.ours === false) throw new KukeError('Conflict', `cgroup ${path} exists and is not kuke's`);
    host.cgroups.set(path, { ...found, ours: true });
  };
  return {
    create: action<CgroupActions['create']['params'], CgroupActions['create']['result']>(
      'cgroup.create',
      ({ path }) => {
        make(path);
        return { missing: missing() };
      },
    ),
    limit: action<CgroupActions['limit']['params'], void>('cgroup.limit', ({ path, limits }) => {
      if (host.cgroups.get(checkPath(path))?.ours !== true) throw absent(path);
      host.cgroups.set(path, { ours: true, asked: limits });
    }),
    leaf: action<CgroupActions['leaf']['params'], void>('cgroup.leaf', ({ path, limits }) => {
      make(path);
      host.cgroups.set(path, { ours: true, asked: limits });
    }),
    remove: action<CgroupActions['remove']['params'], void>('cgroup.remove', ({ path, leaves }) => {
      if (host.cgroups.get(checkPath(path))?.ours !== true) return;
      const isStray = (group: string) =>
        leaves !== undefined &&
        group.split('/').length === path.split('/').length + 1 &&
        !leaves.includes(group.split('/').at(-1) ?? '');
      const below = [...host.cgroups.keys(), ...tasks(path).map(({ cgroup }) => cgroup)];
      const foreign = below.find(
        group => isAtOrBelow(group, path) && (isKukes(group) || isStray(group)) && !host.cgroups.get(group)?.ours,
      );
      if (foreign !== undefined) throw new KukeError('Conflict', `cgroup ${foreign} exists and is not kuke's`);
      for (const { namespace, id } of tasks(path)) host.exit(namespace, id, 137);
      for (const group of host.cgroups.keys()) if (isAtOrBelow(group, path)) host.cgroups.delete(group);
    }),
    /** A container's leaf, which the runtime makes, carries no mark. */
    observe: top =>
      read('cgroup.observe', () => {
        const groups = new Map([...host.cgroups].map(([path, { ours }]) => [path, ours]));
        for (const { cgroup } of tasks(top)) if (!groups.has(cgroup)) groups.set(cgroup, false);
        return [...groups]
          .filter(([path]) => isAtOrBelow(path, top))
          .sort(([a], [b]) => a.split('/').length - b.split('/').length || a.localeCompare(b))
          .map(([path, ours]) => observed(path, ours));
      }),
    limits: ({ path, limits }) =>
      read('cgroup.limits', () =>
        eachLimit(limits).map(([field, asked]) => {
          const controller = field
            .replace(/^hugepages/, 'hugetlb')
            .replace(/^cpu.cpuset$/, 'cpuset')
            .replace(/\..*/, '');
          const notEnforced = host.controllers.has(controller) ? undefined : `no cgroup controller ${controller}`;
          const done = Bun.deepEquals(new Map(eachLimit(host.cgroups.get(path)?.asked ?? {})).get(field), asked);
          return {
            field,
            file: `${controller}.max`,
            asked,
            manual: false,
            due: notEnforced === undefined && !done,
            ...(notEnforced === undefined ? done && { current: asked } : { notEnforced }),
          };
        }),
      ),
    asked: path => read('cgroup.asked', () => host.cgroups.get(path)?.asked),
    oom: () => read('cgroup.oom', () => undefined),
    usage: top =>
      read('cgroup.usage', () =>
        [...host.cgroups.keys()].filter(path => isAtOrBelow(path, top)).map(path => ({ path })),
      ),
    isThere: thereWith<CgroupActions>({
      create: ({ path }) => read('cgroup.isThere', () => host.cgroups.get(checkPath(path))?.ours === true),
    }),
    explain: explainWith<CgroupActions>({
      create: ({ path }) => shellCommand('mkdir', `/sys/fs/cgroup${path}`),
      limit: ({ path }) => shellCommand('ls', `/sys/fs/cgroup${path}`),
      leaf: ({ path }) => shellCommand('mkdir', `/sys/fs/cgroup${path}`),
      remove: ({ path }) => shellCommand('rmdir', `/sys/fs/cgroup${path}`),
    }),
  };
}
