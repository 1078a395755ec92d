/** `kuke/client` against the server, with what the compiler makes of its types. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApiError, type Client, connect, type Manifest, type Progress } from '../../../src/client/index.ts';
import { publish } from '../../fakes/index.ts';
import { serverOnFakes, type TestServer } from './server-on-fakes.ts';

let api: TestServer;
let kuke: Client;
beforeAll(async () => {
  api = await serverOnFakes();
  publish(api.on.host, { name: 'busybox' });
  kuke = connect({ socket: api.socketPath });
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
});

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

test('nothing answers there', async () => {
  expect(connect({ socket: '/nonexistent/socket' }).version()).rejects.toThrow();
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
