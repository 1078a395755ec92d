import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Http2Error } from '../../../../plugins/containerd-shim/http2/errors.ts';
import { inMemory } from './in-memory.ts';
import { ACK, END_HEADERS, type Peer } from './peer.ts';

const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await Promise.resolve();
};

async function failureOf(promise: Promise<unknown>): Promise<Http2Error> {
  return promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: Http2Error) => error,
  );
}

describe('a breach of the protocol ends the connection with GOAWAY', () => {
  const cases: [string, (peer: Peer) => void, code: number, message: string][] = [
    ['an HTTP/1 server', peer => peer.raw('HTTP/1.1 400 Bad Request\r\n\r\n'), 6, 'a frame of'],
    ['no settings first', peer => peer.frame('PING', 0, 0, Buffer.alloc(8)), 1, 'its first frame is not SETTINGS'],
    ['an acknowledgement first', peer => peer.frame('SETTINGS', ACK, 0), 1, 'its first frame is not SETTINGS'],
    ['settings on a stream', peer => peer.frame('SETTINGS', 0, 1), 1, 'SETTINGS on a stream'],
    ['settings cut short', peer => peer.frame('SETTINGS', 0, 0, Buffer.alloc(5)), 6, 'odd length'],
    ['a window above the limit', peer => peer.settings({ 4: 2 ** 31 }), 3, 'initial window'],
    ['a frame size below the limit', peer => peer.settings({ 5: 100 }), 1, 'largest frame'],
    ['a push', withSettings(peer => peer.frame('PUSH_PROMISE', END_HEADERS, 1, Buffer.alloc(4))), 1, 'push'],
    ['a frame that is too large', withSettings(peer => peer.data(1, new Uint8Array(16_385))), 6, '16385 bytes'],
    ['data on stream 0', withSettings(peer => peer.data(0, new Uint8Array(1))), 1, 'stream 0'],
    ['data before headers', withSettings(peer => peer.data(1, new Uint8Array(1))), 1, 'before the headers'],
    ['a stream that we never opened', withSettings(peer => peer.headers(7, { ':status': '200' })), 1, 'stream 7'],
    ['an even stream', withSettings(peer => peer.headers(2, { ':status': '200' })), 1, 'stream 2'],
    [
      'too much padding',
      withSettings(peer => peer.frame('DATA', 8, 1, Buffer.of(5, 0, 0))),
      1,
      'padding is longer than its frame',
    ],
    ['a window update by 0', withSettings(peer => peer.windowUpdate(0, 0)), 1, 'WINDOW_UPDATE by 0'],
    ['a window that overflows', withSettings(peer => peer.windowUpdate(0, 2 ** 31 - 1)), 3, 'above 2^31-1'],
    [
      "a stream's window that overflows",
      withSettings(peer => {
        peer.windowUpdate(1, 2 ** 31 - 1 - 65_535);
        peer.settings({ 4: 65_536 });
      }),
      3,
      'above 2^31-1',
    ],
    ['a reset cut short', withSettings(peer => peer.frame('RST_STREAM', 0, 1, Buffer.alloc(3))), 6, 'instead of 4'],
    ['a ping of the wrong length', withSettings(peer => peer.frame('PING', 0, 0, Buffer.alloc(7))), 6, 'instead of 8'],
    [
      'a header block that HPACK cannot read',
      withSettings(peer => peer.frame('HEADERS', 4, 1, Buffer.of(0x80))),
      9,
      'index',
    ],
    [
      'a frame within a header block',
      withSettings(peer => {
        peer.frame('HEADERS', 0, 1, Buffer.of(0x88));
        peer.frame('PING', 0, 0, Buffer.alloc(8));
      }),
      1,
      'within a header block',
    ],
    [
      'the continuation of another block',
      withSettings(peer => {
        peer.frame('HEADERS', 0, 1, Buffer.of(0x88));
        peer.frame('CONTINUATION', END_HEADERS, 3, Buffer.of(0x88));
      }),
      1,
      'within a header block',
    ],
    ['a continuation of nothing', withSettings(peer => peer.frame('CONTINUATION', 4, 1)), 1, 'without a header block'],
    [
      'a header block without end',
      withSettings(peer => {
        peer.frame('HEADERS', 0, 1, Buffer.alloc(16_000));
        for (let i = 0; i < 20; i++) peer.frame('CONTINUATION', 0, 1, Buffer.alloc(16_000));
      }),
      11,
      'more than 262144 bytes',
    ],
    [
      'headers within a response',
      withSettings(peer => {
        peer.headers(1, { ':status': '200' });
        peer.headers(1, { more: 'x' });
      }),
      1,
      'headers within a response',
    ],
  ];

  function withSettings(script: (peer: Peer) => void) {
    return (peer: Peer) => {
      peer.settings();
      script(peer);
    };
  }

  test.each(cases)('%s', async (_, script, code, message) => {
    const { connection, peer } = inMemory();
    const stream = connection.open([]);
    await turns(20);
    script(peer);
    const failure = await failureOf(stream.read());
    expect(failure.message).toStartWith('the peer broke the HTTP/2 protocol: ');
    expect(failure.message).toContain(message);
    const goaway = await peer.next('GOAWAY');
    expect(goaway.payload.readUInt32BE(4)).toBe(code);
    await peer.end();
    expect(connection).toMatchObject({ isUsable: false, streamCount: 0 });
  });

  test('whatever bytes come, every stream ends', async () => {
    const frame = fc
      .record({ type: fc.nat(10), flags: fc.nat(255), streamId: fc.nat(5), payload: fc.uint8Array({ maxLength: 40 }) })
      .map(
        ({ type, flags, streamId, payload }) =>
          (peer: Peer) =>
            peer.frame(type, flags, streamId, payload),
      );
    const noise = fc.uint8Array({ maxLength: 60 }).map(bytes => (peer: Peer) => peer.raw(Buffer.from(bytes)));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(frame, noise), { maxLength: 20 }), fc.boolean(), async (script, settings) => {
        const { connection, peer } = inMemory();
        if (settings) peer.settings();
        const streams = [connection.open([]), connection.open([])];
        await turns(20);
        for (const send of script) send(peer);
        await turns(20);
        connection.lost('closed by the peer');
        for (const stream of streams) {
          // Data may be left to read; the end comes in any case.
          for (let piece = await endOf(stream.read()); piece !== 'ended'; piece = await endOf(stream.read()));
        }
        expect(connection.streamCount).toBe(0);
      }),
      { numRuns: 500 },
    );
  });
});

async function endOf(read: Promise<Uint8Array | undefined>): Promise<'ended' | 'goes on'> {
  return read.then(
    piece => (piece === undefined ? 'ended' : 'goes on'),
    () => 'ended',
  );
}
