/** Frames and channels: what comes out is what went in, at the pace of who reads, whatever the pieces were on the way. */
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { encodeFrame, FrameDecoder, LONGEST } from '../../../../src/daemon/console/frame.ts';
import { Mux, WINDOW } from '../../../../src/daemon/console/mux.ts';

const concatenated = (parts: Iterable<Uint8Array>) => Buffer.concat([...parts]).toString('hex');

describe('frames', () => {
  const frame = fc.record({
    type: fc.integer({ min: 0, max: 255 }),
    channel: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    payload: fc.uint8Array({ maxLength: 300 }),
  });

  test('come out whole and in order, however the bytes are cut', () => {
    const property = fc.property(fc.array(frame), fc.array(fc.integer({ min: 1, max: 50 })), (frames, cuts) => {
      const bytes = Buffer.concat(frames.map(({ type, channel, payload }) => encodeFrame(type, channel, payload)));
      const decoder = new FrameDecoder();
      const seen: unknown[] = [];
      for (let at = 0, index = 0; at < bytes.length; index++) {
        const length = cuts[index % Math.max(1, cuts.length)] ?? bytes.length;
        for (const { type, channel, payload } of decoder.decode(bytes.subarray(at, at + length)))
          seen.push({ type, channel, payload: Uint8Array.from(payload) });
        at += length;
      }
      expect(seen).toEqual(frames);
    });
    fc.assert(property);
  });

  test.each([0, 4, LONGEST + 1, 0xffffffff])('one of %d bytes is refused before anything is held for it', length => {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(length);
    expect(() => [...new FrameDecoder().decode(head)]).toThrow(`a frame of ${length} bytes`);
  });

  test('none longer than that is made', () => {
    expect(() => encodeFrame(1, 1, new Uint8Array(LONGEST))).toThrow('are the most');
  });
});

/** Two ends, and what they say of each other. */
function pair() {
  const told: string[] = [];
  const messages: unknown[] = [];
  const end = (name: string, other: () => Mux): Mux =>
    new Mux(
      { write: bytes => queueMicrotask(() => other().received(bytes)), close() {} },
      { message: value => messages.push(value), closed: reason => told.push(`${name}: ${reason}`) },
    );
  const near: Mux = end('near', () => far);
  const far: Mux = end('far', () => near);
  return { near, far, told, messages };
}

const some = (bytes: number) => crypto.getRandomValues(new Uint8Array(Math.min(bytes, 65_536)));

describe('a channel', () => {
  test('carries all of it, and then its end', async () => {
    const { near, far } = pair();
    const [to, from] = [near.sender(1, WINDOW), far.receiver(1, WINDOW)];
    const pieces = Array.from({ length: 40 }, () => some(50_000));
    for (const piece of pieces) to.write(piece);
    to.end();
    expect(concatenated(await Array.fromAsync(from))).toBe(concatenated(pieces));
  });

  test('that nobody reads holds what the window takes, and no other channel up', async () => {
    const { near, far } = pair();
    const [stuck, busy] = [near.sender(1, WINDOW), near.sender(2, WINDOW)];
    const [unread, read] = [far.receiver(1, WINDOW), far.receiver(2, WINDOW)];
    for (let index = 0; index < 10; index++) stuck.write(some(65_536));
    busy.write(Buffer.from('through'));
    busy.end();
    expect(concatenated(await Array.fromAsync(read))).toBe(Buffer.from('through').toString('hex'));
    expect(stuck.queued).toBe(10 * 65_536 - WINDOW);
    expect((await unread.next())?.length).toBe(65_536);
    unread.done(65_536);
    await Bun.sleep(0);
    expect(stuck.queued).toBe(9 * 65_536 - WINDOW);
  });

  test('sends nothing before somebody wants it', async () => {
    const { near, far } = pair();
    const [to, from] = [near.sender(0), far.receiver(0)];
    to.write(Buffer.from('typed'));
    await Bun.sleep(1);
    expect(to.queued).toBe(5);
    expect(Buffer.from((await from.next()) ?? []).toString()).toBe('typed');
    expect(to.queued).toBe(0);
  });

  test('settles when the other end has dealt with all of it', async () => {
    const { near, far } = pair();
    const [to, from] = [near.sender(1, WINDOW), far.receiver(1, WINDOW)];
    to.write(Buffer.from('abc'));
    let isSettled = false;
    const settled = to.settled().then(well => (isSettled = well));
    const piece = await from.next();
    await Bun.sleep(1);
    expect(isSettled).toBe(false);
    from.done(piece?.length ?? 0);
    expect(await settled).toBe(true);
  });

  test('that cannot be written any more says why, and drops what it holds', async () => {
    const { near, far } = pair();
    const [to, from] = [near.sender(1, WINDOW), far.receiver(1, WINDOW)];
    for (let index = 0; index < 10; index++) to.write(some(65_536));
    from.fail({ code: 'ENOSPC', message: 'no space' });
    expect(await to.sent()).toBe(false);
    expect([to.fault, to.queued]).toEqual([{ code: 'ENOSPC', message: 'no space' }, 0]);
  });

  test('that cannot be read any more throws with its errno', async () => {
    const { near, far } = pair();
    const [to, from] = [near.sender(3), far.receiver(3)];
    const reading = Array.fromAsync(from);
    to.fail({ code: 'ENOENT', message: 'no such file' });
    expect(reading).rejects.toMatchObject({ code: 'ENOENT', message: 'no such file' });
  });
});

describe('a peer that breaks the protocol', () => {
  test.each([
    ['more than there was credit for', encodeFrame(1, 1, new Uint8Array(WINDOW + 1))],
    ['a frame of type 9', encodeFrame(9, 0, new Uint8Array())],
    ['JSON', encodeFrame(5, 0, Buffer.from('{'))],
    ['no number', encodeFrame(4, 2, new Uint8Array(3))],
  ])('is left: %s', (why, bytes) => {
    const told: string[] = [];
    const mux = new Mux({ write() {}, close() {} }, { message() {}, closed: reason => told.push(reason) });
    mux.receiver(1, WINDOW);
    mux.sender(2, WINDOW);
    mux.received(bytes);
    expect([mux.isOpen, told.length]).toEqual([false, 1]);
    expect(told[0]).toContain(why);
  });

  test('garbage ends it, and what is on channels fails', async () => {
    const mux = new Mux({ write() {}, close() {} }, { message() {}, closed() {} });
    const [to, from] = [mux.sender(1, 0), mux.receiver(2, WINDOW)];
    to.write(some(10));
    mux.received(some(100));
    mux.close('done');
    expect(await to.sent()).toBe(false);
    expect(from.next()).rejects.toThrow('gone');
  });
});
