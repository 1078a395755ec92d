/** The server beneath the routes: what is no HTTP, what is too much, too slow or gone, and whose a connection is. */
import { describe, expect, test } from 'bun:test';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { makeQuota } from '../../../src/daemon/server/quota.ts';
import { listenOn, removeSocket } from '../../../src/daemon/server/unix-socket.ts';
import { publish } from '../../fakes/index.ts';
import { temporaryDirectory } from '../host/temporary-directory.ts';
import { cellYaml } from '../kernel/kernel-on-fakes.ts';
import { serverOnFakes } from './server-on-fakes.ts';

const folder = temporaryDirectory();
const bodyOf = (answer: string) =>
  JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)) as { error: { code: string } };
const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
const GET = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n';

describe('what is sent', () => {
  test.each([
    ['no HTTP', 'GARBAGE\r\n\r\n', 400, 'Usage'],
    ['bytes', new Uint8Array(4096).map((_, index) => index % 256), 400, 'Usage'],
    ['TLS', Uint8Array.of(0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3), 400, 'Usage'],
    [
      'headers that are too long',
      `GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(17_000)}\r\n\r\n`,
      431,
      'TooLarge',
    ],
    ['a path that is too long', `GET /${'a'.repeat(17_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431, 'TooLarge'],
    [
      'two lengths',
      'POST /v1beta1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
      400,
      'Usage',
    ],
    [
      'a length and chunks',
      'POST /v1beta1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'Usage',
    ],
    [
      'an unknown coding',
      'POST /v1beta1/apply HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: brotli\r\n\r\nx',
      400,
      'Usage',
    ],
    [
      'a body that is no text',
      Buffer.concat([
        Buffer.from('POST /v1beta1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n'),
        Buffer.from([0xff, 0xfe]),
      ]),
      400,
      'Usage',
    ],
    ['a proxy’s request', 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n', 400, 'Usage'],
    ['a method that there is not', 'BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'Usage'],
    ['one of other protocols', 'SOURCE /healthz HTTP/1.1\r\nHost: x\r\n\r\n', 405, 'MethodNotAllowed'],
    ['one for all that there is', 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'Usage'],
    ['an expectation', 'GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n', 417, 'Usage'],
    [
      'an upgrade that nobody asked for',
      'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      400,
      'Usage',
    ],
  ] as [string, string | Uint8Array, number, string][])('%s is refused', async (_, bytes, status, code) => {
    await using api = await serverOnFakes();
    const answer = await api.raw(bytes);
    expect({ status: statusOf(answer), code: bodyOf(answer).error.code }).toEqual({ status, code });
    expect(statusOf(await api.raw(GET))).toBe(200);
  });

  test('HEAD: what GET answers, without its content, and at once where that would come bit by bit', async () => {
    await using api = await serverOnFakes();
    for (const path of ['/healthz', '/openapi/v1', '/v1beta1/realms', '/v1beta1/realms/main', '/v1beta1/nowhere']) {
      const got = await api.ask('GET', path);
      // One connection: what follows the head would be taken for the next answer.
      const said = await api.raw(`HEAD ${path} HTTP/1.1\r\nHost: x\r\n\r\n${GET}`);
      const [head = '', next = '', body] = said.split('\r\n\r\n');
      expect({ path, status: statusOf(head), next: statusOf(next), body }).toEqual({
        path,
        status: got.status,
        next: 200,
        body: 'ok\n',
      });
      expect(head.toLowerCase()).toContain(`content-type: ${got.headers.get('content-type')}`);
    }
    for (const path of ['/v1beta1/cells?watch=true', '/v1beta1/events?watch=true']) {
      const said = await api.raw(`HEAD ${path} HTTP/1.1\r\nHost: x\r\n\r\n${GET}`);
      expect(said.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
      expect(said).not.toContain('BOOKMARK');
    }
    while (api.server.counts().watchers > 0) await Bun.sleep(5);
    expect((await api.ask('PUT', '/v1beta1/cells')).headers.get('allow')).toBe('GET, HEAD');
  });

  test('a body of the most is read, and one byte more is refused before it is sent', async () => {
    await using api = await serverOnFakes();
    const most = 8 * 1024 * 1024;
    const full = await api.ask('POST', '/v1beta1/apply', `{"a":"${'x'.repeat(most - 8)}"}`);
    expect({ status: full.status, text: full.text.slice(0, 200) }).toMatchObject({ status: 400 });
    expect((await api.ask('POST', '/v1beta1/apply', 'x'.repeat(most + 1))).status).toBe(413);
    const announced = await api.raw(`POST /v1beta1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: ${most + 1}\r\n\r\n`);
    expect({ status: statusOf(announced), isClosing: /connection: close/i.test(announced) }).toEqual({
      status: 413,
      isClosing: true,
    });
    // Without its length: by counting.
    const socket = await api.open();
    let said = '';
    socket.on('data', piece => {
      said += piece;
    });
    socket.write('POST /v1beta1/apply HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    const piece = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    for (let sent = 0; sent < 160 && said === ''; sent++) {
      socket.write(piece);
      await Bun.sleep(0);
    }
    while (said === '') await Bun.sleep(5);
    expect(statusOf(said)).toBe(413);
    socket.destroy();
  });

  test('requests one after the other on one connection, also all at once', async () => {
    await using api = await serverOnFakes();
    const answers = await api.raw(GET.repeat(20));
    expect(answers.split('HTTP/1.1 200 OK').length - 1).toBe(20);
  });

  test('a client that has said all and closes its side is gone', async () => {
    await using api = await serverOnFakes();
    const socket = await api.open();
    socket.end('GET /v1beta1/cells?watch=true HTTP/1.1\r\nHost: x\r\n\r\n');
    socket.resume();
    await new Promise(resolve => socket.once('close', resolve));
    while (api.server.counts().watchers > 0) await Bun.sleep(5);
  });
});

describe('time', () => {
  const slow = { limits: { requestMs: 150, idleMs: 150 } };

  test.each([
    ['nothing', '', ''],
    ['half a line', 'GET /hea', 'HTTP/1.1 408'],
    ['half of the headers', 'GET /healthz HTTP/1.1\r\nHost: x\r\n', 'HTTP/1.1 408'],
    ['half a body', 'POST /v1beta1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc', 'HTTP/1.1 408'],
    ['a body that nobody wants', 'GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc', 'HTTP/1.1 200'],
  ])('who sends %s is not waited for', async (_, bytes, answered) => {
    await using api = await serverOnFakes(slow);
    const said = await api.raw(bytes, 5000);
    expect(said.slice(0, 12)).toBe(answered);
  });

  test('who sends a byte now and then is not, either', async () => {
    await using api = await serverOnFakes(slow);
    const socket = await api.open();
    const closed = new Promise(resolve => socket.once('close', resolve));
    socket.resume();
    const drip = setInterval(() => socket.write('a'), 20);
    socket.write('GET /healthz HTTP/1.1\r\nX: ');
    await closed;
    clearInterval(drip);
  });

  test('a connection that has had its answer is kept for the next, and closed when none comes', async () => {
    await using api = await serverOnFakes(slow);
    const socket = await api.open();
    let answers = 0;
    socket.on('data', () => {
      answers += 1;
      if (answers === 1) socket.write(GET);
    });
    socket.write(GET);
    await new Promise(resolve => socket.once('end', resolve));
    expect(answers).toBe(2);
  });

  test('a reader that does not read is given up, and what it waited for goes on', async () => {
    await using api = await serverOnFakes({ limits: { unreadMs: 200, unreadBytes: 4096 } });
    publish(api.on.host, { name: 'busybox' });
    const socket = connect(api.socketPath);
    const closed = new Promise(resolve => socket.once('close', resolve));
    socket.on('error', () => {});
    socket.pause();
    const cells = Array.from({ length: 120 }, (_, index) => cellYaml(`cell-${index}`)).join('\n---\n');
    socket.write(
      `POST /v1beta1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: ${Buffer.byteLength(cells)}\r\n\r\n${cells}`,
    );
    await Bun.sleep(0);
    const ended = () => api.audited.find(({ isGoingOn }) => !isGoingOn);
    while (ended() === undefined) await Bun.sleep(10);
    expect(ended()?.outcomes.filter(({ result }) => result === 'created')).toHaveLength(120);
    socket.resume();
    await closed;
    expect(api.server.counts()).toMatchObject({ requests: 0 });
  }, 60_000);
});

describe('how many', () => {
  test('connections are bounded, and one that ends makes room', async () => {
    await using api = await serverOnFakes({ limits: { connections: 3 } });
    const sockets = await Promise.all([api.open(), api.open(), api.open()]);
    while (api.server.counts().connections < 3) await Bun.sleep(1);
    expect(statusOf(await api.raw(GET))).toBe(429);
    sockets[0]?.destroy();
    while (api.server.counts().connections === 3) await Bun.sleep(1);
    expect(statusOf(await api.raw(GET))).toBe(200);
    for (const socket of sockets) socket.destroy();
  });

  test('requests that are answered at once are bounded, and bodies in memory', async () => {
    await using api = await serverOnFakes({ limits: { requests: 2, bodiesBytes: 64 * 1024 } });
    const half = 'POST /v1beta1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\na';
    const sockets = await Promise.all([api.open(), api.open()]);
    sockets[0]?.write(half);
    while (api.server.counts().requests < 1) await Bun.sleep(1);
    // One body has all the memory that there is for bodies.
    expect(statusOf(await api.raw(half))).toBe(429);
    sockets[1]?.write('POST /v1beta1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n');
    while (api.server.counts().requests < 2) await Bun.sleep(1);
    const busy = await api.raw(GET);
    expect({ status: statusOf(busy), code: bodyOf(busy).error.code }).toEqual({ status: 429, code: 'Busy' });
    for (const socket of sockets) socket.destroy();
    while (api.server.counts().requests > 0) await Bun.sleep(1);
    expect(statusOf(await api.raw(GET))).toBe(200);
  });

  test('a quota is of all and of each, and is given back once', () => {
    const quota = makeQuota(5, 3);
    const first = quota.take(1, 3);
    expect(quota.take(1)).toBeUndefined();
    const second = quota.take(2, 2);
    expect(quota.take(3)).toBeUndefined();
    first?.();
    first?.();
    expect(quota.used).toBe(2);
    second?.();
    expect([quota.take(3, 3), quota.take(3)].map(one => one !== undefined)).toEqual([true, false]);
  });
});

describe('the socket', () => {
  test('is root’s alone where there is no group, and gone when the server has stopped', async () => {
    const api = await serverOnFakes();
    expect((statSync(api.socketPath).mode & 0o777).toString(8)).toBe('600');
    await api[Symbol.asyncDispose]();
    expect(existsSync(api.socketPath)).toBe(false);
  });

  test('replaces one that a killed daemon has left, and nothing that is none', async () => {
    const path = join(folder, 'a.sock');
    const left = await listenOn(path, 'no-such-group', () => {});
    const next = await listenOn(path, 'no-such-group', socket => void socket.end('next'));
    const said = await new Promise<string>(resolve => connect(path).on('data', piece => resolve(piece.toString())));
    expect(said).toBe('next');
    left.close();
    next.close();
    removeSocket(path);
    writeFileSync(path, 'mine');
    expect(listenOn(path, 'no-such-group', () => {})).rejects.toThrow('is no socket');
  });

  test('a change that runs is done to its end when the server stops', async () => {
    const api = await serverOnFakes();
    publish(api.on.host, { name: 'busybox' });
    const asked = api.ask('POST', '/v1beta1/apply', cellYaml('web'));
    while (!api.on.host.calls.some(({ action }) => action === 'network.attach')) await Bun.sleep(1);
    await api.server.stop(10_000);
    expect((await asked.catch(() => ({ status: 0 }))).status).toBe(200);
    expect(api.audited.map(({ outcomes }) => outcomes.map(({ result }) => result))).toEqual([[], ['created']]);
    await api[Symbol.asyncDispose]();
  });

  test('who waits for it to be Ready is told that the server stops, and what is atomic is taken back before', async () => {
    const api = await serverOnFakes();
    publish(api.on.host, { name: 'busybox' });
    const ending = (name: string) =>
      cellYaml(
        name,
        "[{ id: main, image: busybox, root: true, restartPolicy: always, command: /bin/sh, args: ['-c', 'exit 3'] }]",
      );
    const waits = api.ask('POST', '/v1beta1/apply?wait=10m', ending('waits'));
    const atomic = api.ask('POST', '/v1beta1/apply?wait=10m&atomic=true', ending('atomic'));
    const applied = () => api.on.host.calls.filter(({ action, state }) => action === 'store.write' && state === 'done');
    const isThere = (name: string) =>
      applied().some(({ params }) => JSON.stringify(params).includes(`"name":"${name}"`));
    while (!(isThere('waits') && isThere('atomic'))) await Bun.sleep(1);
    await api.server.stop(10_000);
    const failed = { status: 499, json: { error: { code: 'Cancelled', message: 'the daemon ends' } } };
    expect(await waits).toMatchObject(failed);
    expect(await atomic).toMatchObject(failed);
    expect((await atomic).json).toMatchObject({ error: { remedy: 'what was applied has been taken back' } });
    expect(
      api.on.host.store.manifests
        .values()
        .toArray()
        .map(({ ref }) => ref.path.at(-1)),
    ).toContain('waits');
    expect(
      api.on.host.store.manifests
        .values()
        .toArray()
        .map(({ ref }) => ref.path.at(-1)),
    ).not.toContain('atomic');
    // What is only waited for in vain is done; what was taken back was for nothing.
    const ended = api.audited.filter(({ isGoingOn }) => !isGoingOn);
    expect(ended.map(({ error, outcomes }) => [error?.code, outcomes.length])).toEqual(
      expect.arrayContaining([
        [undefined, 1],
        ['Cancelled', 2],
      ]),
    );
    await api[Symbol.asyncDispose]();
  });
});
