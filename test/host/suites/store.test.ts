import { expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import plugin from '../../../plugins/metadata-fs/index.ts';
import type { StoreBackend } from '../../../src/plugin.ts';
import { context } from '../../suites/contract.ts';
import { storeSuite } from '../../suites/store.ts';
import '../box.ts';

/** What the plugin registers, in the places of the specification. */
async function registered(): Promise<StoreBackend> {
  const { promise, resolve } = Promise.withResolvers<StoreBackend>();
  const kernel = {
    settings: { runPath: '/opt/kukeon' },
    backend: (_: string, make: () => StoreBackend) => resolve(make()),
    hook: () => () => {},
  };
  await Reflect.apply(plugin.setup, plugin, [kernel]);
  return promise;
}

const FOLDERS = ['/opt/kukeon', '/var/log/kukeon', '/run/kukeon'];
const remove = () => Promise.all(FOLDERS.map(folder => rm(folder, { recursive: true, force: true })));

storeSuite('metadata-fs, as registered', async () => {
  await remove();
  const backend = await registered();
  const another = await registered();
  return {
    backend,
    another: () => another,
    spoil: async ({ kind, path }) => {
      const file = join('/opt/kukeon', ...path, `${kind.toLowerCase()}.yaml`);
      await writeFile(file, 'apiVersion: v1beta1\nkind: [Realm\n');
      return file;
    },
    log: async ({ path }, name) => {
      await mkdir(join('/var/log/kukeon', ...path), { recursive: true });
      await writeFile(join('/var/log/kukeon', ...path, name), 'log');
    },
    readFile: async path =>
      existsSync(backend.filePath(path)) ? await readFile(backend.filePath(path), 'utf8') : undefined,
    cleanup: async () => {
      await remove();
    },
  };
});

test('its places are those of the specification, and nothing stays in them', async () => {
  await remove();
  const store = await registered();
  const ref = { kind: 'Realm', path: ['main'] };
  await store.write(
    { ref, manifest: { apiVersion: 'v1beta1', kind: 'Realm', metadata: { name: 'main' }, spec: {} } },
    context(),
  );
  const id = crypto.randomUUID();
  await store.writeFile({ path: 'instance', content: `${id}\n` }, context());
  const request = { command: 'kuke init', timeoutMs: 0, signal: new AbortController().signal, onWait: () => {} };
  await (await store.lock(request)).release();
  expect(await readFile('/opt/kukeon/main/realm.yaml', 'utf8')).toContain('name: main');
  expect(await readFile('/opt/kukeon/.kuke/instance', 'utf8')).toBe(`${id}\n`);
  expect(await readdir('/run/kukeon')).toEqual([expect.stringMatching(/^[0-9a-f]{16}\.lock$/)]);
  await store.remove({ ref }, context());
  await store.removeFile({ path: 'instance' }, context());
  await (await store.lock(request)).release();
  expect(await readdir('/opt/kukeon', { recursive: true })).toEqual(['.kuke']);
  expect(existsSync('/run/kukeon')).toBe(false);
  await remove();
});
