import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Stream } from '../../../../plugins/containerd-shim/http2/stream.ts';
import { inMemory } from './in-memory.ts';
import { ACK, END_STREAM, type Peer } from './peer.ts';

const DEFAULT_WINDOW = 65_535;
const INITIAL_WINDOW = 4;
const MAX_FRAME_SIZE = 5;

/** Each stream's body begins elsewhere in the same noise, so that bodies that were mixed up or shifted show. */
const NOISE = Uint8Array.from({ length: 2_100_000 }, (_, at) => (Math.imul(at, 2654435761) >>> 13) & 0xff);
const body = (id: number, length: number) => NOISE.subarray(id * 101, id * 101 + length);

/** From random numbers to a function that gives one after another, round and round. */
const cycle = (numbers: readonly number[]) => {
  let i = 0;
  return () => numbers[i++ % numbers.length] ?? 1;
};
const pieceSizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 70_000 })), {
  minLength: 1,
  maxLength: 8,
});

/** A receiver that keeps the books of what it has allowed the client to send. */
class Receiver {
  readonly bodies = new Map<number, { length: number; ended: boolean }>();
  readonly violations: string[] = [];
  readonly #peer: Peer;
  #connection = DEFAULT_WINDOW;
  #initial = DEFAULT_WINDOW;
  #maxFrame = 16_384;
  readonly #streams = new Map<number, number>();
  /** Settings that the client has not acknowledged: it may still send by the old ones. */
  readonly #unacknowledged: Record<number, number>[] = [];

  constructor(peer: Peer) {
    this.#peer = peer;
    peer.onFrame = ({ type, flags, streamId, payload }) => {
      if (type === 'HEADERS') {
        this.#streams.set(streamId, this.#initial + (this.#streams.get(streamId) ?? 0));
        this.bodies.set(streamId, { length: 0, ended: false });
      } else if (type === 'SETTINGS' && flags & ACK) {
        this.#acknowledged(this.#unacknowledged.shift() ?? {});
      } else if (type === 'DATA') {
        this.#data(streamId, payload, (flags & END_STREAM) !== 0);
      }
    };
  }

  settings(settings: Record<number, number>): void {
    this.#unacknowledged.push(settings);
    this.#peer.settings(settings);
  }

  grant(streamId: number, increment: number): void {
    if (streamId === 0) this.#connection += increment;
    else this.#streams.set(streamId, (this.#streams.get(streamId) ?? 0) + increment);
    this.#peer.windowUpdate(streamId, increment);
  }

  /** Gives each stream a window for the rest, if it was left with less. */
  grantRest(length: number): void {
    if (this.#connection < 1) this.grant(0, 1 - this.#connection + length);
    for (const [id, { ended }] of this.bodies) {
      const window = this.#streams.get(id) ?? 0;
      if (!ended && window < 1) this.grant(id, 1 - window + length);
    }
  }

  #acknowledged(settings: Record<number, number>): void {
    const initial = settings[INITIAL_WINDOW] ?? this.#initial;
    for (const [id, window] of this.#streams) this.#streams.set(id, window + initial - this.#initial);
    this.#initial = initial;
    this.#maxFrame = settings[MAX_FRAME_SIZE] ?? this.#maxFrame;
  }

  #data(streamId: number, payload: Uint8Array, last: boolean): void {
    const received = this.bodies.get(streamId);
    const window = (this.#streams.get(streamId) ?? 0) - payload.length;
    this.#connection -= payload.length;
    this.#streams.set(streamId, window);
    if (received === undefined) return void this.violations.push(`data on stream ${streamId} before its headers`);
    if (received.ended) this.violations.push(`data behind the end of stream ${streamId}`);
    if (payload.length > this.#maxFrame) this.violations.push(`a frame of ${payload.length} bytes`);
    // An empty frame is no matter of flow control (RFC 9113 §6.9).
    if (payload.length > 0 && window < 0) this.violations.push(`stream ${streamId} overdrawn to ${window}`);
    if (payload.length > 0 && this.#connection < 0) this.violations.push(`connection overdrawn to ${this.#connection}`);
    const expected = body(streamId, received.length + payload.length).subarray(received.length);
    if (Buffer.compare(payload, expected) !== 0) this.violations.push(`stream ${streamId}: wrong bytes`);
    received.length += payload.length;
    received.ended = last;
  }
}

const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await Promise.resolve();
};

describe('sending', () => {
  const step = fc.oneof(
    fc.record({ initial: fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 0, max: 300_000 })) }),
    fc.record({ stream: fc.nat(5), increment: fc.integer({ min: 1, max: 100_000 }) }),
    fc.record({ connection: fc.integer({ min: 1, max: 200_000 }) }),
    fc.record({ maxFrame: fc.integer({ min: 16_384, max: 100_000 }) }),
    fc.record({ wait: fc.nat(40) }),
  );

  test('stays within windows that change in mid-stream, and arrives whole', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.nat(100), fc.nat(200_000)), { minLength: 1, maxLength: 5 }),
        fc.array(step, { maxLength: 25 }),
        pieceSizes,
        pieceSizes,
        async (lengths, script, taken, given) => {
          const { connection, peer } = inMemory({ taken: cycle(taken), given: cycle(given) });
          const receiver = new Receiver(peer);
          receiver.settings({});
          const streams = lengths.map(() => connection.open([[':method', 'POST']]));
          const sent = Promise.all(
            streams.map(async (stream, i) => {
              const bytes = body(2 * i + 1, lengths[i] ?? 0);
              // In two messages, of which the second begins anywhere.
              const cut = Math.floor(bytes.length / 3);
              await stream.write(bytes.subarray(0, cut));
              await stream.write(bytes.subarray(cut), true);
            }),
          );
          let done = false;
          sent.then(() => {
            done = true;
          });
          for (const action of script) {
            if ('initial' in action) receiver.settings({ [INITIAL_WINDOW]: action.initial });
            else if ('increment' in action) receiver.grant(2 * (action.stream % lengths.length) + 1, action.increment);
            else if ('connection' in action) receiver.grant(0, action.connection);
            else if ('maxFrame' in action) receiver.settings({ [MAX_FRAME_SIZE]: action.maxFrame });
            else await turns(action.wait);
          }
          // Whatever is left blocked gets room; a window that the client does not believe in would hang here.
          while (!done) {
            receiver.grantRest(20_000);
            await turns(50);
          }
          const ended = () => [...receiver.bodies.values()].filter(({ ended }) => ended).length;
          while (ended() < lengths.length) await turns(50);

          expect(receiver.violations).toEqual([]);
          expect([...receiver.bodies.values()].map(({ length }) => length)).toEqual(lengths);
          connection.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  test('a raised initial window adds to what a WINDOW_UPDATE gave', async () => {
    const { connection, peer } = inMemory();
    const receiver = new Receiver(peer);
    receiver.settings({ [INITIAL_WINDOW]: 1000 });
    receiver.grant(0, 1_000_000);
    await turns(20);
    const stream = connection.open([[':method', 'POST']]);
    stream.write(body(1, 10_000)).catch(() => {});
    await turns(20);
    expect(receiver.bodies.get(1)?.length).toBe(1000);
    receiver.grant(1, 500);
    receiver.settings({ [INITIAL_WINDOW]: 3000 });
    await turns(20);
    expect(receiver.bodies.get(1)?.length).toBe(3500);
    // Down by more than is left: the window is negative, and has to be paid back first.
    receiver.settings({ [INITIAL_WINDOW]: 1000 });
    receiver.grant(1, 2000);
    await turns(20);
    expect(receiver.bodies.get(1)?.length).toBe(3500);
    receiver.grant(1, 1);
    await turns(20);
    expect(receiver.bodies.get(1)?.length).toBe(3501);
    expect(receiver.violations).toEqual([]);
    connection.close();
  });

  test('a stream that is blocked does not block the others', async () => {
    const { connection, peer } = inMemory();
    const receiver = new Receiver(peer);
    receiver.settings({ [INITIAL_WINDOW]: 0 });
    await turns(20);
    const streams = [1, 2, 3].map(() => connection.open([[':method', 'POST']]));
    streams[0]?.write(body(1, 5000)).catch(() => {});
    const second = streams[1]?.write(body(3, 5000), true);
    const third = streams[2]?.write(new Uint8Array(), true);
    receiver.grant(3, 5000);
    await Promise.all([second, third]);
    await turns(20);
    expect(receiver.bodies.get(3)).toEqual({ length: 5000, ended: true });
    expect(receiver.bodies.get(5)).toEqual({ length: 0, ended: true });
    expect(receiver.bodies.get(1)).toEqual({ length: 0, ended: false });
    connection.close();
  });

  test('while the socket is full, little is put aside', async () => {
    let full = true;
    let largest = 0;
    const { connection, peer } = inMemory({ taken: () => (full ? 0 : 1 << 20) });
    const receiver = new Receiver(peer);
    receiver.settings({ [INITIAL_WINDOW]: 10_000_000 });
    receiver.grant(0, 10_000_000);
    await turns(20);
    const stream = connection.open([[':method', 'POST']]);
    let resolved = 0;
    const writes = Array.from({ length: 20 }, async (_, i) => {
      await stream.write(body(1, 100_000 * (i + 1)).subarray(100_000 * i), i === 19);
      resolved++;
      largest = Math.max(largest, resolved);
    });
    await turns(200);
    // 256 KiB and a frame may wait for the socket, which is two messages and a part of a third.
    expect(largest).toBeLessThanOrEqual(3);
    full = false;
    await Promise.all(writes);
    connection.close();
  });
});

/** Reads a whole response; `pause` is called before each read. */
async function readAll(stream: Stream, pause: () => Promise<void>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (;;) {
    await pause();
    const piece = await stream.read();
    if (piece === undefined) return Buffer.concat(pieces);
    pieces.push(piece);
  }
}

/** A sender that never sends more than the client's WINDOW_UPDATEs allow. */
class Sender {
  connection = DEFAULT_WINDOW;
  readonly windows = new Map<number, number>();
  initial = DEFAULT_WINDOW;
  /** The largest window that a stream ever had. */
  largest = 0;

  constructor(peer: Peer) {
    peer.onFrame = ({ type, flags, streamId, payload }) => {
      if (type === 'SETTINGS' && !(flags & ACK)) {
        for (let at = 0; at < payload.length; at += 6) {
          if (payload.readUInt16BE(at) === INITIAL_WINDOW) this.initial = payload.readUInt32BE(at + 2);
        }
      } else if (type === 'HEADERS') {
        this.windows.set(streamId, this.initial);
      } else if (type === 'WINDOW_UPDATE') {
        const increment = payload.readUInt32BE();
        if (streamId === 0) this.connection += increment;
        else this.windows.set(streamId, (this.windows.get(streamId) ?? 0) + increment);
        this.largest = Math.max(this.largest, this.windows.get(streamId) ?? 0);
      }
    };
  }

  room(streamId: number): number {
    return Math.min(this.connection, this.windows.get(streamId) ?? 0);
  }

  take(streamId: number, length: number): void {
    this.connection -= length;
    this.windows.set(streamId, (this.windows.get(streamId) ?? 0) - length);
  }
}

describe('receiving', () => {
  test('bodies arrive whole, however they are cut, padded and read', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.nat(100), fc.nat(1_500_000)), { minLength: 1, maxLength: 4 }),
        fc
          .array(fc.record({ size: fc.nat(16_000), padding: fc.option(fc.nat(255), { nil: undefined }) }), {
            minLength: 1,
            maxLength: 10,
          })
          .filter(frames => frames.some(({ size }) => size > 2000)),
        fc.array(fc.nat(200), { maxLength: 4 }),
        fc.array(fc.nat(30), { minLength: 1, maxLength: 5 }),
        pieceSizes.filter(sizes => Math.max(...sizes) > 500),
        async (lengths, frames, cuts, pauses, given) => {
          const { connection, peer } = inMemory({ given: cycle(given) });
          const sender = new Sender(peer);
          peer.settings();
          const streams = lengths.map(() => connection.open([[':method', 'POST']]));
          const pause = cycle(pauses);
          const read = Promise.all(streams.map(stream => readAll(stream, () => turns(pause()))));
          await turns(20);

          const send = async (id: number, length: number) => {
            const frame = cycle(frames.map((_, i) => i));
            peer.headers(id, { ':status': '200', 'x-some': 'header' }, false, cuts);
            for (let at = 0; at < length; ) {
              const { size, padding } = frames[frame()] ?? { size: 1, padding: undefined };
              const bytes = body(id, length).subarray(at, at + size);
              const flowLength = bytes.length + (padding === undefined ? 0 : padding + 1);
              while (sender.room(id) < flowLength) await turns(5);
              sender.take(id, flowLength);
              peer.data(id, bytes, false, padding);
              at += bytes.length;
              await turns(30);
            }
            peer.headers(id, { 'grpc-status': '0' }, true, cuts);
          };
          await Promise.all(lengths.map((length, i) => send(2 * i + 1, length)));
          const bodies = await read;
          // What was read is given back, and not twice.
          expect(sender.largest).toBeLessThanOrEqual(sender.initial);
          expect(sender.connection).toBeLessThanOrEqual(2 ** 24);
          expect(bodies.map(({ length }) => length)).toEqual(lengths);
          bodies.forEach((bytes, i) => {
            expect(Buffer.compare(bytes, body(2 * i + 1, bytes.length))).toBe(0);
          });
          expect(streams.map(stream => stream.trailers?.get('grpc-status'))).toEqual(lengths.map(() => '0'));
          connection.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  test('a stream that nobody reads is stopped at its window, and the others go on', async () => {
    const { connection, peer } = inMemory();
    const sender = new Sender(peer);
    peer.settings();
    const [unread, other] = [connection.open([]), connection.open([])];
    await turns(20);
    peer.headers(1, { ':status': '200' });
    peer.headers(3, { ':status': '200' });
    const window = sender.room(1);
    let sent = 0;
    while (sender.room(1) > 0) {
      const size = Math.min(sender.room(1), 16_384);
      sender.take(1, size);
      peer.data(1, body(1, sent + size).subarray(sent));
      sent += size;
      await turns(10);
    }
    expect(sent).toBe(window);
    expect(sender.connection).toBeGreaterThan(0);

    // More than a window's worth through the other.
    const read = readAll(other, async () => {});
    for (let at = 0; at < 3 * window; at += 16_384) {
      while (sender.room(3) < 16_384) await turns(5);
      sender.take(3, 16_384);
      peer.data(3, new Uint8Array(16_384), at + 16_384 >= 3 * window);
    }
    expect((await read).length).toBe(3 * window);

    // Reading gives the window back.
    expect(sender.windows.get(1)).toBe(0);
    while ((sender.windows.get(1) ?? 0) === 0) await unread.read();
    expect(sender.windows.get(1)).toBeGreaterThanOrEqual(window / 2);
    connection.close();
  });

  test('padding is given back, although nobody reads it', async () => {
    const { connection, peer } = inMemory();
    const sender = new Sender(peer);
    peer.settings();
    connection.open([]);
    await turns(20);
    peer.headers(1, { ':status': '200' });
    const frames = Math.ceil((2 * sender.room(1)) / 256);
    for (let i = 0; i < frames; i++) {
      expect(sender.room(1)).toBeGreaterThan(0);
      sender.take(1, 256);
      peer.data(1, new Uint8Array(), false, 255);
      if (i % 100 === 0) await turns(5);
    }
    connection.close();
  });

  test('more than the window is a breach that ends the connection', async () => {
    const { connection, peer } = inMemory();
    peer.settings();
    const stream = connection.open([]);
    await turns(20);
    peer.headers(1, { ':status': '200' });
    for (let i = 0; i < 65; i++) peer.data(1, new Uint8Array(16_384));
    const goaway = await peer.next('GOAWAY');
    expect(goaway.payload.readUInt32BE(4)).toBe(3); // FLOW_CONTROL_ERROR
    await peer.end();
    expect(connection.isUsable).toBe(false);
    await expect(readAll(stream, async () => {})).rejects.toThrow('the peer sent more than its window');
  });

  test('unread data of a cancelled stream is dropped, its window on the connection given back', async () => {
    const { connection, peer } = inMemory();
    const sender = new Sender(peer);
    peer.settings();
    await turns(20);
    const before = sender.connection;
    for (let i = 0; i < 40; i++) {
      const stream = connection.open([]);
      await turns(10);
      peer.headers(stream.id, { ':status': '200' });
      while (sender.room(stream.id) > 0) {
        const size = Math.min(sender.room(stream.id), 16_384);
        sender.take(stream.id, size);
        peer.data(stream.id, new Uint8Array(size));
        await turns(4);
      }
      stream.reset('CANCEL', new Error('enough'));
      await expect(stream.read()).rejects.toThrow('enough');
    }
    expect(sender.connection).toBeGreaterThan(before / 2);
    expect(connection.streamCount).toBe(0);
    connection.close();
  });
});
