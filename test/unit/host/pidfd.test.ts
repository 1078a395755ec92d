import { dlopen } from 'bun:ffi';
import { expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { checked, close, libc, SONAME } from '../../../src/host/libc.ts';
import { identify, openProcess, parentOf, parseStartTime } from '../../../src/host/pidfd.ts';
import { isReadable, readable } from '../../../src/host/readable.ts';

const descriptors = () => readdirSync('/proc/self/fd').length;
const sleeper = () => Bun.spawn(['sleep', '1000'], { stdio: ['ignore', 'ignore', 'ignore'] });

/** Opens what must be there. */
function open(who: Parameters<typeof openProcess>[0]) {
  const handle = openProcess(who);
  if (handle === undefined) throw new Error('it has gone');
  return handle;
}

test('the start time is found behind any command', () => {
  const tail = ' S 1 22 22 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 987654321 2703360 300 18446744073709551615 1 1 0';
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(')', '(', ' ', '1', 'x', '\n'), maxLength: 15 }), command => {
      expect(parseStartTime(`22 (${command})${tail}`)).toBe(987654321);
    }),
  );
  expect(() => parseStartTime('22 (x) S 1')).toThrow('not the content of a /proc/PID/stat');
});

test('a process is told apart from a later one with its pid', async () => {
  const child = sleeper();
  const identity = identify(child.pid);
  expect(identity).toEqual({ pid: child.pid, startTime: expect.any(Number) });
  if (identity === undefined) return;
  open(identity)[Symbol.dispose]();
  expect(parentOf(child.pid)).toBe(process.pid);
  expect(openProcess({ ...identity, startTime: identity.startTime - 1 })).toBeUndefined();
  child.kill('SIGKILL');
  await child.exited;
  expect(identify(child.pid)).toBeUndefined();
  expect(openProcess(identity)).toBeUndefined();
  expect(openProcess(child.pid)).toBeUndefined();
});

test('signals reach the process that was opened, and its end is noticed', async () => {
  const before = descriptors();
  {
    const child = sleeper();
    using handle = open(child.pid);
    expect(handle.signal(0)).toBe(true);
    const exited = handle.exited();
    expect(handle.signal('SIGTERM')).toBe(true);
    await exited;
    expect(await child.exited).toBe(128 + 15);
    await handle.exited(); // at once
    expect(handle.signal('SIGKILL')).toBe(false);
  }
  while (descriptors() !== before) await new Promise(setImmediate);
});

test('many at once, each in its own time', async () => {
  const before = descriptors();
  const children = Array.from({ length: 20 }, sleeper);
  const handles = children.map(child => open(child.pid));
  const gone: number[] = [];
  const waits = handles.map(handle => handle.exited().then(() => gone.push(handle.pid)));
  for (const handle of handles.toReversed()) {
    handle.signal('SIGKILL');
    while (!gone.includes(handle.pid)) await new Promise(setImmediate);
  }
  await Promise.all([...waits, ...children.map(child => child.exited)]);
  expect(gone).toEqual(children.map(child => child.pid).reverse());
  for (const handle of handles) handle[Symbol.dispose]();
  while (descriptors() !== before) await new Promise(setImmediate);
});

test('a wait that is given up rejects with the reason and leaves the process alone', async () => {
  const child = sleeper();
  using handle = open(child.pid);
  const reason = new Error('enough');
  const controller = new AbortController();
  const waiting = handle.exited(controller.signal);
  controller.abort(reason);
  expect(await waiting.catch(error => error)).toBe(reason);
  expect(await handle.exited(AbortSignal.timeout(1)).catch(error => error.name)).toBe('TimeoutError');
  expect(await handle.exited(AbortSignal.abort(reason)).catch(error => error)).toBe(reason);
  expect(handle.signal(0)).toBe(true);
  child.kill('SIGKILL');
  await handle.exited();
  await child.exited;
});

test('any descriptor that is no socket can be waited for, and nothing is read from it', async () => {
  const { eventfd } = dlopen(SONAME, { eventfd: { args: ['u32', 'i32'], returns: 'i32' } }).symbols;
  const before = descriptors();
  const event = checked('eventfd', eventfd(0, 0x80000));
  for (let round = 0; round < 50; round++) await readable(event, AbortSignal.timeout(0)).catch(() => {});
  const waiting = readable(event);
  checked('write', libc().write(event, new BigUint64Array([7n]), 8));
  await waiting;
  expect(isReadable(event)).toBe(true);
  const value = new BigUint64Array(1);
  expect(checked('read', libc().read(event, value, 8))).toBe(8);
  expect(value[0]).toBe(7n);
  expect(isReadable(event)).toBe(false);
  close(event);
  expect(() => isReadable(event)).toThrow('Bad file descriptor (EBADF)');
  expect(() => close(event)).toThrow('Bad file descriptor (EBADF)');
  while (descriptors() !== before) await new Promise(setImmediate);
});
