import '../box.ts';
import { afterEach, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import {
  cgroupRoot,
  children,
  descendant,
  exists,
  readInterface,
  writeInterface,
} from '../../../src/host/cgroupfs/cgroup.ts';
import { readEvents, waitUntil } from '../../../src/host/cgroupfs/events.ts';
import { enter, freeze, kill, killFrozen, pids, thaw, untilEmpty } from '../../../src/host/cgroupfs/processes.ts';
import { create, remove } from '../../../src/host/cgroupfs/tree.ts';
import { run } from '../netlink/outside.ts';

const root = cgroupRoot('/sys/fs/cgroup');
const cgroup = descendant(root, 'test');
const below = descendant(cgroup, 'a', 'b');
const untouched = readdirSync(root.path).sort();
const started: Bun.Subprocess[] = [];

afterEach(async () => {
  await kill(cgroup);
  await Promise.all(started.splice(0).map(child => child.exited));
  await untilEmpty(cgroup);
  remove(cgroup);
  expect(readdirSync(root.path).sort()).toEqual(untouched);
});

/** A shell in the cgroup that runs `script` once it is there. */
function shellIn(where: { path: string }, script: string) {
  const child = Bun.spawn(['sh', '-c', `echo $$ > ${where.path}/cgroup.procs; ${script}`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  started.push(child);
  const reader = child.stdout.getReader();
  return {
    pid: child.pid,
    stdin: child.stdin,
    next: async () => new TextDecoder().decode((await reader.read()).value).trim(),
  };
}

/** A process in the cgroup, there when this resolves. */
async function sleeperIn(where: { path: string }): Promise<number> {
  const shell = shellIn(where, 'echo there; exec sleep 1000');
  expect(await shell.next()).toBe('there');
  return shell.pid;
}

const find = (path: string) => run('find', path, '-type', 'd').trim().split('\n');

test('the tree is made level by level, and removed from the leaves up', () => {
  expect(create(below).map(level => level.path)).toEqual([cgroup.path, `${cgroup.path}/a`, below.path]);
  expect(find(cgroup.path)).toEqual([cgroup.path, `${cgroup.path}/a`, below.path]);
  expect(create(below)).toEqual([]);
  create(descendant(cgroup, 'c'));
  expect(children(cgroup).map(child => child.names)).toEqual(
    expect.arrayContaining([
      ['test', 'a'],
      ['test', 'c'],
    ]),
  );
  expect(remove(cgroup)).toBe(true);
  expect(existsSync(cgroup.path)).toBe(false);
  expect(remove(cgroup)).toBe(false);
  expect([children(cgroup), pids(cgroup), readEvents(cgroup), exists(cgroup)]).toEqual([[], [], undefined, false]);
});

test('a creation that fails half-way leaves nothing, and says what the kernel said', () => {
  expect(() => create(descendant(cgroup, 'a', 'cgroup.procs', 'b'))).toThrow(
    `mkdir ${cgroup.path}/a/cgroup.procs: File exists (EEXIST)`,
  );
  expect(exists(cgroup)).toBe(false);
  create(cgroup);
  writeInterface(cgroup, 'cgroup.max.depth', 1);
  expect(() => create(below)).toThrow(`mkdir ${below.path}: Resource temporarily unavailable (EAGAIN)`);
  expect(find(cgroup.path)).toEqual([cgroup.path]);
});

test('interface files are read and written with the words of the kernel', () => {
  create(cgroup);
  writeInterface(cgroup, 'cgroup.max.descendants', 7);
  expect(readFileSync(`${cgroup.path}/cgroup.max.descendants`, 'utf8')).toBe('7\n');
  expect(readInterface(cgroup, 'cgroup.max.descendants')).toBe('7');
  const file = `${cgroup.path}/cgroup.max.descendants`;
  expect(() => writeInterface(cgroup, 'cgroup.max.descendants', 'many')).toThrow(
    `write ${file} = many: Invalid argument (EINVAL)`,
  );
  expect(() => writeInterface(cgroup, 'cgroup.max.descendants', -1)).toThrow('Numerical result out of range (ERANGE)');
  expect(() => writeInterface(cgroup, 'memory.speed', 1)).toThrow(
    `open ${cgroup.path}/memory.speed = 1: No such file or directory (ENOENT)`,
  );
  expect(existsSync(`${cgroup.path}/memory.speed`)).toBe(false);
  expect(() => enter(cgroup, 4194304)).toThrow('(ESRCH)');
});

test('a root named by a symbolic link is the directory itself', () => {
  symlinkSync('/sys/fs/cgroup', '/tmp/link');
  expect(cgroupRoot('/tmp/link')).toEqual(root);
});

test('processes are seen where they are, killed with all that they fork, and their end is noticed', async () => {
  create(below);
  const [first, second] = [await sleeperIn(cgroup), await sleeperIn(below)];
  expect(pids(cgroup)).toEqual([first]);
  expect(pids(cgroup, { recursive: true }).sort()).toEqual([first, second].sort());
  expect(readEvents(descendant(cgroup, 'a'))).toEqual({ populated: true, frozen: false });
  await shellIn(below, 'while :; do sleep 1000 & echo forked; done').next();
  const empty = untilEmpty(cgroup);
  expect(await kill(cgroup)).toBe(true);
  await empty;
  expect(readFileSync(`${cgroup.path}/cgroup.events`, 'utf8')).toContain('populated 0');
  expect(pids(cgroup, { recursive: true })).toEqual([]);
  expect(remove(cgroup)).toBe(true);
  expect(await kill(cgroup)).toBe(false);
  await untilEmpty(cgroup);
});

test('without cgroup.kill the same is reached by freezing', async () => {
  create(below);
  await sleeperIn(cgroup);
  await shellIn(below, 'while :; do sleep 1000 & echo forked; done').next();
  expect(await killFrozen(cgroup)).toBe(true);
  await untilEmpty(cgroup);
  await waitUntil(cgroup, ({ frozen }) => !frozen, AbortSignal.timeout(5000));
  expect(readFileSync(`${cgroup.path}/cgroup.events`, 'utf8')).toBe('populated 0\nfrozen 0\n');
  expect(await killFrozen(cgroup)).toBe(true); // nobody is there any more
  // As where one of them waits for a device.
  await sleeperIn(below);
  await expect(killFrozen(cgroup, AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
  await untilEmpty(cgroup);
  expect(readFileSync(`${cgroup.path}/cgroup.freeze`, 'utf8')).toBe('0\n');
  remove(cgroup);
  expect(await killFrozen(cgroup)).toBe(false);
});

test('what is frozen stands still, until it is thawed; it can be killed all the same', async () => {
  create(below);
  const shell = shellIn(below, 'while read word; do echo $word; done');
  shell.stdin.write('one\n');
  expect(await shell.next()).toBe('one');
  await freeze(cgroup);
  expect(readFileSync(`${below.path}/cgroup.events`, 'utf8')).toContain('frozen 1');
  shell.stdin.write('two\n');
  const answer = shell.next();
  expect(await Promise.race([answer, Bun.sleep(20)])).toBeUndefined();
  thaw(cgroup);
  expect(await answer).toBe('two');
  await freeze(cgroup);
  await kill(cgroup);
  await untilEmpty(cgroup);
});

test('removal takes what is empty, names the processes in what is not, and can be repeated', async () => {
  create(below);
  create(descendant(cgroup, 'c', 'd'));
  create(descendant(cgroup, 'e'));
  const pid = await sleeperIn(below);
  expect(() => remove(cgroup)).toThrow(`rmdir ${below.path} (processes: ${pid}): Device or resource busy (EBUSY)`);
  expect(find(cgroup.path)).toEqual([cgroup.path, `${cgroup.path}/a`, below.path]);
  create(descendant(cgroup, 'f'));
  const other = await sleeperIn(descendant(cgroup, 'f'));
  let caught: unknown;
  try {
    remove(cgroup);
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(AggregateError);
  expect(`${caught}`).toContain(`(processes: ${pid})`);
  expect(`${caught}`).toContain(`(processes: ${other})`);
});

test('a wait that is given up says who is left', async () => {
  create(below);
  const pid = await sleeperIn(below);
  for (const signal of [AbortSignal.timeout(5), AbortSignal.abort()]) {
    await expect(untilEmpty(cgroup, signal)).rejects.toThrow(`${cgroup.path} still has processes: ${pid}`);
  }
  const reason = new Error('enough');
  const controller = new AbortController();
  const wait = waitUntil(cgroup, events => events.frozen, controller.signal);
  controller.abort(reason);
  expect(await wait.catch(error => error)).toBe(reason);
});

test('forty waits at once each see their own cgroup become empty', async () => {
  const cells = Array.from({ length: 40 }, (_, number) => descendant(cgroup, `cell-${number}`));
  for (const cell of cells) create(cell);
  const sleepers = cells.map(() => Bun.spawn(['sleep', '1000'], { stdio: ['ignore', 'ignore', 'ignore'] }));
  for (const [number, cell] of cells.entries()) enter(cell, sleepers[number]?.pid ?? 0);
  const emptied: string[] = [];
  const waits = cells.map(cell => untilEmpty(cell).then(() => emptied.push(cell.path)));
  for (const cell of cells.toReversed()) {
    expect(emptied).not.toContain(cell.path);
    await kill(cell);
    while (!emptied.includes(cell.path)) await new Promise(setImmediate);
    remove(cell);
  }
  await Promise.all(waits);
});
