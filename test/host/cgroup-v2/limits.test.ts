/** Limits on real cgroups: manual values, what is not enforced and why, all or as before, records that survive a kuke that died. */
import { afterEach, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { cgroupAt } from '../../../plugins/cgroup-v2/hierarchy.ts';
import { writeRecord } from '../../../plugins/cgroup-v2/limits/record.ts';
import { cgroupRoot } from '../../../src/host/cgroupfs/cgroup.ts';
import { parseMountinfo } from '../../../src/host/mountinfo.ts';
import { setXattr } from '../../../src/host/xattr.ts';
import type { LimitObservation } from '../../../src/kernel/backends/index.ts';
import type { Limits } from '../../../src/kernel/limits/limits.ts';
import { context, failure } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { xattr } from '../observe/xattr.ts';
import { backendOf, cleanUp, groups, INSTANCE, MOUNT, shellIn } from './backend-under-test.ts';

const MI = 2 ** 20;
const backend = backendOf();
const main = '/kukeon/main';
const cell = '/kukeon/main/default/blog/web';
const create = async (...paths: string[]) => {
  for (const path of paths) await backend.create({ path }, context());
};
const createCell = () => create('/kukeon', main, '/kukeon/main/default', '/kukeon/main/default/blog', cell);
const limit = async (limits: Limits, path = main, by = backend): Promise<string[]> => {
  const notes: string[] = [];
  await by.limit({ path, limits }, { ...context(), note: message => notes.push(message) });
  return notes;
};
const huge = (small: number, large?: number): Limits => ({
  hugepages: { '2Mi': small, ...(large !== undefined && { '1Gi': large }) },
});
const file = (name: string, path = main) => readFileSync(`${MOUNT}${path}/${name}`, 'utf8').trim();
const small = (path = main) => file('hugetlb.2MB.max', path);
const seen = async (limits: Limits, path = main, by = backend) => by.limits({ path, limits });
const states = (all: LimitObservation[]) => all.map(({ field, manual, due }) => ({ field, manual, due }));
const record = async (path = main) => xattr(MOUNT + path, 'trusted.kukeon.limits');
const bare = (path = main) => cgroupAt(cgroupRoot(MOUNT), path);

/** From what is below first. */
const takeAway = (...paths: string[]) => {
  for (const path of paths) writeFileSync(`${MOUNT}${path}/cgroup.subtree_control`, '-hugetlb');
};

const offered = file('cgroup.controllers', '').split(' ');
const pagesOf = (size: string) => existsSync(`/sys/kernel/mm/hugepages/hugepages-${size}kB`);

afterEach(cleanUp);

test('this host has what these tests set: hugetlb, with pages of two sizes', () => {
  expect(offered).toContain('hugetlb');
  expect([pagesOf('2048'), pagesOf('1048576')]).toEqual([true, true]);
});

test('limits are in the kernel’s files, each in its own', async () => {
  await create('/kukeon', main);
  expect(await limit(huge(4 * MI, 2 ** 30))).toEqual([]);
  expect([small(), file('hugetlb.1GB.max')]).toEqual([`${4 * MI}`, `${2 ** 30}`]);
  expect(states(await seen(huge(4 * MI, 2 ** 30)))).toEqual([
    { field: 'hugepages.2Mi', manual: false, due: false },
    { field: 'hugepages.1Gi', manual: false, due: false },
  ]);
  // What the kernel holds is counted, from outside.
  expect(JSON.parse((await record()) ?? '')).toEqual({
    asked: huge(4 * MI, 2 ** 30),
    found: { 'hugepages.2Mi': `${4 * MI}`, 'hugepages.1Gi': `${2 ** 30}` },
  });
  await limit({});
  expect(small()).toBe('max');
  expect(await record()).toBeUndefined();
});

test('/kukeon itself has limits too', async () => {
  await create('/kukeon');
  await limit(huge(8 * MI), '/kukeon');
  expect(small('/kukeon')).toBe(`${8 * MI}`);
});

test('what is the same is not written again', async () => {
  await create('/kukeon', main);
  await limit(huge(8 * MI));
  // A mount that only reads would refuse any write.
  const path = `${MOUNT}${main}/hugetlb.2MB.max`;
  await output('mount', '--bind', path, path);
  await output('mount', '-o', 'remount,bind,ro', path);
  await limit(huge(8 * MI, 2 ** 30));
  expect(file('hugetlb.1GB.max')).toBe(`${2 ** 30}`);
  const error = await failure(limit(huge(16 * MI, 2 ** 30)), 'HostNotReady', 'CgroupFailed');
  expect(error.message).toContain('hugetlb.2MB.max = 16777216');
  await output('umount', path);
});

test('when the kernel refuses one, all are as before, those by hand too', async () => {
  await create('/kukeon', main);
  await limit(huge(8 * MI));
  writeFileSync(`${MOUNT}${main}/hugetlb.2MB.max`, `${4 * MI}`);
  const before = await record();
  const large = `${MOUNT}${main}/hugetlb.1GB.max`;
  await output('mount', '--bind', large, large);
  await output('mount', '-o', 'remount,bind,ro', large);
  const error = await failure(limit(huge(16 * MI, 2 ** 30)), 'HostNotReady', 'CgroupFailed');
  expect(error.message).toContain('hugetlb.1GB.max');
  expect(small()).toBe(`${4 * MI}`);
  expect(await record()).toBe(before);
  await output('umount', large);
  expect(await limit(huge(16 * MI, 2 ** 30))).toEqual([
    'hugetlb.2MB.max of /kukeon/main was set by hand: 4Mi; it is 16Mi now',
  ]);
  expect([small(), file('hugetlb.1GB.max')]).toEqual([`${16 * MI}`, `${2 ** 30}`]);
});

test('a limit that somebody took away by hand stays away', async () => {
  await create('/kukeon', main);
  await limit(huge(8 * MI));
  writeFileSync(`${MOUNT}${main}/hugetlb.2MB.max`, 'max');
  expect(await seen(huge(8 * MI))).toMatchObject([{ manual: true, due: false }]);
  await limit(huge(8 * MI));
  expect(small()).toBe('max');
  expect(await limit(huge(6 * MI))).toEqual([
    'hugetlb.2MB.max of /kukeon/main was set by hand: no limit; it is 6Mi now',
  ]);
  expect(small()).toBe(`${6 * MI}`);
});

test('what somebody wrote by hand is taken for asked for when it is what the manifest says', async () => {
  await create('/kukeon', main);
  writeFileSync(`${MOUNT}${main}/hugetlb.2MB.max`, `${8 * MI}`);
  expect(await limit(huge(8 * MI))).toEqual([]);
  expect(states(await seen(huge(8 * MI)))).toEqual([{ field: 'hugepages.2Mi', manual: false, due: false }]);
  await limit({});
  expect(small()).toBe('max');
});

test('a kuke that died while it wrote left what the next one finishes, and nothing counts as by hand', async () => {
  await create('/kukeon', main);
  await limit(huge(8 * MI, 2 ** 30));
  const before = JSON.parse((await record()) ?? '');
  for (const written of [8 * MI, 16 * MI]) {
    // It had noted what it was about to do, and had come to the first file, or not.
    writeRecord(bare(), { asked: huge(16 * MI, 2 ** 30), found: { 'hugepages.1Gi': before.found['hugepages.1Gi'] } });
    writeFileSync(`${MOUNT}${main}/hugetlb.2MB.max`, `${written}`);
    writeFileSync(`${MOUNT}${main}/hugetlb.1GB.max`, `${2 ** 30}`);
    expect(states(await seen(huge(16 * MI, 2 ** 30)))).toEqual([
      { field: 'hugepages.2Mi', manual: false, due: true },
      { field: 'hugepages.1Gi', manual: false, due: false },
    ]);
    expect(await limit(huge(16 * MI, 2 ** 30))).toEqual([]);
    expect(small()).toBe(`${16 * MI}`);
    // Or it was lifting them: what it had not come to is still known as its own.
    writeRecord(bare(), { asked: {}, found: { 'hugepages.2Mi': `${16 * MI}`, 'hugepages.1Gi': `${2 ** 30}` } });
    writeFileSync(`${MOUNT}${main}/hugetlb.1GB.max`, 'max');
    await limit({});
    expect(await seen({})).toEqual([]);
    expect(await record()).toBeUndefined();
  }
});

test('a record that is none is as good as none', async () => {
  await create('/kukeon', main);
  for (const text of ['', '{', '[]', '{"asked": 1}', '{"asked": {}, "found": {"hugepages.2Mi": 7}}']) {
    setXattr(MOUNT + main, 'trusted.kukeon.limits', text);
    expect(await backend.asked(main)).toBeUndefined();
    await limit(huge(8 * MI));
    expect(await backend.asked(main)).toEqual(huge(8 * MI));
    await limit({});
  }
});

test('in a user namespace, where trusted attributes are refused, limits are kept all the same', async () => {
  const script = `
    import { cgroupBackend } from './plugins/cgroup-v2/backend.ts';
    const backend = cgroupBackend({ instance: async () => '${INSTANCE}' });
    const context = { signal: new AbortController().signal, progress() {} };
    await backend.create({ path: '/kukeon' }, context);
    for (const size of [${4 * MI}, ${8 * MI}]) await backend.limit({ path: '/kukeon', limits: { hugepages: { '2Mi': size } } }, context);
    console.log(JSON.stringify(await backend.limits({ path: '/kukeon', limits: { hugepages: { '2Mi': ${8 * MI} } } })));`;
  const [one] = JSON.parse(await output('unshare', '--user', '--map-root-user', 'bun', '-e', script));
  expect(one).toMatchObject({ current: 8 * MI, manual: false, due: false });
  expect(await xattr(`${MOUNT}/kukeon`, 'user.kukeon.limits')).toContain(`${8 * MI}`);
});

test('a level with processes of its own is named as what keeps a controller back', async () => {
  await create('/kukeon');
  writeFileSync(`${MOUNT}/kukeon/cgroup.subtree_control`, '-hugetlb');
  await shellIn('/kukeon');
  const why = '/sys/fs/cgroup/kukeon has processes of its own, so it does not hand down hugetlb';
  await create(main);
  for (const path of [main, cell, `${cell}/web_root`]) {
    expect(await seen(huge(8 * MI), path)).toMatchObject([{ notEnforced: why, due: false, manual: false }]);
  }
  expect(await limit(huge(8 * MI))).toEqual([]);
  expect(await backend.asked(main)).toEqual(huge(8 * MI));
  await cleanUp();
  // Without them the controller is handed down for the limit.
  await create('/kukeon', main, '/kukeon/main/default');
  await limit(huge(8 * MI), '/kukeon/main/default');
  takeAway('/kukeon/main/default', '/kukeon/main', '/kukeon');
  expect(await seen(huge(8 * MI), '/kukeon/main/default')).toMatchObject([{ due: true, manual: false }]);
  expect(await limit(huge(8 * MI), '/kukeon/main/default')).toEqual([]);
  expect(small('/kukeon/main/default')).toBe(`${8 * MI}`);
});

test('a level that only reads is named in the kernel’s words, before anything is tried', async () => {
  await create('/kukeon', main);
  takeAway(main, '/kukeon');
  const control = `${MOUNT}/kukeon/cgroup.subtree_control`;
  await output('mount', '--bind', control, control);
  await output('mount', '-o', 'remount,bind,ro', control);
  try {
    for (const path of [main, cell]) {
      const [one] = await seen(huge(8 * MI), path);
      expect(one).toMatchObject({ due: false, manual: false });
      expect(one?.notEnforced).toContain('/kukeon/cgroup.subtree_control: Read-only file system');
    }
    await limit(huge(8 * MI));
    expect(await seen(huge(8 * MI))).toMatchObject([{ due: false }]);
  } finally {
    await output('umount', control);
  }
  expect(await seen(huge(8 * MI))).toMatchObject([{ due: true, manual: false }]);
  await limit(huge(8 * MI));
  expect(small()).toBe(`${8 * MI}`);
});

test('what the kernel refuses to hand down is told, once, and known from then on, until it comes', async () => {
  await create('/kukeon', main);
  takeAway(main, '/kukeon');
  // A level with threads of its own in another group hands down no such controller.
  mkdirSync(`${MOUNT}/kukeon/threads`);
  writeFileSync(`${MOUNT}/kukeon/threads/cgroup.type`, 'threaded');
  const [told = '', ...others] = await limit(huge(8 * MI)).finally(() => rmdirSync(`${MOUNT}/kukeon/threads`));
  expect(told).toMatch(/^hugepages\.2Mi of \/kukeon\/main is not enforced: .*\/kukeon\/cgroup\.subtree_control/);
  expect(others).toEqual([]);
  expect(await seen(huge(8 * MI))).toMatchObject([{ due: false, notEnforced: told.replace(/^.*?: /, '') }]);
  expect(await limit(huge(8 * MI))).toEqual([]);
  expect(await backend.asked(main)).toEqual(huge(8 * MI));
  await create('/kukeon');
  expect(await seen(huge(8 * MI))).toMatchObject([{ due: true }]);
  await limit(huge(8 * MI));
  expect(small()).toBe(`${8 * MI}`);
  expect(await record()).not.toContain('refused');
});

test('where a controller was taken away and comes back, the limits of all groups below are due, and not by hand', async () => {
  const [left, right] = ['/kukeon/main/left', '/kukeon/main/right'];
  await create('/kukeon', main, left, right);
  for (const path of [left, right]) await limit(huge(8 * MI), path);
  takeAway(left, right, main);
  await create('/kukeon/main/new');
  for (const path of [left, right]) {
    expect(await seen(huge(8 * MI), path)).toMatchObject([{ due: true, manual: false }]);
    await limit(huge(8 * MI), path);
    expect(small(path)).toBe(`${8 * MI}`);
  }
});

test('a cgroup v1 hierarchy that holds a controller is named', async () => {
  const wanted = ['cpu', 'cpuset', 'memory', 'io', 'pids'];
  const v1 = wanted.map(
    (name, i) => `${i + 3} 1 0:${i + 3} / /v1/${name} rw - cgroup cgroup rw,${name === 'io' ? 'blkio' : name}`,
  );
  const mounts = () =>
    parseMountinfo(['1 1 0:1 / / rw - ext4 / rw', `2 1 0:2 / ${MOUNT} rw - cgroup2 cgroup2 rw`, ...v1].join('\n'));
  await create('/kukeon', main);
  const limits: Limits = {
    'cpu.limit': 1,
    'cpu.cpuset': '0',
    'memory.limit': 64 * MI,
    'io.weight': 50,
    'pids.limit': 9,
  };
  const reasons = (await seen({ ...limits, ...huge(4 * MI) }, main, backendOf(INSTANCE, { mounts }))).map(
    one => one.notEnforced,
  );
  // Where it is not held by v1 this host enforces it, as a virtual machine does.
  const held = wanted.map(name =>
    offered.includes(name) ? undefined : `cgroup v1 at /v1/${name} holds the controller ${name}`,
  );
  expect(reasons).toEqual([held[0], held[1], held[2], held[3], held[4], undefined]);
});

test('what is explained does the same', async () => {
  await create('/kukeon', main);
  await output('sh', '-ec', backend.explain('limit', { path: main, limits: huge(8 * MI, 2 ** 30) }));
  expect([small(), file('hugetlb.1GB.max')]).toEqual([`${8 * MI}`, `${2 ** 30}`]);
  await limit(huge(8 * MI, 2 ** 30));
  const lifting = backend.explain('limit', { path: main, limits: {} });
  expect(lifting.split('\n')).toEqual([
    `echo max > ${MOUNT}${main}/hugetlb.2MB.max`,
    `echo max > ${MOUNT}${main}/hugetlb.1GB.max`,
  ]);
  await output('sh', '-ec', lifting);
  expect(small()).toBe('max');
  expect(backend.explain('limit', { path: main, limits: huge(7, 7) })).not.toContain('nothing');
  expect(backend.explain('limit', { path: '/kukeon/none', limits: {} })).toBe('# nothing is to be written');
  const device = backend.explain('limit', { path: main, limits: { 'io.devices': { '/dev/none': { readBps: 1 } } } });
  expect(device).toContain('# io.devices./dev/none.readBps: there is no device /dev/none');
});

test('parts of huge pages are refused, none is not', async () => {
  await create('/kukeon', main);
  for (const [asked, next] of [
    [MI, '2Mi'],
    [5 * MI, '6Mi'],
  ] as const) {
    const fault = `one page is 2Mi: the next that it can be is ${next}`;
    expect((await seen(huge(asked))).map(one => one.fault)).toEqual([fault]);
    await failure(limit(huge(asked)), 'InvalidManifest');
  }
  await limit(huge(0));
  expect(small()).toBe('0');
});

test('six hundred groups: what they use is read', async () => {
  await createCell();
  const stack = '/kukeon/main/default/blog';
  const cells = Array.from({ length: 200 }, (_, i) => `${stack}/c${i}`);
  await create(...cells);
  for (const one of cells) for (const leaf of ['root', 'side']) mkdirSync(`${MOUNT}${one}/${leaf}`);
  const used = await backend.usage('/kukeon');
  expect(used.map(one => one.path).sort()).toEqual(groups().sort());
  const busy = await shellIn(`${cells[7]}/root`, 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done');
  await busy.exited;
  const after = new Map((await backend.usage('/kukeon')).map(one => [one.path, one.cpuUsec]));
  for (const path of [`${cells[7]}/root`, cells[7] ?? '', stack, '/kukeon']) expect(after.get(path)).toBeGreaterThan(0);
  expect(after.get(`${cells[7]}/side`)).toBe(0);
  await backend.remove({ path: '/kukeon' }, context());
});
