import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Connection } from '../../../../plugins/containerd-shim/http2/connection.ts';
import type { Http2Error } from '../../../../plugins/containerd-shim/http2/errors.ts';
import { inMemory } from './in-memory.ts';
import { ACK, END_HEADERS, END_STREAM, type Peer, uint32 } from './peer.ts';

const MAX_CONCURRENT_STREAMS = 3;

const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await Promise.resolve();
};

function ready(): { connection: Connection; peer: Peer } {
  const wire = inMemory();
  wire.peer.settings();
  return wire;
}

async function failureOf(promise: Promise<unknown>): Promise<Http2Error> {
  return promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: Http2Error) => error,
  );
}

describe('a request and its response', () => {
  test('go as they should', async () => {
    const { connection, peer } = ready();
    const stream = connection.open([
      [':method', 'POST'],
      [':path', '/a/b'],
    ]);
    await stream.write(Buffer.from('ask'), true);
    const headers = await peer.next('HEADERS');
    expect(headers).toMatchObject({ streamId: 1, flags: END_HEADERS });
    expect(headers.payload.toString('latin1')).toContain('/a/b');
    expect(await peer.next('DATA')).toMatchObject({ streamId: 1, flags: END_STREAM, payload: Buffer.from('ask') });

    peer.headers(1, { ':status': '200' });
    peer.data(1, Buffer.from('answer'));
    peer.headers(1, { 'grpc-status': '0' }, true);
    expect(Buffer.from((await stream.read()) ?? []).toString()).toBe('answer');
    expect(await stream.read()).toBeUndefined();
    expect(await stream.read()).toBeUndefined();
    expect(stream.headers?.get(':status')).toBe('200');
    expect(stream.trailers?.get('grpc-status')).toBe('0');
    expect(connection.streamCount).toBe(0);
    connection.close();
  });

  test('a header block that is larger than a frame goes on in CONTINUATIONs', async () => {
    const { connection, peer } = ready();
    connection.open([['x-long', 'x'.repeat(40_000)]]);
    const types: string[] = [];
    let length = 0;
    peer.onFrame = ({ type, flags, payload }) => {
      if (type !== 'HEADERS' && type !== 'CONTINUATION') return;
      types.push(flags & END_HEADERS ? `${type}, the last` : type);
      length += payload.length;
    };
    await turns(20);
    expect(types).toEqual(['HEADERS', 'CONTINUATION', 'CONTINUATION, the last']);
    expect(length).toBeGreaterThan(40_000);
    connection.close();
  });

  test('trailers alone are headers too; informational responses and unknown frames are passed over', async () => {
    const { connection, peer } = ready();
    const [a, b] = [connection.open([]), connection.open([])];
    await turns(20);
    peer.frame(0x42, 0xff, 3, Buffer.from('what is this'));
    peer.frame('PRIORITY', 0, 1, Buffer.alloc(5));
    peer.headers(1, { ':status': '103', link: '</x>' });
    peer.headers(3, { ':status': '200', 'grpc-status': '5' }, true);
    peer.headers(1, { ':status': '200' });
    peer.data(1, new Uint8Array(), true);
    expect(await b.read()).toBeUndefined();
    expect(b.headers?.get(':status')).toBe('200');
    expect(b.trailers?.get('grpc-status')).toBe('5');
    expect(await a.read()).toBeUndefined();
    expect(a.headers?.has('link')).toBe(false);
    connection.close();
  });

  test('a response that ends first ends the request: RST_STREAM with NO_ERROR, and writing fails', async () => {
    const { connection, peer } = ready();
    const stream = connection.open([]);
    const blocked = stream.write(new Uint8Array(1_000_000));
    await turns(50);
    peer.headers(1, { ':status': '200', 'grpc-status': '8' }, true);
    expect((await failureOf(blocked)).code).toBe('STREAM_CLOSED');
    expect((await peer.next('RST_STREAM', 1)).payload).toEqual(uint32(0));
    expect(await stream.read()).toBeUndefined();
    expect(stream.trailers?.get('grpc-status')).toBe('8');
    connection.close();
  });

  test('what was received before a reset is still read', async () => {
    const { connection, peer } = ready();
    const stream = connection.open([]);
    await turns(20);
    peer.headers(1, { ':status': '200' });
    peer.data(1, Buffer.from('half'));
    peer.reset(1, 2);
    await turns(20);
    expect(Buffer.from((await stream.read()) ?? []).toString()).toBe('half');
    expect((await failureOf(stream.read())).code).toBe('INTERNAL_ERROR');
    expect((await failureOf(stream.write(new Uint8Array(1)))).code).toBe('INTERNAL_ERROR');
    expect(connection.streamCount).toBe(0);
    connection.close();
  });

  test('a reset stream is told so once, and its late frames are ignored', async () => {
    const { connection, peer } = ready();
    const stream = connection.open([]);
    let resets = 0;
    let closes = 0;
    stream.onClose = () => closes++;
    peer.onFrame = ({ type }) => {
      if (type === 'RST_STREAM') resets++;
    };
    await turns(20);
    stream.reset('CANCEL', new Error('enough'));
    stream.reset('CANCEL', new Error('again'));
    peer.headers(1, { ':status': '200' });
    peer.data(1, Buffer.from('late'));
    peer.windowUpdate(1, 10);
    peer.reset(1, 8);
    await turns(20);
    await expect(stream.read()).rejects.toThrow('enough');
    expect({ resets, closes, usable: connection.isUsable }).toEqual({ resets: 1, closes: 1, usable: true });
    connection.close();
  });
});

describe('MAX_CONCURRENT_STREAMS', () => {
  test('is never exceeded, and all streams get their turn', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.record({ cancelled: fc.boolean(), limit: fc.option(fc.integer({ min: 1, max: 5 })) }), {
          minLength: 1,
          maxLength: 20,
        }),
        async (limit, calls) => {
          const { connection, peer } = inMemory();
          peer.settings({ [MAX_CONCURRENT_STREAMS]: limit });
          let allowed = limit;
          let most = 0;
          const open = new Set<number>();
          peer.onFrame = ({ type, streamId }) => {
            if (type === 'HEADERS') {
              open.add(streamId);
              most = Math.max(most, open.size - allowed);
            } else if (type === 'RST_STREAM') {
              open.delete(streamId);
            }
          };
          await turns(10);
          const streams = calls.map(() => connection.open([]));
          const results = streams.map(stream =>
            stream.read().then(
              () => 'answered',
              () => 'cancelled',
            ),
          );
          calls.forEach(({ cancelled }, i) => {
            if (cancelled) streams[i]?.reset('CANCEL', new Error('enough'));
          });
          await turns(20);
          for (let i = 0; connection.streamCount > 0; i++) {
            const raised = calls[i % calls.length]?.limit ?? allowed;
            if (raised > allowed) {
              allowed = raised;
              peer.settings({ [MAX_CONCURRENT_STREAMS]: raised });
            }
            const [id] = open;
            if (id !== undefined) {
              open.delete(id);
              peer.headers(id, { ':status': '200', 'grpc-status': '0' }, true);
            }
            await turns(10);
          }
          expect(most).toBeLessThanOrEqual(0);
          expect(await Promise.all(results)).toEqual(calls.map(call => (call.cancelled ? 'cancelled' : 'answered')));
          connection.close();
        },
      ),
    );
  });

  test('a stream that waits for its turn can be given up, and was never sent', async () => {
    const { connection, peer } = inMemory();
    peer.settings({ [MAX_CONCURRENT_STREAMS]: 0 });
    await turns(20);
    const stream = connection.open([]);
    const written = stream.write(new Uint8Array(10), true);
    stream.reset('CANCEL', new Error('enough'));
    await expect(written).rejects.toThrow('enough');
    let sent = 0;
    peer.onFrame = ({ streamId }) => {
      sent += streamId;
    };
    peer.settings({ [MAX_CONCURRENT_STREAMS]: 10 });
    await turns(20);
    expect({ sent, streams: connection.streamCount }).toEqual({ sent: 0, streams: 0 });
    connection.close();
  });
});

test('PING is answered with its own payload, an answer is not', async () => {
  const { connection, peer } = ready();
  peer.frame('PING', ACK, 0, Buffer.from('not this'));
  peer.frame('PING', 0, 0, Buffer.from('12345678'));
  expect(await peer.next('PING')).toMatchObject({ flags: ACK, payload: Buffer.from('12345678') });
  connection.close();
});

describe('GOAWAY', () => {
  test('refuses the streams above its number, and lets the others end; then the connection closes', async () => {
    const { connection, peer } = ready();
    const [taken, refused] = [connection.open([]), connection.open([])];
    await turns(20);
    peer.goaway(1, 0, 'restart');
    const failure = await failureOf(refused.read());
    expect(failure.code).toBe('REFUSED_STREAM');
    expect(failure.message).toBe('the peer is going away and did not take the call: NO_ERROR (restart)');
    expect(connection.isUsable).toBe(false);
    expect((await failureOf(connection.open([]).read())).code).toBe('REFUSED_STREAM');
    peer.headers(1, { ':status': '200', 'grpc-status': '0' }, true);
    expect(await taken.read()).toBeUndefined();
    await peer.end();
  });

  test('also refuses what still waits for its turn, however much it is', async () => {
    const { connection, peer } = inMemory();
    peer.settings({ [MAX_CONCURRENT_STREAMS]: 1 });
    await turns(20);
    const first = connection.open([]);
    const waiting = Array.from({ length: 20_000 }, () => failureOf(connection.open([]).read()));
    peer.goaway(2 ** 31 - 1, 0);
    const codes = new Set((await Promise.all(waiting)).map(({ code }) => code));
    expect([...codes]).toEqual(['REFUSED_STREAM']);
    expect(connection.streamCount).toBe(1);
    peer.goaway(0, 0);
    expect((await failureOf(first.read())).code).toBe('REFUSED_STREAM');
    await peer.end();
  });
});

describe('the end of the connection fails every stream', () => {
  test('when the peer goes', async () => {
    const { connection, peer } = ready();
    const streams = [connection.open([]), connection.open([])];
    await turns(20);
    peer.headers(1, { ':status': '200' });
    await turns(20);
    connection.lost('closed by the peer');
    for (const stream of streams) {
      const failure = await failureOf(stream.read());
      expect(failure.code).toBe('CONNECTION_LOST');
      expect(failure.message).toBe('the connection to the peer was lost: closed by the peer');
    }
    expect(connection.isUsable).toBe(false);
  });

  test('when we close it, and the peer is told', async () => {
    const { connection, peer } = ready();
    const stream = connection.open([]);
    await turns(20);
    connection.close();
    expect((await failureOf(stream.read())).code).toBe('CANCEL');
    expect((await peer.next('GOAWAY')).payload.readUInt32BE(4)).toBe(0);
    await peer.end();
  });
});
