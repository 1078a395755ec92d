import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FlowPoint, flow, flowPoint, writeBytes } from '../../../src/host/byte-flow.ts';
import { fifoToRead, fifoToWrite } from '../../../src/host/fifo.ts';

let folder: string;
let opened: number[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kuke-flow-'));
  opened = [];
});
afterEach(() => {
  for (const fd of opened) closeSync(fd);
  rmSync(folder, { recursive: true });
});

const path = (name: string) => join(folder, name);
function open(name: string, flags: string | number): number {
  const fd = openSync(path(name), flags);
  opened.push(fd);
  return fd;
}

/** Twice what the largest pipe holds, and no two pieces the same. */
const MANY = Buffer.from(Uint32Array.from({ length: 1 << 19 }, (_, index) => index * 2654435761).buffer);

/** Ends of a pipe that block, as a shell gives them to its programs. */
function pipe(name: string): { read: number; write: number } {
  fifoToRead(path(name))[Symbol.dispose]();
  const held = openSync(path(name), constants.O_RDWR);
  const ends = { read: open(name, 'r'), write: openSync(path(name), 'w') };
  closeSync(held);
  return ends;
}

describe('bytes flow', () => {
  test('from a file through a FIFO into a file, every one of them', async () => {
    writeFileSync(path('in'), MANY);
    const fifo = fifoToWrite(path('fifo'));
    const shim = open('fifo', constants.O_RDONLY | constants.O_NONBLOCK);
    using from = flowPoint(open('in', 'r'), 'read');
    using there = flowPoint(shim, 'read');
    using to = flowPoint(open('out', 'w'), 'write');
    const joined = (await fifo.joined()) as FlowPoint;
    const arrived = flow(there, to);
    expect(await flow(from, joined)).toBe('ended');
    fifo[Symbol.dispose]();
    expect(await arrived).toBe('ended');
    expect(Buffer.compare(readFileSync(path('out')), MANY)).toBe(0);
  });

  test('at the pace of a reader, while the event loop goes on', async () => {
    const { read, write } = pipe('p');
    let turns = 0;
    const ticking = setInterval(() => turns++, 1);
    const written = writeBytes(write, MANY).finally(() => closeSync(write));
    while (turns < 5) await Bun.sleep(1);
    clearInterval(ticking);
    const got: Buffer[] = [];
    const buffer = Buffer.alloc(1 << 16);
    for (;;) {
      const length = readSync(read, buffer);
      if (length === 0) break;
      got.push(Buffer.from(buffer.subarray(0, length)));
      await Bun.sleep(0);
    }
    expect(await written).toBe(true);
    expect(Buffer.compare(Buffer.concat(got), MANY)).toBe(0);
  });

  test('until nobody reads any more', async () => {
    const { read, write } = pipe('p');
    closeSync(read);
    opened.splice(opened.indexOf(read), 1);
    expect(await writeBytes(write, MANY)).toBe(false);
    writeFileSync(path('in'), MANY);
    using from = flowPoint(open('in', 'r'), 'read');
    using to = flowPoint(write, 'write');
    expect(await flow(from, to)).toBe('unread');
    closeSync(write);
  });

  test('or until it is stopped: while it waits for more, with what has come; while it waits for a reader; after so many bytes', async () => {
    const { read, write } = pipe('p');
    writeSync(write, 'so far');
    {
      using from = flowPoint(read, 'read');
      using to = flowPoint(open('out', 'w'), 'write');
      expect(await flow(from, to, { until: AbortSignal.timeout(20) })).toBe('stopped');
      expect(readFileSync(path('out'), 'utf8')).toBe('so far');
      const talking = setInterval(() => writeSync(write, '.'), 1);
      expect(await flow(from, to, { patienceMs: 20 })).toBe('stopped');
      clearInterval(talking);
      expect(readFileSync(path('out'), 'utf8')).toMatch(/^so far\.*$/);
    }
    writeFileSync(path('in'), MANY);
    using file = flowPoint(open('in', 'r'), 'read');
    using full = flowPoint(write, 'write');
    expect(await flow(file, full, { cut: AbortSignal.timeout(20) })).toBe('stopped');
    using again = flowPoint(open('in', 'r'), 'read');
    expect(await flow(again, full, { most: 100_000, discards: true })).toBe('stopped');
    closeSync(write);
  });

  test('what is shared with others blocks for them as before', () => {
    const { read, write } = pipe('p');
    for (const [fd, direction] of [
      [read, 'read'],
      [write, 'write'],
    ] as const) {
      const point = flowPoint(fd, direction);
      const flags = (of: number) =>
        Number.parseInt(/flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${of}`, 'utf8'))?.[1] ?? '', 8);
      expect(flags(point.fd) & constants.O_NONBLOCK).toBe(constants.O_NONBLOCK);
      expect(flags(fd) & constants.O_NONBLOCK).toBe(0);
      point[Symbol.dispose]();
    }
    closeSync(write);
  });

  test('what cannot be written is told in the words of the kernel', async () => {
    const full = openSync('/dev/full', 'w');
    opened.push(full);
    await expect(writeBytes(full, MANY)).rejects.toThrow('No space left on device (ENOSPC)');
  });
});

describe('a FIFO', () => {
  test('has no end before the other side has joined, and ends when it leaves', async () => {
    using fifo = fifoToRead(path('fifo'));
    const theirs = openSync(path('fifo'), 'w');
    using to = flowPoint(open('out', 'w'), 'write');
    const flown = flow(fifo.joined(), to);
    writeSync(theirs, 'words');
    closeSync(theirs);
    expect(await flown).toBe('ended');
    expect(readFileSync(path('out'), 'utf8')).toBe('words');
  });

  test('takes nothing before somebody reads, so that what they read has an end', async () => {
    using fifo = fifoToWrite(path('fifo'));
    const joined = fifo.joined();
    expect(await Promise.race([joined, Bun.sleep(20)])).toBeUndefined();
    const theirs = openSync(path('fifo'), constants.O_RDONLY | constants.O_NONBLOCK);
    const to = (await joined) as FlowPoint;
    writeSync(to.fd, 'words');
    fifo[Symbol.dispose]();
    expect(readFileSync(theirs, 'utf8')).toBe('words');
    closeSync(theirs);
  });

  test('that nobody reads is waited for until the signal, also when it is gone by then', async () => {
    using fifo = fifoToWrite(path('fifo'));
    const ended = new AbortController();
    const joined = fifo.joined(ended.signal);
    rmSync(path('fifo'));
    ended.abort();
    expect(await joined).toBeUndefined();
    expect(await fifo.joined(ended.signal)).toBeUndefined();
  });

  test('is not made where something is', () => {
    writeFileSync(path('there'), '');
    expect(() => fifoToRead(path('there'))).toThrow('File exists (EEXIST)');
  });
});
