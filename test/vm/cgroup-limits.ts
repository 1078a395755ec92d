/** The Cgroup backend on a host with every controller: what a box lacks. Run by jobs/cgroup-limits.sh in the virtual machine. */
import { afterEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { Limits } from '../../src/kernel/limits/limits.ts';
import { MOST_IOPS } from '../../src/kernel/limits/schema.ts';
import { cleanUp, MOUNT, shellIn } from '../host/cgroup-v2/backend-under-test.ts';
import { output } from '../host/observe/command.ts';
import { context, eventually } from '../suites/contract.ts';
import '../host/suites/cgroup.test.ts';
import {
  backend,
  cell,
  create,
  createCell,
  file,
  gone,
  hog,
  holds,
  leaf,
  limit,
  MI,
  main,
  only,
  seen,
  vda,
  vdb,
  vdc,
  write,
} from './cgroups-under-test.ts';

afterEach(cleanUp);

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

describe('memory', () => {
  test.each([
    ['a container', `${cell}/web_root`],
    ['the cell', cell],
    ['the realm', main],
  ])(
    'killed for want of it by the limit of %s: which one is known, and the one beside it lives',
    async (_, limited) => {
      await createCell();
      await leaf('web_root');
      await leaf('side');
      await limit({ 'memory.limit': 24 * MI }, limited);
      expect(file('memory.oom.group', `${cell}/web_root`)).toBe('1');
      const beside = await shellIn(`${cell}/side`);
      const child = await shellIn(`${cell}/web_root`, 'sleep 1000 & busybox tail -c 64m /dev/zero > /dev/null');
      await child.exited;
      expect(child.signalCode).toBe('SIGKILL');
      expect(await backend.oom(`${cell}/web_root`)).toEqual({
        kills: 1,
        last: { path: limited, limit: 24 * MI, peak: expect.any(Number) },
      });
      expect(await backend.oom(`${cell}/side`)).toEqual({ kills: 0 });
      // All of the container is gone, the sleep too.
      await eventually(async () => file('cgroup.procs', `${cell}/web_root`) === '' || undefined);
      expect(file('cgroup.procs', `${cell}/side`)).toBe(`${beside.pid}`);
      // The next life counts on, in the same group.
      await leaf('web_root', { 'memory.limit': 64 * MI }, 1);
      expect(await backend.oom(`${cell}/web_root`)).toEqual({ kills: 1 });
    },
  );

  test('killed for want of it: the limit is that of then, and what killed one is not held against a survivor', async () => {
    await createCell();
    await limit({ 'memory.limit': 24 * MI }, cell);
    await leaf('web_root');
    await leaf('side');
    const eat = async (name: string) => {
      await (await shellIn(`${cell}/${name}`, 'busybox tail -c 64m /dev/zero > /dev/null')).exited;
      return backend.oom(`${cell}/${name}`);
    };
    const byCell = { kills: 1, last: { path: cell, limit: 24 * MI } };
    expect(await eat('web_root')).toMatchObject(byCell);
    await limit({ 'memory.limit': 512 * MI }, cell);
    expect(await backend.oom(`${cell}/web_root`)).toMatchObject(byCell);
    await leaf('web_root', {}, 1);
    await limit({ 'memory.limit': 32 * MI });
    expect(await eat('side')).toMatchObject({ kills: 1, last: { path: main, limit: 32 * MI } });
  });

  test('a container that makes groups of its own is known to be killed whole all the same', async () => {
    await createCell();
    await leaf('web_root', { 'memory.limit': 24 * MI });
    write('cgroup.subtree_control', '+memory', `${cell}/web_root`);
    const child = await shellIn(`${cell}/web_root/inner`, 'busybox tail -c 64m /dev/zero > /dev/null');
    await child.exited;
    expect(await backend.oom(`${cell}/web_root`)).toMatchObject({
      kills: 1,
      last: { path: `${cell}/web_root`, limit: 24 * MI },
    });
  });

  test('lowered below what is used: caches are given back, and nothing is killed', async () => {
    await createCell();
    await leaf('web_root');
    const cached = '/var/tmp/cached';
    const child = await shellIn(
      `${cell}/web_root`,
      `dd if=/dev/zero of=${cached} bs=1M count=48 2> /dev/null; sleep 1000`,
    );
    await holds(cell, 40 * MI);
    write('memory.high', `${500 * MI}`, cell);
    const [note = '', ...more] = await limit({ 'memory.limit': 16 * MI }, cell);
    console.log(note);
    expect(more).toEqual([]);
    expect(note).toStartWith(`memory.max of ${cell} is 16Mi now, and `);
    expect(note).toMatch(/ \d\dMi were in use: \d\dMi were given back, nothing was killed$/);
    expect(Number(file('memory.current', cell))).toBeLessThanOrEqual(16 * MI);
    expect(file('cgroup.procs', `${cell}/web_root`)).toContain(`${child.pid}`);
    // What somebody wrote there is there again.
    expect(file('memory.high', cell)).toBe(`${500 * MI}`);
    expect(await seen({ 'memory.limit': 16 * MI }, cell)).toMatchObject([
      { field: 'memory.limit', due: false, manual: false },
      { field: 'memory.high', due: false, manual: true },
    ]);
    rmSync(cached);
  });

  test('lowered below what cannot be given back: who was killed is said', async () => {
    await createCell();
    await leaf('web_root');
    const child = await hog(`${cell}/web_root`, 48);
    await holds(cell, 48 * MI);
    const [note = '', ...more] = await limit({ 'memory.limit': 16 * MI, 'memory.high': 12 * MI }, cell);
    console.log(note);
    expect(more).toEqual([]);
    expect(note).toEndWith(`Mi were given back, processes were killed in ${cell}/web_root`);
    await child.exited;
    expect(child.signalCode).toBe('SIGKILL');
    expect([file('memory.max', cell), file('memory.high', cell)]).toEqual([`${16 * MI}`, `${12 * MI}`]);
    expect(await backend.oom(`${cell}/web_root`)).toMatchObject({ kills: 1, last: { path: cell, limit: 16 * MI } });
  });

  test('a kuke that died while it lowered leaves nothing that counts as by hand', async () => {
    await create('/kukeon', main);
    await limit({ 'memory.limit': 64 * MI, 'memory.high': 60 * MI });
    // As it is between the first write and the last.
    for (const high of [undefined, 50 * MI]) {
      const asked: Limits = { 'memory.limit': 16 * MI, ...(high !== undefined && { 'memory.high': high }) };
      const interrupted = { asked: { 'memory.limit': 16 * MI }, found: { 'memory.high': `${16 * MI}` } };
      await output(
        'perl',
        '-e',
        'syscall(188, @ARGV, length($ARGV[2]), 0) == 0 or die $!',
        `${MOUNT}${main}`,
        'trusted.kukeon.limits',
        JSON.stringify(interrupted),
      );
      write('memory.high', `${16 * MI}`);
      expect((await seen(asked)).map(({ manual, due }) => ({ manual, due }))).toEqual([
        { manual: false, due: true },
        { manual: false, due: true },
      ]);
      expect(await limit(asked)).toEqual([]);
      expect([file('memory.max'), file('memory.high')]).toEqual([`${16 * MI}`, high === undefined ? 'max' : `${high}`]);
      await limit({ 'memory.limit': 64 * MI });
    }
  });

  test('without swap a limit of it is told of, and written for the day that there is some', async () => {
    await create('/kukeon', main);
    expect(await only({ 'memory.swap': 64 * MI })).toMatchObject({ notEnforced: 'this host has no swap', due: true });
    expect(await only({ 'memory.swap': 64 * MI }, '/kukeon/none')).toMatchObject({
      notEnforced: 'this host has no swap',
    });
    await limit({ 'memory.swap': 64 * MI });
    expect(file('memory.swap.max')).toBe(`${64 * MI}`);
    expect((await only({ 'memory.swap': 0 })).notEnforced).toBeUndefined();
  });
});

describe('io', () => {
  test('devices: by any path, one line each, what is limited by hand beside them', async () => {
    await create('/kukeon', main);
    rmSync('/dev/data', { force: true });
    symlinkSync('/dev/vda', '/dev/data');
    const rates = { readBps: 2 * MI, writeBps: MI, readIops: 1000, writeIops: 500 };
    await limit({ 'io.devices': { '/dev/data': rates } });
    expect(file('io.max')).toBe(`${vda} rbps=2097152 wbps=1048576 riops=1000 wiops=500`);
    write('io.max', `${vdb} rbps=4096`);
    expect(await seen({ 'io.devices': { '/dev/data': rates } })).toMatchObject([
      ...Object.entries(rates).map(([rate, current]) => ({
        field: `io.devices./dev/data.${rate}`,
        current,
        manual: false,
        due: false,
      })),
      { field: 'io.devices./dev/vdb.readBps', current: 4096, manual: true, due: false },
    ]);
    // The same device by its own name: nothing is written by hand.
    expect(await limit({ 'io.devices': { '/dev/vda': { writeBps: MI } } })).toEqual([]);
    // One rate of it that is: what is asked for changes beside it.
    write('io.max', `${vda} wiops=77`);
    const byName = (await seen({ 'io.devices': { '/dev/vda': { writeBps: MI } } })).sort((a, b) =>
      a.field < b.field ? -1 : 1,
    );
    expect(byName).toMatchObject([
      { field: 'io.devices./dev/vda.writeBps', manual: false, due: false },
      { field: 'io.devices./dev/vda.writeIops', current: 77, manual: true, due: false },
      { field: 'io.devices./dev/vdb.readBps', manual: true },
    ]);
    expect(await limit({ 'io.devices': { '/dev/vda': { writeBps: 2 * MI } } })).toEqual([]);
    expect(file('io.max')).toContain(`${vda} rbps=max wbps=2097152 riops=max wiops=77`);
    expect(await limit({ 'io.devices': { '/dev/vda': { writeBps: MI } } })).toEqual([]);
    write('io.max', `${vda} wiops=max`);
    expect(file('io.max').split('\n').sort()).toEqual([
      `${vda} rbps=max wbps=1048576 riops=max wiops=max`,
      `${vdb} rbps=4096 wbps=max riops=max wiops=max`,
    ]);
    // A path that means another device now: the old one is let go.
    await limit({ 'io.devices': { '/dev/data': { writeBps: MI } } });
    rmSync('/dev/data');
    symlinkSync('/dev/vdc', '/dev/data');
    expect(await limit({ 'io.devices': { '/dev/data': { writeBps: MI } } })).toEqual([]);
    expect(file('io.max').split('\n').sort()).toEqual([
      `${vdb} rbps=4096 wbps=max riops=max wiops=max`,
      `${vdc} rbps=max wbps=1048576 riops=max wiops=max`,
    ]);
    // Gone altogether: it is said, and what is there can still be lifted.
    rmSync('/dev/data');
    const gone = { 'io.devices': { '/dev/data': { writeBps: MI } } };
    expect((await seen(gone)).find(({ asked }) => asked)).toMatchObject({
      fault: 'there is no device /dev/data',
      due: false,
    });
    await limit({});
    expect(file('io.max')).toBe(`${vdb} rbps=4096 wbps=max riops=max wiops=max`);
    const most = { 'io.devices': { '/dev/vda': { readIops: MOST_IOPS } } };
    await limit(most);
    expect((await seen(most)).find(({ asked }) => asked)).toMatchObject({ due: false, manual: false });
    expect(file('io.max')).toContain(`riops=${MOST_IOPS}`);
  });

  test('a partition, a device twice, and what is no device are refused by name', async () => {
    await create('/kukeon', main);
    // A table with one partition of 1 MiB, from sector 2048 on (mbr).
    const disk = new Uint8Array(4 * MI);
    disk.set([0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0], 446);
    disk.set([0x55, 0xaa], 510);
    writeFileSync('/var/tmp/disk', disk);
    await output('modprobe', 'loop');
    const loop = (await output('losetup', '--partscan', '--find', '--show', '/var/tmp/disk')).trim();
    const fault = async (...paths: string[]) =>
      (await seen({ 'io.devices': Object.fromEntries(paths.map(path => [path, { readBps: MI }])) })).map(
        one => one.fault,
      );
    // It comes and goes while udev looks at the disk too.
    const [said] = await eventually(async () => {
      const faults = await fault(`${loop}p1`);
      return faults[0]?.startsWith('there is no') ? undefined : faults;
    });
    expect(said).toBe(`${loop}p1 is a partition, and the kernel limits whole disks: ${loop}`);
    symlinkSync('/dev/vda', '/dev/again');
    expect(await fault('/dev/vda', '/dev/again', loop)).toEqual([
      undefined,
      '/dev/again is the same device as /dev/vda',
      undefined,
    ]);
    rmSync('/dev/again');
    expect(await fault('/dev/null')).toEqual(['/dev/null is not a block device']);
    await limit({ 'io.devices': { [loop]: { readBps: MI } } });
    expect(file('io.max')).toContain('rbps=1048576');
    await output('losetup', '--detach', loop);
  });

  test('weights count where a disk goes by them', async () => {
    await create('/kukeon', main);
    expect((await only({ 'io.weight': 300 })).notEnforced).toContain('no disk');
    write('io.cost.qos', `${vdb} enable=1`, '');
    expect((await only({ 'io.weight': 300 })).notEnforced).toBeUndefined();
    write('io.cost.qos', `${vdb} enable=0`, '');
    await limit({ 'io.weight': 300 });
    expect(file('io.weight')).toBe('default 300');
    write('io.weight', 'default 20');
    expect(await only({ 'io.weight': 300 })).toMatchObject({ manual: true, current: 20 });
  });
});

describe('whose limit kept something from starting', () => {
  const container = `${cell}/web_root`;
  test.each([
    ['its own', container],
    ['the cell’s', cell],
    ['the realm’s', main],
  ])('%s, for want of memory, though its group is gone', async (_, limited) => {
    await createCell();
    await leaf('web_root');
    await limit({ 'memory.limit': 24 * MI }, limited);
    const before = JSON.parse(JSON.stringify(await backend.hits(container)));
    const request = { path: container, limits: {} };
    expect(await backend.limitHit(request, before, 'EOF')).toBeUndefined();
    await (await shellIn(container, 'busybox tail -c 64m /dev/zero > /dev/null')).exited;
    await gone(container);
    expect(await backend.limitHit(request, before, 'EOF')).toEqual({ path: limited, field: 'memory.limit' });
  });

  test('of processes, told by the runtime’s words and what is left', async () => {
    await createCell();
    await limit({ 'pids.limit': 100 });
    await leaf('web_root', { 'pids.limit': 5 });
    const before = await backend.hits(container);
    rmdirSync(`${MOUNT}${container}`);
    const request = { path: container, limits: { 'pids.limit': 5 } };
    const words = "can't get final child's PID from pipe: EOF";
    expect(await backend.limitHit(request, before, words)).toEqual({ path: container, field: 'pids.limit' });
    expect(await backend.limitHit(request, before, 'no such file or directory')).toBeUndefined();
    await limit({ 'pids.limit': 2 }, cell);
    expect(await backend.limitHit(request, before, words)).toEqual({ path: cell, field: 'pids.limit' });
  });
});

test('what the root handed down only for kuke’s sake is taken back with /kukeon, but not what others use', async () => {
  const handedDown = () => file('cgroup.subtree_control', '').split(' ').sort();
  // Other tests have removed theirs by hand.
  await create('/kukeon');
  await backend.remove({ path: '/kukeon' }, context());
  const before = handedDown();
  const added = ['hugetlb', 'misc', 'rdma'];
  expect(before.filter(name => added.includes(name))).toEqual([]);
  await create('/kukeon', main);
  // As runc does.
  for (const name of added) for (const path of ['', '/kukeon', main]) write('cgroup.subtree_control', `+${name}`, path);
  await backend.remove({ path: '/kukeon' }, context());
  expect(handedDown()).toEqual(before);
  for (const used of ['a setting', 'groups of its own']) {
    await create('/kukeon');
    mkdirSync(`${MOUNT}/others`);
    if (used === 'a setting') write('hugetlb.2MB.max', `${4 * MI}`, '/others');
    else write('cgroup.subtree_control', '+hugetlb', '/others');
    await backend.remove({ path: '/kukeon' }, context());
    expect(handedDown()).toEqual([...before, 'hugetlb'].sort());
    rmdirSync(`${MOUNT}/others`);
    write('cgroup.subtree_control', '-hugetlb', '');
  }
});

test('CPUs are given back while something runs on them', async () => {
  await createCell();
  await leaf('web_root');
  const inside = `${cell}/web_root`;
  await shellIn(inside);
  for (const path of [inside, cell, main]) {
    await limit({ 'cpu.cpuset': '1' }, path);
    expect(file('cpuset.cpus.effective', inside)).toBe('1');
    await limit({}, path);
    expect(file('cpuset.cpus.effective', inside)).toBe('0-1');
    expect(await seen({}, path)).toEqual([]);
  }
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

test('what a level in the middle keeps back: it is named, and those above are limited', async () => {
  await create('/kukeon', main);
  for (const name of file('cgroup.subtree_control').split(' ')) write('cgroup.subtree_control', `-${name}`);
  await shellIn(main);
  const why = `${MOUNT}${main} has processes of its own, so it does not hand down memory`;
  for (const path of ['/kukeon/main/default', cell]) {
    expect(await only({ 'memory.limit': 64 * MI }, path)).toMatchObject({ notEnforced: why, due: false });
  }
  await create('/kukeon/main/default');
  expect(await limit({ 'memory.limit': 64 * MI }, '/kukeon/main/default')).toEqual([]);
  await limit({ 'memory.limit': 64 * MI });
  expect(file('memory.max')).toBe(`${64 * MI}`);
});
