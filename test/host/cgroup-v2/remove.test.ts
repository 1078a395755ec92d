/** Ending what runs in a subtree and removing it; what is left alone, and what is left over. */
import { afterEach, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { parseMountinfo } from '../../../src/host/mountinfo.ts';
import { setXattr } from '../../../src/host/xattr.ts';
import { context, eventually, failure } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { difference, inventory } from '../observe/inventory.ts';
import { filesBelow } from '../observe/system.ts';
import { backendOf, cleanUp, groups, INSTANCE, livesIn, MOUNT, shellIn } from './backend-under-test.ts';

const backend = backendOf();
const create = async (...paths: string[]) => {
  for (const path of paths) await backend.create({ path }, context());
};
/** As deep as a cell is: what lies in it is its containers'. */
const web = '/kukeon/main/default/blog/web';
const levels = ['/kukeon', '/kukeon/main', '/kukeon/main/default', '/kukeon/main/default/blog'];
const remove = (path: string, by = backend) => by.remove({ path }, context());
const pidsIn = (path: string) =>
  readFileSync(`${MOUNT}${path}/cgroup.procs`, 'utf8').trim().split('\n').filter(Boolean);

afterEach(cleanUp);

test('a tree of processes that fork and leave their session ends, down to cgroups of their own; siblings live on', async () => {
  const before = await inventory();
  await create(...levels, web, `${web}2`);
  const forking = await shellIn(`${web}/web_root`, 'while :; do setsid sleep 1000 & done');
  const nested = await shellIn(`${web}/side/inner/deep`);
  const sibling = await shellIn(`${web}2/web2_root`);
  await eventually(async () => (pidsIn(`${web}/web_root`).length > 20 ? true : undefined));
  await remove(web);
  for (const child of [forking, nested]) expect(await child.exited).not.toBe(0);
  expect(groups(web)).toEqual([]);
  expect(groups(`${web}2`)).toEqual([`${web}2`, `${web}2/web2_root`]);
  expect(await livesIn(`${web}2/web2_root`, sibling)).toBe(true);
  await remove('/kukeon');
  await sibling.exited;
  expect(difference(before, await inventory())).toEqual([]);
});

test('what is frozen ends too', async () => {
  await create(...levels, web);
  const child = await shellIn(`${web}/web_root`);
  writeFileSync(`${MOUNT}/kukeon/main/cgroup.freeze`, '1');
  await eventually(async () =>
    readFileSync(`${MOUNT}/kukeon/main/cgroup.events`, 'utf8').includes('frozen 1') ? true : undefined,
  );
  await remove('/kukeon/main');
  await child.exited;
  expect(groups()).toEqual(['/kukeon']);
});

test('a process that cannot be killed is named when the time is over, the rest is gone, and later all of it goes', async () => {
  mkdirSync('/tmp/hung');
  const program = `${import.meta.dir}/hung-file-system.ts`;
  const server = Bun.spawn(['bun', program, '/tmp/hung'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
  expect((await lines.read()).value).toBe('mounted\n');
  await create(...levels, web, `${web}2`);
  const stuck = await shellIn(`${web}/stuck`, 'exec stat /tmp/hung');
  const other = await shellIn(`${web}2/other`);
  expect((await lines.read()).value).toStartWith('asked\n');

  const error = await failure(remove('/kukeon/main', backendOf(INSTANCE, { killLimitMs: 1500 })), 'TimedOut');
  expect(error.message).toContain(`/sys/fs/cgroup/kukeon/main still has processes: ${stuck.pid}`);
  expect(error.remedy).toContain('state D');
  await other.exited;
  expect(groups('/kukeon/main')).toEqual([...levels.slice(1), web, `${web}/stuck`]);

  // Ctrl-C while it waits.
  const controller = new AbortController();
  const waiting = failure(backend.remove({ path: '/kukeon/main' }, context(controller.signal)), 'Cancelled');
  controller.abort();
  await waiting;
  expect(groups('/kukeon/main')).toHaveLength(5);

  server.kill('SIGKILL');
  await remove('/kukeon/main');
  await stuck.exited;
  expect(groups()).toEqual(['/kukeon']);
  await output('umount', '/tmp/hung');
});

test('another installation’s group below stops the removal before anything is killed', async () => {
  await create(...levels, web);
  const child = await shellIn(`${web}/web_root`);
  mkdirSync(`${MOUNT}/kukeon/main/theirs`);
  setXattr(`${MOUNT}/kukeon/main/theirs`, 'trusted.kukeon.instance', 'another');
  for (const path of ['/kukeon/main', '/kukeon']) {
    const error = await failure(remove(path), 'Conflict');
    expect(error.message).toContain(
      '/sys/fs/cgroup/kukeon/main/theirs belongs to another installation of kuke (another)',
    );
  }
  expect(await livesIn(`${web}/web_root`, child)).toBe(true);
  expect(groups('/kukeon/main')).toHaveLength(6);
});

test('a group that somebody made among ours stops the removal of what is above it, of nothing else', async () => {
  await create('/kukeon', '/kukeon/main');
  const theirs = await shellIn('/kukeon/theirs/deep');
  await create('/kukeon/main/default', '/kukeon/main/default/blog');
  const inStack = await shellIn('/kukeon/main/default/blog/theirs');
  for (const path of ['/kukeon/main', '/kukeon/main/default', '/kukeon/main/default/blog']) {
    const { message } = await failure(remove(path), 'Conflict');
    expect(message).toBe("cgroup /sys/fs/cgroup/kukeon/main/default/blog/theirs exists and is not kuke's");
  }
  expect(await livesIn('/kukeon/main/default/blog/theirs', inStack)).toBe(true);
  inStack.kill('SIGKILL');
  await inStack.exited;
  await eventually(async () => pidsIn('/kukeon/main/default/blog/theirs').length === 0 || undefined);
  rmdirSync(`${MOUNT}/kukeon/main/default/blog/theirs`);
  const error = await failure(remove('/kukeon'), 'Conflict');
  expect(error.message).toBe("cgroup /sys/fs/cgroup/kukeon/theirs exists and is not kuke's");
  await remove('/kukeon/main');
  expect(groups()).toEqual(['/kukeon', '/kukeon/theirs', '/kukeon/theirs/deep']);
  expect(await livesIn('/kukeon/theirs/deep', theirs)).toBe(true);
});

// A box has no v1 hierarchies of its own, so folders stand for them: they are removed by the same system calls.
test('on a hybrid host the empty directories that runc left in v1 hierarchies go with the group', async () => {
  const memory = '/tmp/v1/memory';
  const cpu = '/tmp/v1/cpu,cpuacct';
  const mounts = () =>
    parseMountinfo(
      [
        '1 1 0:1 / / rw - ext4 / rw',
        `2 1 0:2 / ${MOUNT} rw - cgroup2 cgroup2 rw`,
        `3 1 0:3 / ${memory} rw - cgroup cgroup rw,memory`,
        `4 1 0:4 / ${cpu} rw - cgroup cgroup rw,cpu,cpuacct`,
      ].join('\n'),
    );
  const hybrid = backendOf(INSTANCE, { mounts });
  for (const path of ['/kukeon', '/kukeon/main', '/kukeon/lab']) await hybrid.create({ path }, context());
  for (const hierarchy of [memory, cpu]) {
    for (const path of ['kukeon/main/default/web/web_root', 'kukeon/lab/web', 'docker/kukeon/main']) {
      mkdirSync(`${hierarchy}/${path}`, { recursive: true });
    }
  }
  const left = ['docker/', 'docker/kukeon/', 'docker/kukeon/main/'];
  const lab = ['kukeon/', 'kukeon/lab/', 'kukeon/lab/web/'];
  const below = (hierarchy: string) => filesBelow(hierarchy).map(path => path.slice(hierarchy.length + 1));

  const explained = hybrid.explain('remove', { path: '/kukeon/main' });
  expect(explained).toContain(`${MOUNT}/kukeon/main ${memory}/kukeon/main ${cpu}/kukeon/main -depth`);
  await hybrid.remove({ path: '/kukeon/main' }, context());
  for (const hierarchy of [memory, cpu]) expect(below(hierarchy)).toEqual([...left, ...lab]);

  // What is not empty stays and is reported; the rest goes all the same.
  writeFileSync(`${memory}/kukeon/lab/web/in-use`, '');
  const error = await failure(hybrid.remove({ path: '/kukeon' }, context()), 'CgroupFailed');
  expect(error.message).toContain(`${memory}/kukeon/lab/web`);
  expect(below(memory)).toEqual([...left, ...lab, 'kukeon/lab/web/in-use']);
  expect(below(cpu)).toEqual(left);
  expect(groups()).toEqual([]);

  rmSync(`${memory}/kukeon/lab/web/in-use`);
  await hybrid.remove({ path: '/kukeon' }, context());
  expect(below(memory)).toEqual(left);
  expect(existsSync(`${memory}/docker`)).toBe(true);
});

test('the commands that are explained do the same', async () => {
  // Debian has setfattr in a package of its own.
  const setfattr = `#!/usr/bin/perl
    my (undef, $name, undef, $value, $path) = @ARGV;
    syscall(${process.arch === 'arm64' ? 5 : 188}, $path, $name, $value, length($value), 0) == 0 or die $!;`;
  await Bun.write('/usr/local/bin/setfattr', setfattr);
  await output('chmod', '+x', '/usr/local/bin/setfattr');
  const shell = (script: string) => output('env', `KUKE_INSTANCE=${INSTANCE}`, 'sh', '-ec', script);
  const observed: unknown[] = [];
  for (const by of ['backend', 'person']) {
    for (const path of ['/kukeon', '/kukeon/main', '/kukeon/main/a b']) {
      await (by === 'person' ? shell(backend.explain('create', { path })) : create(path));
    }
    observed.push(await backend.observe('/kukeon'));
    expect(groups()).toEqual(['/kukeon', '/kukeon/main', '/kukeon/main/a b']);
    await (by === 'person' ? shell(backend.explain('remove', { path: '/kukeon' })) : remove('/kukeon'));
    expect(groups()).toEqual([]);
  }
  expect(observed[1]).toEqual(observed[0]);
});

test('six hundred groups are observed', async () => {
  await create(...levels);
  const cells = Array.from({ length: 200 }, (_, i) => `${levels.at(-1)}/c${i}`);
  await create(...cells);
  for (const cell of cells) for (const leaf of ['root', 'side']) mkdirSync(`${MOUNT}${cell}/${leaf}`);
  const seen = await backend.observe('/kukeon');
  expect(seen.map(group => group.path).sort()).toEqual(groups().sort());
  expect(seen.filter(group => group.ours)).toHaveLength(204);
  await remove('/kukeon');
  expect(groups()).toEqual([]);
});
