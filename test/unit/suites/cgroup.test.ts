import { fakeCgroup } from '../../fakes/cgroup.ts';
import { addContainer, makeHost } from '../../fakes/index.ts';
import { cgroupSuite } from '../../suites/cgroup.ts';

for (const offered of [['cpu', 'cpuset', 'memory', 'io', 'pids', 'hugetlb'], ['hugetlb'], []]) {
  cgroupSuite(`the fake cgroups, with ${offered.join(' ') || 'no controllers'}`, async () => {
    const host = makeHost();
    host.controllers = new Set(offered);
    return {
      backend: fakeCgroup(host),
      foreign: async path => {
        host.cgroups.set(path, { ours: false });
      },
      occupied: async cgroup => {
        const container = addContainer(host, { id: cgroup, cgroup });
        container.task = { pid: 100, state: 'running', startedAt: '2024-01-01T00:00:00Z' };
        return { alive: async () => container.task?.state === 'running' };
      },
      setByHand: async (path, field, value) => {
        const group = host.cgroups.get(path);
        const values = new Map(group?.values);
        if (value === undefined) values.delete(field);
        else values.set(field, value);
        if (group !== undefined) host.cgroups.set(path, { ...group, values });
      },
      groups: async path => [...host.cgroups.keys()].filter(group => `${group}/`.startsWith(`${path}/`)),
      cleanup: async () => {},
    };
  });
}
