import { afterEach, expect, test } from 'bun:test';
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { isAwaited, lock, lockHolder, lockingProcess, tryLock } from '../../../src/host/flock.ts';
import { queued } from './lock-queue.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const directory = temporaryDirectory();
const path = join(directory, 'lock');
const me = () => `${process.pid} me`;
const started: Bun.Subprocess[] = [];
afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill('SIGKILL');
    await child.exited;
  }
});

/** Another process that holds the lock when this resolves. */
async function holder(mode = 'hold') {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, 'lock-holder.ts'), path, mode], {
    stdin: 'pipe',
    stdout: 'pipe',
  });
  started.push(child);
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const [word, sleeper] = new TextDecoder().decode(value).trim().split(' ');
  expect(word).toBe('held');
  const release = async () => {
    await child.stdin.end();
    expect(await child.exited).toBe(0);
  };
  return { pid: child.pid, sleeper: Number(sleeper), release, kill: () => child.kill('SIGKILL') };
}

test('one holds it, whose text the others read, until it lets go', async () => {
  const other = await holder();
  expect(tryLock(path, me)).toBeUndefined();
  expect(lockHolder(path)).toBe(`${other.pid} holder`);
  await other.release();
  expect(lockHolder(path)).toBeUndefined();
  const held = tryLock(path, me);
  expect(lockHolder(path)).toBe(me());
  expect(tryLock(path, me)).toBeUndefined(); // nor twice in one process
  held?.release();
  held?.release();
  expect(readFileSync(path, 'utf8')).toBe('');
  expect(lockHolder(join(directory, 'never'))).toBeUndefined();
});

test('the kernel knows who holds it, also where the file says nothing', async () => {
  expect(lockingProcess(path)).toBeUndefined();
  expect(lockingProcess(join(directory, 'never'))).toBeUndefined();
  const other = await holder();
  const waiting = lock(path, me);
  await queued(process.pid); // who waits is in the list as well
  truncateSync(path);
  expect(lockHolder(path)).toBeUndefined();
  const script = join(import.meta.dir, 'lock-holder.ts');
  expect(lockingProcess(path)).toEqual({ pid: other.pid, command: `${process.execPath} ${script} ${path} hold` });
  const [held] = await Promise.all([waiting, other.release()]);
  expect(lockingProcess(path)?.pid).toBe(process.pid);
  held.release();
  expect(lockingProcess(path)).toBeUndefined();
});

test('who waits gets it when it is let go, and the event loop runs on meanwhile', async () => {
  const other = await holder();
  const waiting = lock(path, me);
  await queued(process.pid);
  expect(lockHolder(path)).toBe(`${other.pid} holder`);
  const [held] = await Promise.all([waiting, other.release()]);
  expect(lockHolder(path)).toBe(me());
  held.release();
});

test('who waits is known, and comes before who has just let go of it', async () => {
  expect([path, join(directory, 'never')].map(isAwaited)).toEqual([false, false]);
  const order: string[] = [];
  const named = async (name: string) => {
    using _ = await lock(path, () => name);
    order.push(name);
  };
  const held = await lock(path, me);
  expect(isAwaited(path)).toBe(false);
  const second = named('second');
  await queued(process.pid);
  expect(isAwaited(path)).toBe(true);
  held.release();
  await Promise.all([named('again'), second]);
  expect(order).toEqual(['second', 'again']);
  expect(isAwaited(path)).toBe(false);
});

test('it dies with its process by SIGKILL, though a child of that lives on', async () => {
  const other = await holder('child');
  expect(openFiles(other.pid)).toContain(path);
  expect(openFiles(other.sleeper)).not.toContain(path);
  const waiting = lock(path, me);
  await queued(process.pid);
  other.kill();
  const held = await waiting;
  expect(existsSync(`/proc/${other.sleeper}`)).toBe(true);
  process.kill(other.sleeper, 'SIGKILL');
  expect(lockHolder(path)).toBe(me()); // what the dead one wrote is overwritten
  held.release();
});

/** What the descriptors of a process refer to. The one that lists them is gone by the time it is looked at. */
function openFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap(fd => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

test('a wait that is given up rejects at once and does not take the lock from others later', async () => {
  const other = await holder();
  const reason = new Error('enough');
  const controller = new AbortController();
  const waiting = lock(path, me, controller.signal);
  await queued(process.pid);
  controller.abort(reason);
  expect(await waiting.catch(error => error)).toBe(reason);
  expect(await lock(path, me, AbortSignal.timeout(1)).catch(error => error.name)).toBe('TimeoutError');
  expect(await lock(path, me, AbortSignal.abort(reason)).catch(error => error)).toBe(reason);
  await other.release();
  const next = await holder();
  await next.release();
  while (openFiles(process.pid).includes(path)) await new Promise(setImmediate); // the threads that were left waiting let go in the end
});

test('a lock file that its holder removed is not the one that counts', async () => {
  const other = await holder();
  const waiting = lock(path, me);
  await queued(process.pid);
  rmSync(path);
  using third = tryLock(path, () => 'third');
  expect(third).toBeDefined();
  await other.release();
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  expect(lockHolder(path)).toBe('third');
  third?.release();
  (await waiting).release();
});

test('several processes exclude each other', async () => {
  const file = join(directory, 'count');
  writeFileSync(file, '0');
  const script = join(import.meta.dir, 'lock-holder.ts');
  const children = [1, 2, 3].map(() => Bun.spawn([process.execPath, script, path, 'count', file]));
  expect(await Promise.all(children.map(child => child.exited))).toEqual([0, 0, 0]);
  expect(readFileSync(file, 'utf8')).toBe('45');
});

test('what cannot be locked says why, and nothing stays locked', () => {
  symlinkSync(path, join(directory, 'link'));
  expect(() => tryLock(join(directory, 'link'), me)).toThrow('Too many levels of symbolic links (ELOOP)');
  expect(() => tryLock(join(directory, 'no', 'lock'), me)).toThrow('No such file or directory (ENOENT)');
  const fail = () => {
    throw new Error('no idea who I am');
  };
  expect(() => tryLock(path, fail)).toThrow('no idea who I am');
  tryLock(path, me)?.release();
  expect(openFiles(process.pid)).not.toContain(path);
});
