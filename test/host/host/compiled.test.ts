import '../box.ts';
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tryLock } from '../../../src/host/flock.ts';
import { deleteNetns, isNetns, netnsId } from '../../../src/host/netns.ts';
import { openProcess } from '../../../src/host/pidfd.ts';
import { queued } from '../../unit/host/lock-queue.ts';
import { run } from '../netlink/outside.ts';

// A single file like any that users get, started where a hostile libc lies: dlopen must not fall back to the current directory.
const program = '/tmp/compiled/program';
const hostile = '/tmp/hostile';

beforeAll(() => {
  mkdirSync(hostile);
  writeFileSync(join(hostile, 'libc.so.6'), 'not a library');
  const compile = ['build', '--compile', '--splitting', '--minify', '--bytecode', '--format=esm', '--sourcemap=linked'];
  const closed = ['--no-compile-autoload-dotenv', '--no-compile-autoload-bunfig', '--compile-autoload-package-json'];
  run(process.execPath, ...compile, ...closed, '--outfile', program, join(import.meta.dir, 'compiled-program.ts'));
}, 60_000);

const started: Bun.Subprocess[] = [];
afterAll(() => {
  for (const child of started) child.kill('SIGKILL');
});

/** Starts the program; `next` gives its next line of output. */
function start(...args: string[]) {
  const child = Bun.spawn([program, ...args], { cwd: hostile, stdio: ['pipe', 'pipe', 'inherit'] });
  started.push(child);
  const lines = lineByLine(child.stdout);
  return { child, next: async () => JSON.parse((await lines.next()).value ?? 'null') };
}

async function* lineByLine(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

test('namespaces: made, entered and left again', async () => {
  const path = '/run/netns/compiled';
  const { child, next } = start('netns', path);
  const { id, inside, after } = await next();
  expect(await child.exited).toBe(0);
  expect(isNetns(path)).toBe(true);
  expect(id).toEqual(netnsId(path));
  expect(inside).toEqual(id);
  expect(after).toEqual(netnsId('/proc/self/ns/net'));
  expect(run('ip', 'netns', 'exec', 'compiled', 'sysctl', '--values', 'net.ipv4.ip_forward')).toBe('0\n');
  deleteNetns(path);
});

test('locks: it waits without blocking, gets it, and is rid of it by SIGKILL', async () => {
  const path = '/tmp/compiled/lock';
  const mine = tryLock(path, () => 'test');
  const { child, next } = start('lock', path);
  expect(await next()).toBe('waiting');
  const held = next();
  await queued(child.pid);
  expect(readFileSync(path, 'utf8')).toBe('test');
  mine?.release();
  expect(await held).toBe(path);
  expect(readFileSync(path, 'utf8')).toBe(`${child.pid}`);
  expect(tryLock(path, () => 'test')).toBeUndefined();
  child.kill('SIGKILL');
  await child.exited;
  tryLock(path, () => 'test')?.release();
});

test('locks: a program that is told to end while it waits ends', async () => {
  const path = '/tmp/compiled/lock';
  using _mine = tryLock(path, () => 'test');
  const { child, next } = start('lock', path);
  expect(await next()).toBe('waiting');
  await queued(child.pid);
  child.kill('SIGTERM');
  expect(await child.exited).toBe(128 + 15);
});

test('pidfd and cgroup.events: the end of a process and of a cgroup is noticed', async () => {
  const cgroup = '/sys/fs/cgroup/compiled';
  mkdirSync(cgroup);
  const sleeper = Bun.spawn(['sleep', '1000'], { stdio: ['ignore', 'ignore', 'ignore'] });
  writeFileSync(`${cgroup}/cgroup.procs`, `${sleeper.pid}`);
  const { child, next } = start('watch', `${sleeper.pid}`, cgroup);
  expect(await next()).toBe('watching');
  await child.stdin.end();
  expect(await next()).toBe('gone');
  expect(await child.exited).toBe(0);
  expect(await sleeper.exited).toBe(128 + 9);
  rmdirSync(cgroup);
});

test('a detached process outlives the program', async () => {
  const log = '/tmp/compiled/log';
  const { child, next } = start('detach', log);
  const identity = await next();
  expect(await child.exited).toBe(0);
  using detached = openProcess(identity);
  expect(detached?.signal('SIGKILL')).toBe(true);
  await detached?.exited();
});
