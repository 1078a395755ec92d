/** The Cgroup backend on a host with every controller: what a box lacks. Run by jobs/cgroup-limits.sh in the virtual machine. */
import { expect, test } from 'bun:test';
import { existsSync, rmSync } from 'node:fs';
import type { Limits } from '../../src/kernel/limits/limits.ts';
import { shellIn } from '../host/cgroup-v2/backend-under-test.ts';
import { output } from '../host/observe/command.ts';
import { eventually } from '../suites/contract.ts';
import { backend, cell, create, createCell, file, leaf, limit, MI, main, seen, vda } from './cgroups-under-test.ts';
import '../host/suites/cgroup.test.ts';
import './cgroups/cpuset.ts';
import './cgroups/delegation.ts';
import './cgroups/io.ts';
import './cgroups/memory.ts';
import './cgroups/starting.ts';

test('each limit is in its own file, in the kernel’s form, and lifted again', async () => {
  await create('/kukeon', main);
  const limits: Limits = {
    'cpu.limit': 1.5,
    'cpu.weight': 200,
    'cpu.cpuset': '0-1',
    'memory.limit': 100_000_000,
    'memory.high': 90_000_000,
    'memory.reservation': 10_000_000,
    'memory.swap': 0,
    'io.weight': 300,
    'io.devices': { '/dev/vda': { readBps: MI, writeIops: 100 } },
    'pids.limit': 50,
    hugepages: { '2Mi': 4 * MI, '1Gi': 0 },
  };
  const files = () =>
    Object.fromEntries(
      ['cpu.max', 'cpu.weight', 'cpuset.cpus', 'memory.max', 'memory.high', 'memory.low', 'memory.swap.max']
        .concat(['io.weight', 'io.max', 'pids.max', 'hugetlb.2MB.max', 'hugetlb.1GB.max'])
        .map(name => [name, file(name)]),
    );
  const before = files();
  await limit(limits);
  expect(files()).toEqual({
    'cpu.max': '150000 100000',
    'cpu.weight': '200',
    'cpuset.cpus': '0-1',
    'memory.max': '99999744',
    'memory.high': '89997312',
    'memory.low': '9998336',
    'memory.swap.max': '0',
    'io.weight': 'default 300',
    'io.max': `${vda} rbps=1048576 wbps=max riops=max wiops=100`,
    'pids.max': '50',
    'hugetlb.2MB.max': `${4 * MI}`,
    'hugetlb.1GB.max': '0',
  });
  const state = (await seen(limits)).map(({ field, manual, due, notEnforced, fault }) => [
    field,
    manual,
    due,
    fault,
    notEnforced,
  ]);
  const weights = 'no disk of this host goes by weights: that takes the scheduler bfq, or io.cost.qos';
  expect(state).toHaveLength(13);
  for (const [field, ...rest] of state) {
    expect([field, ...rest]).toEqual([field, false, false, undefined, field === 'io.weight' ? weights : undefined]);
  }
  const commands = backend.explain('limit', { path: main, limits: {} });
  await limit({});
  expect(files()).toEqual(before);
  expect(await seen({})).toEqual([]);
  // What a person would type for the same.
  await limit(limits);
  await output('sh', '-ec', commands);
  expect(files()).toEqual(before);
  await limit({});
  await output('sh', '-ec', backend.explain('limit', { path: main, limits }));
  expect((await seen(limits)).filter(({ field }) => field === 'memory.limit')).toMatchObject([{ current: 99_999_744 }]);
});

test('what is used is counted, up the tree', async () => {
  await createCell();
  await leaf('web_root', { 'pids.limit': 9 });
  await limit({ 'memory.limit': 256 * MI });
  await shellIn(
    `${cell}/web_root`,
    'dd if=/dev/zero of=/var/tmp/written bs=1M count=8 conv=fsync 2> /dev/null; echo done > /var/tmp/done; sleep 1000',
  );
  await eventually(async () => existsSync('/var/tmp/done') || undefined);
  const used = new Map((await backend.usage('/kukeon')).map(one => [one.path, one]));
  for (const path of ['/kukeon', main, cell, `${cell}/web_root`]) {
    const one = used.get(path);
    expect(one?.cpuUsec).toBeGreaterThan(0);
    expect(one?.memory?.current).toBeGreaterThan(100_000);
    expect(one?.memory?.limit).toBe(path === '/kukeon' ? undefined : 256 * MI);
    expect(one?.pids).toEqual({ current: 2, ...(path === `${cell}/web_root` && { limit: 9 }) });
    expect(one?.io?.writeBytes).toBeGreaterThanOrEqual(8 * MI);
    expect(one?.io?.writes).toBeGreaterThan(0);
    expect(one?.pressure?.memory).toBeGreaterThanOrEqual(0);
  }
  rmSync('/var/tmp/written');
  rmSync('/var/tmp/done');
});
