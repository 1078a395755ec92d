/** Making cgroups: marks, delegation, what is in the way, and a kuke that dies on the way. */
import { afterEach, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { hostFindings } from '../../../plugins/cgroup-v2/doctor.ts';
import { cgroupAt } from '../../../plugins/cgroup-v2/hierarchy.ts';
import { noteCreation } from '../../../plugins/cgroup-v2/mark.ts';
import { cgroupRoot } from '../../../src/host/cgroupfs/cgroup.ts';
import { parseMountinfo } from '../../../src/host/mountinfo.ts';
import { KukeError } from '../../../src/kernel/errors.ts';
import { context, failure } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { xattr } from '../observe/xattr.ts';
import { backendOf, cleanUp, groups, INSTANCE, MOUNT, shellIn } from './backend-under-test.ts';

const backend = backendOf();
const create = (path: string, by = backend) => by.create({ path }, context());
const remove = (path: string, by = backend) => by.remove({ path }, context());
const all = (file: string) =>
  readFileSync(MOUNT + file, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .sort();
const note = (name = 'main', namespace = 'trusted') => xattr(`${MOUNT}/kukeon`, `${namespace}.kukeon.creating.${name}`);

// A box offers hugetlb, a virtual machine everything: what is expected is read from the host.
const ALL = ['cpu', 'cpuset', 'hugetlb', 'io', 'memory', 'pids'];
/** Of the controllers, those that concern kuke: runc hands down others besides. */
const words = (file: string) => all(file).filter(name => ALL.includes(name));
const offered = words('/cgroup.controllers');

const inOrder = ['cpu', 'cpuset', 'memory', 'io', 'pids', 'hugetlb'];
const offeredInOrder = inOrder.filter(name => offered.includes(name));
const missingInOrder = inOrder.filter(name => !offered.includes(name));

/** The mount table of a host that sees only `path`, as a container sees its own cgroup. */
const mountedAt = (path: string) => () =>
  parseMountinfo(`1 1 0:1 / / rw - ext4 / rw\n2 1 0:2 / ${path} rw - cgroup2 cgroup2 rw\n`);

afterEach(cleanUp);

test('each level carries the mark and the controllers, and hands them on to what a runtime makes in it', async () => {
  const levels = [
    '/kukeon',
    '/kukeon/main',
    '/kukeon/main/default',
    '/kukeon/main/default/blog',
    '/kukeon/main/default/blog/web',
  ];
  for (const path of levels) await create(path);
  mkdirSync(`${MOUNT}/kukeon/main/default/blog/web/web_root`);
  for (const path of levels) {
    expect(await xattr(MOUNT + path, 'trusted.kukeon.instance')).toBe(INSTANCE);
    expect(words(`${path}/cgroup.subtree_control`)).toEqual(offered);
  }
  for (const path of [...levels, '/kukeon/main/default/blog/web/web_root']) {
    expect(words(`${path}/cgroup.controllers`)).toEqual(offered);
    expect(readFileSync(`${MOUNT}${path}/cgroup.type`, 'utf8')).toBe('domain\n');
  }
  expect(await note()).toBeUndefined();
});

test('what an administrator has set by hand stays', async () => {
  for (const path of ['/kukeon', '/kukeon/main', '/kukeon/main/default']) await create(path);
  const values: [string, string][] = [
    ['cgroup.max.descendants', '500'],
    ['cgroup.max.depth', '7'],
    ...(offered.includes('memory') ? ([['memory.max', '1073741824']] as [string, string][]) : []),
    ...(offered.includes('cpu') ? ([['cpu.weight', '250']] as [string, string][]) : []),
    ...(offered.includes('hugetlb') ? ([['hugetlb.2MB.max', '4194304']] as [string, string][]) : []),
  ];
  for (const [file, value] of values) writeFileSync(`${MOUNT}/kukeon/main/${file}`, value);
  chmodSync(`${MOUNT}/kukeon/main`, 0o750);
  await create('/kukeon/main');
  await create('/kukeon/main/other');
  await remove('/kukeon/main/default');
  const now = values.map(([file]) => [file, readFileSync(`${MOUNT}/kukeon/main/${file}`, 'utf8').trim()]);
  expect(now).toEqual(values);
  expect((await output('stat', '-c', '%a', `${MOUNT}/kukeon/main`)).trim()).toBe('750');
});

test('controllers that others have handed down stay', async () => {
  await create('/kukeon');
  const every = all('/kukeon/cgroup.controllers');
  for (const name of every) writeFileSync(`${MOUNT}/kukeon/cgroup.subtree_control`, `+${name}`);
  await create('/kukeon');
  await create('/kukeon/main');
  expect(all('/kukeon/cgroup.subtree_control')).toEqual(every);
});

test('delegation that got lost is mended', async () => {
  await create('/kukeon');
  await create('/kukeon/main');
  for (const path of ['/kukeon/main', '/kukeon']) {
    for (const name of offered) writeFileSync(`${MOUNT}${path}/cgroup.subtree_control`, `-${name}`);
  }
  expect(words('/kukeon/main/cgroup.controllers')).toEqual([]);
  await create('/kukeon/main');
  expect(words('/kukeon/main/cgroup.subtree_control')).toEqual(offered);
});

test('below a level with processes of its own the group is made all the same', async () => {
  await create('/kukeon');
  for (const name of offered) writeFileSync(`${MOUNT}/kukeon/cgroup.subtree_control`, `-${name}`);
  const child = await shellIn('/kukeon');
  for (const path of ['/kukeon/main', '/kukeon/main/default']) {
    await create(path);
    expect(words(`${path}/cgroup.controllers`)).toEqual([]);
  }
  expect(readFileSync(`${MOUNT}/kukeon/main/cgroup.type`, 'utf8')).toBe('domain\n');
  expect(readFileSync(`${MOUNT}/kukeon/cgroup.procs`, 'utf8')).toBe(`${child.pid}\n`);
  // A container runs there.
  await shellIn('/kukeon/main/default/web_root');
});

test('in a container, whose root has processes and hands nothing down, cells get a cgroup too', async () => {
  const inner = '/inner';
  mkdirSync(MOUNT + inner);
  await shellIn(inner);
  const inside = backendOf(INSTANCE, { mounts: mountedAt(MOUNT + inner) });
  expect(hostFindings(mountedAt(MOUNT + inner)()).map(({ level, what }) => `${level}: ${what}`)).toEqual([
    `ok: cgroup v2 is mounted at ${MOUNT}${inner}, with ${offeredInOrder.join(' ') || 'no controllers'}`,
    ...missingInOrder.map(name => `warning: no cgroup controller ${name}: its limits are not enforced`),
    ...(offered.length > 0
      ? [`warning: ${MOUNT}${inner} has processes of its own, so it does not hand down ${offeredInOrder.join(' ')}`]
      : []),
  ]);
  for (const path of ['/kukeon', '/kukeon/main']) {
    await create(path, inside);
    expect(words(`${inner}${path}/cgroup.controllers`)).toEqual([]);
  }
  expect(groups(inner)).toEqual(['/inner', '/inner/kukeon', '/inner/kukeon/main']);
  await remove('/kukeon', inside);
  expect(groups(inner)).toEqual(['/inner']);
  await cleanUp();
  rmdirSync(MOUNT + inner);
});

test('what a kuke left that died between making and marking is taken over, or removed', async () => {
  await create('/kukeon');
  const died = cgroupAt(cgroupRoot(MOUNT), '/kukeon/main');
  for (const finish of [create, remove]) {
    noteCreation(died, INSTANCE);
    expect(await note()).toBe(INSTANCE);
    mkdirSync(died.path);
    expect((await backend.observe('/kukeon/main')).map(group => group.ours)).toEqual([false]);
    await finish('/kukeon/main');
    expect(await note()).toBeUndefined();
    const marks = (await backend.observe('/kukeon/main')).map(group => group.ours);
    expect(marks).toEqual(finish === create ? [true] : []);
    await remove('/kukeon/main');
  }
  // It died before it made the directory: whoever makes one now is another.
  noteCreation(died, INSTANCE);
  await remove('/kukeon/main');
  mkdirSync(died.path);
  await failure(create('/kukeon/main'), 'Conflict');
  // Another installation's note says nothing to us.
  noteCreation(died, 'another');
  await failure(create('/kukeon/main'), 'Conflict');
});

test('several processes make the same tree at once, and remove it at once', async () => {
  const paths = ['/kukeon', ...Array.from({ length: 40 }, (_, i) => `/kukeon/r${i}`)];
  const inFour = async (action: 'create' | 'remove', of: string[]) => {
    const script = `
      import { cgroupBackend } from './plugins/cgroup-v2/backend.ts';
      const backend = cgroupBackend({ instance: async () => '${INSTANCE}' });
      const context = { signal: new AbortController().signal, progress() {} };
      for (const path of ${JSON.stringify(of)}) await backend.${action}({ path }, context);`;
    const outcomes = await Promise.allSettled(Array.from({ length: 4 }, () => output('bun', '-e', script)));
    expect(outcomes.map(({ status }) => status)).toEqual(outcomes.map(() => 'fulfilled'));
  };
  await inFour('create', paths);
  expect(groups()).toEqual(paths.toSorted());
  expect((await backend.observe('/kukeon')).map(group => group.ours)).toEqual(paths.map(() => true));
  expect(await note('r39')).toBeUndefined();
  await inFour('remove', paths.slice(1));
  expect(groups()).toEqual(['/kukeon']);
});

test('in a user namespace, where trusted attributes are refused, the mark is a user attribute', async () => {
  const script = `
    import { cgroupBackend } from './plugins/cgroup-v2/backend.ts';
    const backend = cgroupBackend({ instance: async () => '${INSTANCE}' });
    const context = { signal: new AbortController().signal, progress() {} };
    for (const path of ['/kukeon', '/kukeon/main', '/kukeon/gone']) await backend.create({ path }, context);
    await backend.remove({ path: '/kukeon/gone' }, context);
    console.log(JSON.stringify((await backend.observe('/kukeon')).map(group => [group.path, group.ours])));`;
  const seen = JSON.parse(await output('unshare', '--user', '--map-root-user', 'bun', '-e', script));
  expect(seen).toEqual([
    ['/kukeon', true],
    ['/kukeon/main', true],
  ]);
  expect(await xattr(`${MOUNT}/kukeon/main`, 'user.kukeon.instance')).toBe(INSTANCE);
  expect(await xattr(`${MOUNT}/kukeon/main`, 'trusted.kukeon.instance')).toBeUndefined();
  expect(await note('main', 'user')).toBeUndefined();
  // Outside it is known as ours all the same.
  expect((await backend.observe('/kukeon')).map(group => group.ours)).toEqual([true, true]);
  await remove('/kukeon');
  expect(groups()).toEqual([]);
});

test('doctor names the v1 hierarchy that holds a controller', () => {
  const v1 = inOrder.map(
    (name, i) => `${i + 3} 1 0:${i + 3} / /v1/${name} rw - cgroup cgroup rw,${name === 'io' ? 'blkio' : name}`,
  );
  const mounts = parseMountinfo(
    ['1 1 0:1 / / rw - ext4 / rw', `2 1 0:2 / ${MOUNT} rw - cgroup2 cgroup2 rw`, ...v1].join('\n'),
  );
  const said = hostFindings(mounts).filter(({ level }) => level === 'warning');
  expect(said.map(({ what }) => what)).toEqual(
    missingInOrder.map(name => `cgroup v1 at /v1/${name} holds the controller ${name}: its limits are not enforced`),
  );
});

test('a group in the way is named, with whose it is and what to do', async () => {
  mkdirSync(`${MOUNT}/kukeon`);
  const unmarked = await failure(create('/kukeon'), 'Conflict');
  expect(unmarked.message).toBe("cgroup /sys/fs/cgroup/kukeon exists and is not kuke's");
  expect(unmarked.remedy).toBe('if nobody needs it: rmdir /sys/fs/cgroup/kukeon');
  expect(unmarked.exitCode).toBe(4);
  await failure(create('/kukeon/main'), 'Conflict'); // not within a foreign one either
  expect(groups()).toEqual(['/kukeon']);
  rmdirSync(`${MOUNT}/kukeon`);
  const other = backendOf('another');
  await create('/kukeon', other);
  await create('/kukeon/main', other);
  for (const path of ['/kukeon', '/kukeon/main', '/kukeon/lab']) {
    expect((await failure(create(path), 'Conflict')).message).toContain(
      'belongs to another installation of kuke (another)',
    );
    await remove(path);
  }
  expect((await backend.observe('/kukeon')).map(group => group.ours)).toEqual([false, false]);
  expect((await other.observe('/kukeon')).map(group => group.ours)).toEqual([true, true]);
});

test('a mount in the way is named, and nothing is made or removed in it', async () => {
  await create('/kukeon');
  mkdirSync(`${MOUNT}/kukeon/main`);
  await output('mount', '-t', 'tmpfs', 'theirs', `${MOUNT}/kukeon/main`);
  mkdirSync(`${MOUNT}/kukeon/main/theirs`);
  const error = await failure(create('/kukeon/main'), 'Conflict');
  expect(error.message).toBe('something is mounted at /sys/fs/cgroup/kukeon/main');
  expect(error.remedy).toContain('umount /sys/fs/cgroup/kukeon/main');
  await failure(create('/kukeon/main/theirs'), 'Conflict');
  await remove('/kukeon/main');
  expect((await failure(remove('/kukeon'), 'Conflict')).message).toContain('mounted at /sys/fs/cgroup/kukeon/main');
  expect(groups()).toEqual(['/kukeon', '/kukeon/main', '/kukeon/main/theirs']);
  expect((await backend.observe('/kukeon')).map(group => group.path)).toEqual(['/kukeon']);
  await output('umount', `${MOUNT}/kukeon/main`);
});

test('what the kernel refuses is said in its words, and leaves nothing', async () => {
  await create('/kukeon');
  writeFileSync(`${MOUNT}/kukeon/cgroup.max.descendants`, '0');
  const full = await failure(create('/kukeon/main'), 'CgroupFailed');
  expect(full.message).toBe('mkdir /sys/fs/cgroup/kukeon/main: Resource temporarily unavailable (EAGAIN)');
  expect(full.remedy).toContain('cgroup.max.descendants');
  expect(await note()).toBeUndefined();
  expect(groups()).toEqual(['/kukeon']);

  mkdirSync('/tmp/read-only');
  await output('mount', '-t', 'cgroup2', '-o', 'ro', 'cgroup2', '/tmp/read-only');
  const readOnly = backendOf(INSTANCE, { mounts: mountedAt('/tmp/read-only') });
  expect((await failure(create('/kukeon/main', readOnly), 'HostNotReady')).exitCode).toBe(5);
  await output('umount', '/tmp/read-only');
});

test('before init nothing is ours and nothing is made', async () => {
  const uninitialised = backendOf(INSTANCE, {
    instance: async () => {
      throw new KukeError('NotInitialised', 'not set up');
    },
  });
  await failure(create('/kukeon', uninitialised), 'NotInitialised');
  expect(await uninitialised.observe('/kukeon')).toEqual([]);
  await create('/kukeon');
  expect((await uninitialised.observe('/kukeon')).map(group => group.ours)).toEqual([false]);
});
