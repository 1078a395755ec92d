import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Caller, unary } from '../../../../plugins/containerd-shim/client/method.ts';
import { Channel } from '../../../../plugins/containerd-shim/grpc/channel.ts';
import { percentDecoded } from '../../../../plugins/containerd-shim/grpc/outcome.ts';
import type { GrpcError } from '../../../../plugins/containerd-shim/grpc/status.ts';
import { END_STREAM, listen, type Peer, type Server, uint32 } from '../http2/peer.ts';
import { answer, DONE, failureOf, framed, METHOD, OK, Text } from './echo.ts';

let server: Server;
let channel: Channel;
let caller: Caller;
beforeEach(() => {
  server = listen(peer => peer.settings());
  channel = new Channel(server.path);
  caller = (method, { signal, timeoutMs }) => channel.call(method, { signal, timeoutMs });
});
afterEach(async () => {
  channel.close();
  await server[Symbol.asyncDispose]();
});

const say = unary(METHOD, Text, Text, answer => answer.text);

describe('unary', () => {
  test('one message there, one back', async () => {
    const result = say(caller)({ text: 'hello' });
    const peer = await server.connection(0);
    const headers = (await peer.next('HEADERS')).payload.toString('latin1');
    for (const [name, value] of [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', METHOD],
      [':authority', 'localhost'],
      ['te', 'trailers'],
      ['content-type', 'application/grpc'],
    ] as const) {
      expect(headers).toContain(`${name}${String.fromCharCode(value.length)}${value}`);
    }
    expect(await peer.next('DATA')).toMatchObject({ payload: framed('hello'), flags: END_STREAM });
    peer.headers(1, OK);
    peer.data(1, framed('back'));
    peer.headers(1, DONE, true);
    expect(await result).toBe('back');
    expect(channel.callCount).toBe(0);
  });

  test('the answer may come in any pieces', async () => {
    const text = 'x'.repeat(100);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 6 }), async sizes => {
        let i = 0;
        await using chopped = listen(
          peer => peer.settings(),
          () => sizes[i++ % sizes.length] ?? 1,
        );
        const channel = new Channel(chopped.path);
        const result = say((method, options) => channel.call(method, options))({ text: 'hello' });
        const peer = await chopped.connection(0);
        await peer.next('HEADERS');
        peer.headers(1, OK, false, [5, 20]);
        const bytes = framed(text);
        for (let at = 0, j = 0; at < bytes.length; j++) {
          const size = sizes[j % sizes.length] ?? 1;
          peer.data(1, bytes.subarray(at, at + size), false, size % 3 === 0 ? size : undefined);
          at += size;
        }
        peer.headers(1, DONE, true);
        expect(await result).toBe(text);
        channel.close();
      }),
      { numRuns: 30 },
    );
  });

  const endings: [string, (peer: Peer) => void, Partial<GrpcError>][] = [
    [
      'an error in trailers',
      peer => {
        peer.headers(1, OK);
        peer.headers(1, { 'grpc-status': '9', 'grpc-message': 'not %22empty%22: %C3%A9%' }, true);
      },
      { code: 9, codeName: 'FAILED_PRECONDITION', message: 'not "empty": é%' },
    ],
    [
      'trailers only',
      peer => peer.headers(1, { ...OK, 'grpc-status': '5', 'grpc-message': 'image "x": not found' }, true),
      { code: 5, codeName: 'NOT_FOUND', message: 'image "x": not found', method: METHOD },
    ],
    [
      'a status that nobody knows',
      peer => peer.headers(1, { ...OK, 'grpc-status': '99' }, true),
      { codeName: 'UNKNOWN' },
    ],
    [
      'no status',
      peer => {
        peer.headers(1, OK);
        peer.headers(1, { 'x-other': 'y' }, true);
      },
      { codeName: 'INTERNAL', message: 'the answer ends without a status' },
    ],
    [
      'OK without a message',
      peer => peer.headers(1, { ...OK, ...DONE }, true),
      { codeName: 'INTERNAL', message: 'the server answered without a message' },
    ],
    [
      'more than one message',
      peer => {
        peer.headers(1, OK);
        peer.data(1, Buffer.concat([framed('a'), framed('b')]));
      },
      { codeName: 'INTERNAL', message: 'the server answered with more than one message' },
    ],
    [
      'an error after the message',
      peer => {
        peer.headers(1, OK);
        peer.data(1, framed('a'));
        peer.headers(1, { 'grpc-status': '13', 'grpc-message': 'after all' }, true);
      },
      { codeName: 'INTERNAL', message: 'after all' },
    ],
    [
      'another kind of server',
      peer => {
        peer.headers(1, { ':status': '404', 'content-type': 'text/plain' });
        peer.data(1, Buffer.from('page not found'), true);
      },
      { codeName: 'UNIMPLEMENTED', message: 'the answer is not gRPC: HTTP status 404, content type text/plain' },
    ],
    [
      'a compressed message',
      peer => {
        peer.headers(1, OK);
        peer.data(1, Buffer.of(1, 0, 0, 0, 1, 0));
      },
      { codeName: 'INTERNAL', message: 'a compressed message, which was not asked for' },
    ],
    [
      'a message above the limit',
      peer => {
        peer.headers(1, OK);
        peer.data(1, Buffer.of(0, 1, 0, 0, 1));
      },
      { codeName: 'RESOURCE_EXHAUSTED', message: 'a message of 16777217 bytes; the limit is 16777216' },
    ],
    [
      'half a message',
      peer => {
        peer.headers(1, OK);
        peer.data(1, framed('hello').subarray(0, 8));
        peer.headers(1, DONE, true);
      },
      { codeName: 'INTERNAL', message: 'the answer ends within a message' },
    ],
    [
      'a message that is no protobuf',
      peer => {
        peer.headers(1, OK);
        peer.data(1, Buffer.of(0, 0, 0, 0, 2, 0x0a, 0x7f));
      },
      { codeName: 'INTERNAL', message: expect.stringContaining("the server's message cannot be read") },
    ],
    ['a refused stream', peer => peer.reset(1, 7), { codeName: 'UNAVAILABLE' }],
    ['a cancelled stream', peer => peer.reset(1, 8), { codeName: 'CANCELLED' }],
    ['a stream reset for calm', peer => peer.reset(1, 11), { codeName: 'RESOURCE_EXHAUSTED' }],
    ['any other reset', peer => peer.reset(1, 2), { codeName: 'INTERNAL' }],
    ['GOAWAY', peer => peer.goaway(0, 0), { codeName: 'UNAVAILABLE' }],
  ];
  test.each(endings)('%s', async (_, script, expected) => {
    const failure = failureOf(say(caller)({ text: 'hello' }));
    const peer = await server.connection(0);
    await peer.next('DATA');
    script(peer);
    expect(await failure).toMatchObject(expected);
    expect(channel.callCount).toBe(0);
  });

  test('the status comes through even while the request is still going out', async () => {
    await using small = listen(peer => peer.settings({ 4: 10 }));
    const channel = new Channel(small.path);
    const caller: Caller = (method, options) => channel.call(method, options);
    const failure = failureOf(say(caller)({ text: 'x'.repeat(100_000) }));
    const peer = await small.connection(0);
    await peer.next('HEADERS');
    peer.headers(1, { ...OK, 'grpc-status': '8', 'grpc-message': 'too large' }, true);
    expect(await failure).toMatchObject({ codeName: 'RESOURCE_EXHAUSTED', message: 'too large' });
    channel.close();
  });
});

describe('giving up', () => {
  test('a deadline is told to the server, and kept on this side', async () => {
    const failure = failureOf(say(caller)({}, { timeoutMs: 30 }));
    const peer = await server.connection(0);
    expect((await peer.next('HEADERS')).payload.toString('latin1')).toContain('grpc-timeout\x051030m');
    expect(await failure).toMatchObject({ codeName: 'DEADLINE_EXCEEDED', message: 'no answer within 30 ms' });
    expect((await peer.next('RST_STREAM', 1)).payload).toEqual(uint32(8));
    expect(channel.callCount).toBe(0);
  });

  test('an abort resets the stream', async () => {
    const abort = new AbortController();
    const failure = failureOf(say(caller)({}, { signal: abort.signal }));
    const peer = await server.connection(0);
    await peer.next('DATA');
    abort.abort(new Error('Ctrl-C'));
    expect(await failure).toMatchObject({
      codeName: 'CANCELLED',
      message: 'cancelled: Ctrl-C',
      cause: new Error('Ctrl-C'),
    });
    expect((await peer.next('RST_STREAM', 1)).payload).toEqual(uint32(8));
  });

  test('an abort beforehand sends nothing', async () => {
    expect(await failureOf(say(caller)({}, { signal: AbortSignal.abort() }))).toMatchObject({ codeName: 'CANCELLED' });
    await Promise.all([
      say(caller)({}),
      server.connection(0).then(peer => answer(peer, 1, 'the first on this connection')),
    ]);
  });

  test('a signal that outlives many calls keeps nothing of them', async () => {
    const listeners = new Set<unknown>();
    const { signal } = new AbortController();
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (type: string, listener: EventListener) => {
      listeners.add(listener);
      add(type, listener);
    };
    signal.removeEventListener = (type: string, listener: EventListener) => {
      listeners.delete(listener);
      remove(type, listener);
    };
    for (let i = 0; i < 3; i++) {
      const result = say(caller)({}, { signal });
      const peer = await server.connection(0);
      await answer(peer, 2 * i + 1, 'back');
      expect(await result).toBe('back');
    }
    expect(listeners.size).toBe(0);
  });

  test('closing the channel cancels what is under way', async () => {
    const failure = failureOf(say(caller)({}));
    await (await server.connection(0)).next('DATA');
    channel.close();
    expect(await failure).toMatchObject({ codeName: 'CANCELLED' });
  });

  test('metadata that cannot be a header is refused', async () => {
    const call = channel.call(METHOD, { metadata: { 'containerd-namespace': 'a\nb' } });
    expect(await failureOf(call)).toMatchObject({
      codeName: 'INVALID_ARGUMENT',
      message: 'containerd-namespace: "a\\nb" is not printable ASCII',
    });
  });
});

test('percent-decoding never fails', () => {
  expect(percentDecoded('a%20b%E2%82%ACc')).toBe('a b€c');
  expect(percentDecoded('100%, %zz, %f')).toBe('100%, %zz, %f');
  expect(percentDecoded('%ff')).toBe('\ufffd');
});
