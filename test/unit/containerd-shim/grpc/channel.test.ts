import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { type Caller, unary } from '../../../../plugins/containerd-shim/client/method.ts';
import { Channel } from '../../../../plugins/containerd-shim/grpc/channel.ts';
import { listen, type Server } from '../http2/peer.ts';
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

describe('the connection', () => {
  test('is made once, by the first call', async () => {
    const results = [say(caller)({ text: 'a' }), say(caller)({ text: 'b' })];
    const peer = await server.connection(0);
    await answer(peer, 1, 'first');
    await answer(peer, 3, 'second');
    expect(await Promise.all(results)).toEqual(['first', 'second']);
  });

  test('is made anew after it was lost; the calls that were under way fail', async () => {
    const failure = failureOf(say(caller)({}));
    const peer = await server.connection(0);
    await peer.next('DATA');
    const path = server.path;
    await server[Symbol.asyncDispose]();
    expect(await failure).toMatchObject({
      codeName: 'UNAVAILABLE',
      message: `the connection to ${path} was lost: closed by the peer`,
    });

    server = listen(peer => peer.settings(), undefined, path);
    const result = say(caller)({});
    await answer(await server.connection(0), 1, 'again');
    expect(await result).toBe('again');
  });

  test('is made anew after GOAWAY, while the old one finishes', async () => {
    const old = say(caller)({});
    const peer = await server.connection(0);
    await peer.next('DATA');
    peer.goaway(1, 0);
    // An answer to a ping says that what was sent before it has been read.
    peer.frame('PING', 0, 0, Buffer.alloc(8));
    await peer.next('PING');
    const anew = say(caller)({});
    await answer(await server.connection(1), 1, 'new');
    expect(await anew).toBe('new');
    peer.headers(1, OK);
    peer.data(1, framed('old'));
    peer.headers(1, DONE, true);
    expect(await old).toBe('old');
    await peer.end();
  });

  const unreachable: [string, () => string, string][] = [
    ['nothing there', () => '/nowhere/containerd.sock', 'no such file or directory (ENOENT)'],
    ['no socket', () => import.meta.path, 'connection refused (ECONNREFUSED)'],
    [
      'a path that is too long',
      () => `/${'x'.repeat(120)}`,
      'invalid argument; the path of a socket has 107 bytes at most (EINVAL)',
    ],
  ];
  test.each(unreachable)('that cannot be made: %s', async (_, path, message) => {
    const channel = new Channel(path());
    for (let i = 0; i < 2; i++) {
      await expect(channel.call(METHOD, {})).rejects.toMatchObject({
        name: 'ConnectError',
        path: path(),
        message: `cannot connect to ${path()}: ${message}`,
      });
    }
  });

  test('an idle one holds no process alive, nor does the deadline of a call that is over', async () => {
    const script = `
      import { Channel } from '${import.meta.dir}/../../../../plugins/containerd-shim/grpc/channel.ts';
      const channel = new Channel('${server.path}');
      const call = await channel.call('/a/b', { timeoutMs: 3_600_000 });
      await call.receive().catch(error => console.log(error.codeName));`;
    const child = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe', stderr: 'inherit' });
    const peer = await server.connection(0);
    await peer.next('HEADERS');
    peer.headers(1, { ...OK, 'grpc-status': '5' }, true);
    expect(await child.exited).toBe(0);
    expect(await child.stdout.text()).toBe('NOT_FOUND\n');
  });
});
