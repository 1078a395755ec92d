/** `kuke/client` against the server, with what the compiler makes of its types. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiError, type Client, connect, type Manifest, type Progress } from '../../../src/client/index.ts';
import { openSources } from '../../../src/kernel/event-sources/sources.ts';
import { appendEvent, type Event } from '../../../src/kernel/events.ts';
import { fakeArchive, publish } from '../../fakes/index.ts';
import { serverOnFakes, type TestServer } from './server-on-fakes.ts';

let api: TestServer;
let kuke: Client;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kuke-client-'));
  mkdirSync(join(folder, '.kuke'));
  api = await serverOnFakes({ events: () => openSources(join(folder, 'audit.jsonl'), folder) });
  publish(api.on.host, { name: 'busybox' });
  kuke = connect({ socket: api.socketPath });
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const happen = (event: Omit<Event, 'at'>) => appendEvent(folder, { at: new Date().toISOString(), ...event });

const cell = (name: string, image = 'busybox'): Manifest<'Cell'> => ({
  apiVersion: 'v1beta1',
  kind: 'Cell',
  metadata: { name, labels: { app: name } },
  spec: { containers: [{ id: 'main', image, root: true }] },
});

test('a cell from its manifest to its end', async () => {
  const told: Progress[] = [];
  const { outcomes } = await kuke.apply([cell('web'), cell('db')], { told: event => void told.push(event) });
  expect(outcomes.map(({ resource, result }) => `${resource} ${result}`)).toEqual([
    'cell main/default/default/web created',
    'cell main/default/default/db created',
  ]);
  expect(told.some(event => event.type === 'progress' && event.step === 'runtime.start')).toBe(true);

  const web = await kuke.get('Cell', { name: 'web' });
  const state: 'Pending' | 'Ready' | 'Degraded' | 'Stopped' | 'Failed' | 'Unknown' = web.status.state;
  expect([state, web.spec.containers?.[0]?.image]).toEqual(['Ready', 'busybox']);
  const { items } = await kuke.list('Cell', { realm: 'main' }, { labelSelector: 'app=db' });
  expect(items.map(({ metadata }) => metadata.name)).toEqual(['db']);
  expect((await kuke.list('Container', { cell: 'web' })).items).toHaveLength(1);
  expect((await kuke.apply(web)).outcomes[0]?.result).toBe('unchanged');

  expect((await kuke.diff(cell('web', 'other'))).outcomes[0]?.changes.map(({ path }) => path)).toEqual([
    'spec.containers[main].image',
  ]);
  expect((await kuke.apply(cell('more'), { dryRun: true })).plan?.map(({ step }) => step)).toContain('runtime.create');
  await kuke.stop({ name: 'web' }, { timeout: '1s' });
  await kuke.start({ name: 'web' });
  await kuke.kill({ name: 'web' });
  await kuke.delete('Cell', { name: 'web' }, { cascade: true });
  const gone = await kuke.get('Cell', { name: 'web' }).catch(thrown => thrown);
  expect(gone).toBeInstanceOf(ApiError);
  expect([gone.code, gone.status]).toEqual(['NotFound', 404]);
});

test('watching, from a list on', async () => {
  const { metadata } = await kuke.list('Cell');
  await kuke.apply(cell('watched'));
  const stop = new AbortController();
  for await (const event of kuke.watch(
    'Cell',
    { realm: 'main' },
    { revision: metadata.revision, signal: stop.signal },
  )) {
    if (event.type !== 'ADDED') continue;
    expect(event.object.metadata.name).toBe('watched');
    break;
  }
  stop.abort();
  const old = kuke.watch('Cell', {}, { revision: '00000000-1' });
  expect(await old.next().catch(thrown => thrown.code)).toBe('Gone');
});

test('what fails has its outcomes, and what is refused its field, however it was asked', async () => {
  for (const told of [undefined, () => {}]) {
    const failed = await kuke
      .apply([cell('good'), cell('bad', 'nowhere')], { ...(told && { told }) })
      .catch(thrown => thrown);
    expect(failed.code).toBe('ImageNotFound');
    expect(failed.outcomes.map(({ result }: { result: string }) => result)).toEqual([
      expect.stringMatching(/created|unchanged/),
      'failed',
    ]);
    const refused = await kuke.apply('{"kind":"Cell"', { ...(told && { told }) }).catch(thrown => thrown);
    expect([refused.code, refused.status]).toEqual(['InvalidManifest', 400]);
  }
});

test('a cell is started anew, and brought back to an earlier revision', async () => {
  await kuke.apply(cell('turns'));
  const [restarted] = (await kuke.restart({ name: 'turns' }, { timeout: '1s' })).outcomes;
  expect([restarted?.result, restarted?.steps]).toEqual([
    'updated',
    expect.arrayContaining(['runtime.stop', 'runtime.start']),
  ]);
  const changed = cell('turns');
  changed.spec.containers = [{ id: 'main', image: 'busybox', env: ['TOKEN=secret', 'A=1'] }];
  await kuke.apply(changed);
  const revisions = await kuke.revisions({ name: 'turns' });
  expect(revisions.map(({ revision }) => revision)).toEqual([1, 2]);
  expect(revisions[1]?.changes.map(({ path }) => path)).toContain('spec.containers[main].env');
  expect(JSON.stringify(revisions[1]?.changes)).not.toContain('secret');
  expect((await kuke.undo({ name: 'turns' }, { dryRun: true })).plan).not.toEqual([]);
  await kuke.undo({ name: 'turns' });
  expect((await kuke.get('Cell', { name: 'turns' })).spec.containers?.[0]?.env).toBeUndefined();
  const none = await kuke.undo({ name: 'turns' }, { toRevision: 99 }).catch(thrown => thrown);
  expect([none.code, none.status]).toEqual(['NotFound', 404]);
  expect(await kuke.restart({ name: 'nope' }).catch(thrown => thrown.code)).toBe('NotFound');
});

test('events, and those that come', async () => {
  happen({ resource: 'cell main/default/default/web', what: 'died', exitCode: 3 });
  happen({ resource: 'cell main/default/default/db', what: 'restarted' });
  expect((await Array.fromAsync(kuke.events())).map(({ what }) => what)).toEqual(['died', 'restarted']);
  expect((await Array.fromAsync(kuke.events({ last: 1 }))).map(({ what }) => what)).toEqual(['restarted']);
  const web = 'cell main/default/default/web';
  const seen: string[] = [];
  for await (const { what } of kuke.events({ resource: web, since: '1h', watch: true })) {
    seen.push(what);
    if (seen.length === 1) happen({ resource: 'cell main/default/default/db', what: 'died' });
    if (seen.length === 1) happen({ resource: web, what: 'healthy' });
    else break;
  }
  expect(seen).toEqual(['died', 'healthy']);
});

test('images as an archive', async () => {
  const [loaded] = await kuke.loadImages(new Blob([fakeArchive({ name: 'loaded', cmd: ['sh'] })]));
  expect(loaded?.name).toBe('docker.io/library/loaded:latest');
  const saved = Buffer.concat(await Array.fromAsync(kuke.saveImages(['loaded'])));
  async function* pieces() {
    for (const byte of saved) yield Uint8Array.of(byte);
  }
  expect((await kuke.loadImages(pieces())).map(({ name }) => name)).toEqual(['docker.io/library/loaded:latest']);
  const broken = await kuke.loadImages(new Blob(['no archive'])).catch(thrown => thrown);
  expect([broken.code, broken.status]).toEqual(['InvalidImage', 422]);
  expect(await Array.fromAsync(kuke.saveImages(['nowhere'])).catch(thrown => thrown.code)).toBe('ImageNotFound');
  expect(await Array.fromAsync(kuke.saveImages([])).catch(thrown => thrown.code)).toBe('Usage');
  await kuke.removeImage('loaded');
  expect(
    api.audited.filter(({ request }) => request.includes('/images/')).flatMap(({ resources }) => resources ?? []),
  ).toEqual([
    { resource: 'realm main', result: 'loaded image docker.io/library/loaded:latest' },
    { resource: 'realm main', result: 'loaded image docker.io/library/loaded:latest' },
    { resource: 'realm main', result: 'removed image docker.io/library/loaded:latest' },
  ]);
});

test('images, doctor, version', async () => {
  expect((await kuke.pullImage('busybox', { told: () => {} })).name).toBe('docker.io/library/busybox:latest');
  expect((await kuke.pullImage('busybox')).name).toBe('docker.io/library/busybox:latest');
  expect(await kuke.pullImage('nowhere').catch(thrown => thrown.code)).toBe('ImageNotFound');
  expect((await kuke.images()).map(({ name }) => name)).toEqual(['docker.io/library/busybox:latest']);
  expect(await kuke.pruneImages({ dryRun: true })).toEqual({ removed: [], bytes: 0 });
  expect(await kuke.removeImage('nowhere').catch(thrown => thrown.code)).toBe('ImageNotFound');
  expect(await kuke.doctor()).toBeArray();
  expect((await kuke.version()).version).toBe('0.0.0');
});

test('a state is waited for, and the end', async () => {
  await kuke.apply(cell('awaited'));
  const stopped = kuke.wait('Cell', { name: 'awaited' }, 'Stopped');
  await kuke.stop({ name: 'awaited' });
  expect((await stopped)?.status.state).toBe('Stopped');
  expect((await kuke.wait('Cell', { name: 'awaited' }, 'Stopped'))?.metadata.name).toBe('awaited');
  const [gone, never] = [
    kuke.wait('Cell', { name: 'awaited' }, 'deleted'),
    kuke.wait('Cell', { name: 'awaited' }, 'Ready').catch(thrown => thrown.message),
  ];
  await kuke.delete('Cell', { name: 'awaited' }, { cascade: true });
  expect((await gone)?.metadata.name).toBe('awaited');
  expect(await never).toBe('cell awaited was deleted meanwhile');
  expect(await kuke.wait('Cell', { name: 'awaited' }, 'deleted')).toBeUndefined();
  expect(await kuke.wait('Cell', { name: 'awaited' }, 'Ready').catch(thrown => thrown.code)).toBe('NotFound');
});

test('what is applied is waited for, or taken back', async () => {
  await kuke.apply(cell('steady'), { wait: '10s' });
  const failing = cell('steady');
  failing.spec.containers = [{ id: 'main', image: 'busybox', command: '/bin/sh', args: ['-c', 'exit 3'] }];
  for (const told of [undefined, () => {}]) {
    const thrown = await kuke.apply(failing, { atomic: true, wait: '10s', ...(told && { told }) }).catch(one => one);
    expect(thrown).toMatchObject({ code: 'Failed', body: { remedy: 'what was applied has been taken back' } });
    expect(thrown.outcomes.map(({ result }: { result: string }) => result)).toEqual(['updated']);
    const { spec, status } = await kuke.get('Cell', { name: 'steady' });
    expect([spec.containers?.[0]?.args, status.state]).toEqual([undefined, 'Ready']);
  }
});

describe('a daemon that goes', () => {
  /** What it does with each connection is told how many came before. */
  async function serverThat(serve: (socket: Socket, connections: number) => void) {
    const path = join(folder, `${crypto.randomUUID()}.sock`);
    let connections = 0;
    const server = createServer(socket =>
      serve(
        socket.on('error', () => {}),
        ++connections,
      ),
    );
    await new Promise<void>(resolve => server.listen(path, resolve));
    return {
      client: connect({ socket: path }),
      count: () => connections,
      [Symbol.dispose]: () => void server.close(),
    };
  }
  const ANSWER = '{"outcomes":[],"notices":[]}';

  test('a connection that it has closed meanwhile is in nobody’s way', async () => {
    using there = await serverThat(socket => {
      let requests = 0;
      // It keeps the connection, as it says, and is gone when the next request comes.
      socket.on('data', () => {
        if (++requests > 1) return void socket.resetAndDestroy();
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${ANSWER.length}\r\nconnection: keep-alive\r\n\r\n${ANSWER}`);
      });
    });
    for (let times = 0; times < 5; times++) {
      await there.client.version();
      await there.client.delete('Cell', { name: 'web' });
      await there.client.apply(cell('web'));
    }
    expect(there.count()).toBe(15);
  });

  test('before its answer, or in the middle of it: that is told, and nothing is sent twice', async () => {
    const broken = new Map([
      ['nothing', /^kukeond at .*\.sock has not answered POST \/v1beta1\/apply: /],
      ['HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{', /^kukeond has closed the connection in the middle/],
    ]);
    for (const [said, message] of broken) {
      using there = await serverThat(socket => {
        socket.once('data', () => (said === 'nothing' ? socket.destroy() : socket.end(said)));
      });
      for (const told of [undefined, () => {}])
        expect(there.client.apply(cell('web'), { ...(told && { told }) })).rejects.toThrow(message);
      await Bun.sleep(50);
      expect(there.count()).toBe(2);
    }
    expect(connect({ socket: '/nonexistent/socket' }).version()).rejects.toThrow(
      'kukeond at /nonexistent/socket has not answered GET /version: ',
    );
  });
});

test('at run time it needs nothing of the kernel', async () => {
  const top = join(import.meta.dir, '../../..');
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(file, 'utf8');
    for (const { path } of new Bun.Transpiler({ loader: 'ts' }).scanImports(text))
      if (path.startsWith('.')) visit(join(file, '..', path));
  };
  visit(join(top, 'src/client/index.ts'));
  expect(
    [...seen].map(file => file.slice(top.length + 1)).filter(file => !/^src\/(?:client|daemon\/console)\//.test(file)),
  ).toEqual([]);
});
