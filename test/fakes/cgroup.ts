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
import { eachLimit, formatLimit } from '../../src/kernel/limits/limits.ts';
import { fakeAsked, fakeLimit, fakeLimits, fakeRemember, fakeRestore, fakeUsage } from './cgroup-limits.ts';
import { type FakeHost, processOn } from './host.ts';

/** `/kukeon` or below it, and nothing that a path could escape with. */
function checkPath(path: string): string {
  if (/^\/kukeon(\/[^/\0]+)*$/.test(path) && !/\/\.{1,2}(\/|$)/.test(path)) return path;
  throw new KukeError('Internal', `${JSON.stringify(path)} is not the path of one of kuke's cgroups`);
}

/** Down to the cells; below them are the runtime's. */
const isKukes = (path: string) => path.split('/').length <= 6;
const isAtOrBelow = (path: string, top: string) => path === top || path.startsWith(`${top}/`);

const inTheWay = (path: string) => new KukeError('Conflict', `cgroup ${path} exists and is not kuke's`);
const byDepth = (paths: string[]): string[] =>
  paths.sort((a, b) => a.split('/').length - b.split('/').length || a.localeCompare(b));

export function fakeCgroup(host: FakeHost): CgroupBackend {
  const { action, read } = processOn(host);
  const tasks = (top: string) =>
    [...host.runtime.namespaces].flatMap(([namespace, { containers }]) =>
      [...containers]
        .filter(([, { task, config }]) => task?.state === 'running' && isAtOrBelow(config.cgroup, top))
        .map(([id, { config }]) => ({ namespace, id, cgroup: config.cgroup })),
    );
  const observed = (path: string, ours: boolean): CgroupObservation => ({
    path,
    ours,
    populated: tasks(path).length > 0,
    frozen: [...host.frozen].some(group => isAtOrBelow(path, group)),
  });
  const absent = (path: string) => new KukeError('CgroupFailed', `mkdir ${path}: No such file or directory (ENOENT)`);
  const make = (path: string): void => {
    const parent = checkPath(path).slice(0, path.lastIndexOf('/'));
    if (parent !== '' && !host.cgroups.has(parent)) throw absent(path);
    const found = host.cgroups.get(path);
    if (found?.ours === false) throw inTheWay(path);
    host.cgroups.set(path, { ...found, ours: true });
  };
  const setLimits = (
    { path, limits, leave = [], take }: CgroupActions['limit']['params'],
    note?: (message: string) => void,
  ): void => {
    const wrong = fakeLimits(host, path, limits).find(
      ({ field, fault }) => fault !== undefined && !leave.includes(field),
    );
    if (wrong !== undefined) throw new KukeError('InvalidManifest', `${wrong.field}: ${wrong.fault}`);
    for (const message of fakeLimit(host, path, limits, leave, take)) note?.(message);
  };
  const isOurs = ({ path }: { path: string }) =>
    read('cgroup.isThere', () => host.cgroups.get(checkPath(path))?.ours === true);
  return {
    create: action<CgroupActions['create']['params'], void>('cgroup.create', ({ path }) => make(path)),
    limit: action<CgroupActions['limit']['params'], void>('cgroup.limit', (params, { note }) => {
      const { path } = params;
      const group = host.cgroups.get(checkPath(path));
      if (group === undefined) throw absent(path);
      // A container's leaf is ours by what it lies in.
      if (!group.ours && isKukes(path)) throw inTheWay(path);
      group.ours = true;
      setLimits(params, note);
    }),
    leaf: action<CgroupActions['leaf']['params'], void>('cgroup.leaf', ({ path, limits, oomKills }, { note }) => {
      const isNew = !host.cgroups.has(path);
      make(path);
      try {
        setLimits({ path, limits }, note);
      } catch (thrown) {
        if (isNew) host.cgroups.delete(path);
        throw thrown;
      }
      const group = host.cgroups.get(path);
      if (group) group.oom = { kills: oomKills };
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
      if (foreign !== undefined) throw inTheWay(foreign);
      for (const { namespace, id } of tasks(path)) host.exit(namespace, id, 137);
      for (const group of host.cgroups.keys()) if (isAtOrBelow(group, path)) host.cgroups.delete(group);
    }),
    /** A container's leaf, which the runtime makes, carries no mark. */
    observe: (top, { isAbove = false } = {}) =>
      read('cgroup.observe', () => {
        const groups = new Map([...host.cgroups].map(([path, { ours }]) => [path, ours]));
        for (const { cgroup } of tasks(top)) if (!groups.has(cgroup)) groups.set(cgroup, false);
        return byDepth([...groups.keys()])
          .filter(path => isAtOrBelow(path, top) || (isAbove && isAtOrBelow(top, path)))
          .map(path => observed(path, groups.get(path) === true));
      }),
    limits: ({ path, limits }) => read('cgroup.limits', () => fakeLimits(host, checkPath(path), limits)),
    asked: path => read('cgroup.asked', () => fakeAsked(host, checkPath(path))),
    remember: ({ path }) => read('cgroup.remember', () => fakeRemember(host, checkPath(path))),
    restore: (path, remembered) => read('cgroup.restore', () => fakeRestore(host, checkPath(path), remembered)),
    oom: path =>
      read('cgroup.oom', () => (host.controllers.has('memory') ? host.cgroups.get(checkPath(path))?.oom : undefined)),
    strangers: top =>
      read('cgroup.strangers', () => host.strangers.filter(({ path }) => isAtOrBelow(path, checkPath(top)))),
    hits: () => read('cgroup.hits', () => ({ hits: 0 })),
    limitHit: () => read('cgroup.limitHit', () => host.limitHit),
    usage: (top, { isBrief = false } = {}) =>
      read('cgroup.usage', () =>
        byDepth([...host.cgroups.keys()])
          .filter(path => isAtOrBelow(path, top))
          .map(path => fakeUsage(host, path, tasks(path).length))
          .map(({ pids, memory, ...rest }) => ({
            ...rest,
            ...(memory && { memory: isBrief ? { current: memory.current } : memory }),
            ...(pids && !isBrief && { pids }),
          })),
      ),
    isThere: thereWith<CgroupActions>({
      create: isOurs,
      leaf: isOurs,
    }),
    explain: explainWith<CgroupActions>({
      create: ({ path }) => shellCommand('mkdir', `/sys/fs/cgroup${path}`),
      limit: ({ path, limits }) =>
        eachLimit(limits)
          .map(([field, value]) => shellCommand('echo', formatLimit(field, value), `/sys/fs/cgroup${path}`))
          .join('\n') || ':',
      leaf: ({ path }) => shellCommand('mkdir', `/sys/fs/cgroup${path}`),
      remove: ({ path }) => shellCommand('rmdir', `/sys/fs/cgroup${path}`),
    }),
  };
}
