import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  bidirectional,
  type Caller,
  clientStream,
  serverStream,
} from '../../../../plugins/containerd-shim/client/method.ts';
import { Channel } from '../../../../plugins/containerd-shim/grpc/channel.ts';
import { END_STREAM, listen, type Server, uint32 } from '../http2/peer.ts';
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

const hear = serverStream(METHOD, Text, Text);

describe('streams of messages', () => {
  test('from the server, until it ends them', async () => {
    const stream = hear(caller)({ text: 'go' });
    const peer = await server.connection(0);
    await answer(peer, 1, 'a', 'b', 'c');
    expect((await Array.fromAsync(stream)).map(({ text }) => text)).toEqual(['a', 'b', 'c']);
  });

  test('begin at once, not when somebody reads', async () => {
    hear(caller)({ text: 'go' });
    expect((await (await server.connection(0)).next('DATA')).payload).toEqual(framed('go'));
  });

  test('an error comes after the messages before it', async () => {
    const stream = hear(caller)({});
    const peer = await server.connection(0);
    await peer.next('HEADERS');
    peer.headers(1, OK);
    peer.data(1, framed('a'));
    peer.headers(1, { 'grpc-status': '14', 'grpc-message': 'going down' }, true);
    expect((await stream.next()).value).toEqual({ text: 'a' });
    expect(await failureOf(stream.next())).toMatchObject({ codeName: 'UNAVAILABLE', message: 'going down' });
    expect(await stream.next()).toEqual({ value: undefined, done: true });
  });

  test('leaving the loop cancels the call', async () => {
    const stream = hear(caller)({});
    const peer = await server.connection(0);
    await peer.next('HEADERS');
    peer.headers(1, OK);
    peer.data(1, Buffer.concat([framed('a'), framed('b'), framed('c')]));
    const heard: string[] = [];
    for await (const { text } of stream) {
      heard.push(text);
      if (text === 'b') break;
    }
    expect(heard).toEqual(['a', 'b']);
    expect((await peer.next('RST_STREAM', 1)).payload).toEqual(uint32(8));
    expect(channel.callCount).toBe(0);
  });

  test('return() ends a read that is waiting', async () => {
    const stream = hear(caller)({});
    await (await server.connection(0)).next('HEADERS');
    const waiting = failureOf(stream.next());
    await stream.return();
    expect(await waiting).toMatchObject({ codeName: 'CANCELLED' });
    expect(channel.callCount).toBe(0);
  });

  test('a failure that nobody reads of harms nobody', async () => {
    const nobody = new Channel('/nowhere/at/all.sock');
    const stream = hear((method, options) => nobody.call(method, options))({});
    // Another call to the same place fails after the first one did.
    await expect(nobody.call(METHOD, {})).rejects.toThrow();
    await expect(stream.next()).rejects.toThrow(
      'cannot connect to /nowhere/at/all.sock: no such file or directory (ENOENT)',
    );
  });

  test('from the client, with one answer', async () => {
    const result = clientStream(METHOD, Text, Text, answer => answer.text)(caller)([{ text: 'a' }, { text: 'b' }]);
    const peer = await server.connection(0);
    expect((await peer.next('DATA')).payload).toEqual(framed('a'));
    expect((await peer.next('DATA')).payload).toEqual(framed('b'));
    expect(await peer.next('DATA')).toMatchObject({ flags: END_STREAM, payload: Buffer.alloc(0) });
    peer.headers(1, OK);
    peer.data(1, framed('sum'));
    peer.headers(1, DONE, true);
    expect(await result).toBe('sum');
  });

  test('a source that fails cancels the call', async () => {
    function* source() {
      yield { text: 'a' };
      throw new Error('no more');
    }
    const result = clientStream(METHOD, Text, Text)(caller)(source());
    const peer = await server.connection(0);
    await expect(result).rejects.toThrow('no more');
    expect((await peer.next('RST_STREAM', 1)).payload).toEqual(uint32(8));
  });

  test('both ways', async () => {
    const { send, end, answers } = await bidirectional(METHOD, Text, Text)(caller)();
    const peer = await server.connection(0);
    await peer.next('HEADERS');
    peer.headers(1, OK);
    for (const text of ['a', 'b', 'c']) {
      await send({ text });
      peer.data(1, (await peer.next('DATA')).payload);
      expect((await answers.next()).value).toEqual({ text });
    }
    await end();
    expect(await peer.next('DATA')).toMatchObject({ flags: END_STREAM });
    peer.headers(1, DONE, true);
    expect(await answers.next()).toEqual({ value: undefined, done: true });
    await end();
  });

  test('sending into a call that the server has ended tells why', async () => {
    const { send, answers } = await bidirectional(METHOD, Text, Text)(caller)();
    const peer = await server.connection(0);
    await peer.next('HEADERS');
    peer.headers(1, { ...OK, 'grpc-status': '10', 'grpc-message': 'locked' }, true);
    expect(await failureOf(answers.next())).toMatchObject({ codeName: 'ABORTED' });
    expect(await failureOf(send({ text: 'a' }))).toMatchObject({ codeName: 'ABORTED', message: 'locked' });
  });
});
