/** Images that are pulled, as containerd's own tools see them. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { zstdCompressSync } from 'node:zlib';
import { INSTANCE } from '../../../plugins/containerd-shim/labels.ts';
import { type RegistryUnderTest, startRegistry } from '../../registry/docker-registry.ts';
import { expectCommand, failure } from '../../suites/contract.ts';
import { Layout, ociTypes, sha256 } from '../../unit/containerd-shim/images/archives.ts';
import { type Containerd, startContainerd } from '../containerd.ts';
import { busybox, ociArchive, type TestImage } from '../image.ts';
import { output } from '../observe/command.ts';
import { tar } from '../tar.ts';
import { type ImagesUnderTest, imagesOn, instance, nothing, onDisk } from './images-under-test.ts';
import { pushIndex } from './push-index.ts';

// No other namespace has any of it.
const unique = crypto.randomUUID();
const image: TestImage = {
  name: 'web',
  layers: [
    { ...busybox(), unique },
    { 'www/': { folder: true }, 'www/index.html': 'hello from the registry\n' },
    { 'www/second': unique },
  ],
  config: { Cmd: ['cat', '/www/index.html'], Env: ['PATH=/bin'] },
};

let containerd: Containerd;
let registry: RegistryUnderTest;
let name: string;
let digest: string;
let t: ImagesUnderTest;
beforeAll(async () => {
  [containerd, registry] = await Promise.all([startContainerd(), startRegistry()]);
  name = `${registry.host}/web:1`;
  digest = await registry.pushArchive('web', '1', ociArchive(image));
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  await containerd.stop();
});
beforeEach(async () => {
  t = await imagesOn(containerd);
  registry.requests();
});

/** `label=value` of each blob, by digest, without our own. */
async function contentLabels(): Promise<Record<string, string[]>> {
  const [, ...lines] = (await t.ctr('content', 'ls')).trim().split('\n');
  return Object.fromEntries(
    lines.map(line => {
      const [digest = '', ...columns] = line.split('\t');
      const labels = (columns.at(-1) ?? '').split(',').map(label => label.trim());
      return [digest, labels.filter(label => label !== '' && label !== '-' && !label.startsWith(INSTANCE)).sort()];
    }),
  );
}

const blobsFetched = () => registry.requests().filter(line => /GET .*\/blobs\//.test(line));

test('it is complete and unpacked, as ctr pulls it, runs, is fetched once, and goes without a trace', async () => {
  const disk = onDisk(containerd);
  const states = new Set<string>();
  const info = await t.pull(name, { told: ({ title, state }) => states.add(`${title}: ${state}`) });
  expect(info).toMatchObject({ name, digest });
  expect(await t.ctr('images', 'ls')).toMatch(new RegExp(`${name}.*${digest}.*linux/.*${INSTANCE}=${instance}`));
  expect(await t.ctr('images', 'check')).toMatch(/complete \(4\/4\).*true/);
  const [held, labels] = [await t.held(), await contentLabels()];
  expect(held).toMatchObject({ images: [name], leases: [], uploads: [] });
  expect(held.snapshots.map(line => line.split(' ')[0])).toEqual(['Committed', 'Committed', 'Committed']);
  for (const state of ['waiting', 'fetched', 'unpacking', 'done'])
    expect([...states]).toContain(`layer 2 of 3: ${state}`);
  expect(blobsFetched()).toHaveLength(4);
  expect(await t.ctr('run', '--rm', '--cpu-shares', '0', name, 'test')).toBe('hello from the registry\n');

  // Again, and in another namespace: nothing more comes over the network.
  await t.pull(name);
  expect(await t.held()).toEqual(held);
  const first = t;
  t = await imagesOn(containerd);
  await t.pull(name);
  expect(blobsFetched()).toEqual([]);
  expect((await t.held()).snapshots).toEqual(held.snapshots);
  await t.backend.remove({ namespace: t.namespace, name });

  // What the command says that a person would type gives the same.
  t = await imagesOn(containerd);
  const command = t.backend.explain('pull', { namespace: t.namespace, name });
  expectCommand(command);
  await output('sh', '-c', command);
  expect(await contentLabels()).toEqual(labels);
  expect((await t.held()).snapshots).toEqual(held.snapshots);
  await t.ctr('images', 'rm', '--sync', name);

  t = first;
  await t.backend.remove({ namespace: t.namespace, name });
  expect(await t.held()).toEqual(nothing);
  expect(onDisk(containerd)).toEqual(disk);
});

test('of an index this machine’s part alone is fetched; by digest and by tag; zstd layers; another machine’s part on request', async () => {
  const made = new Layout();
  const other = made.image(
    { os: 'linux', architecture: 's390x' },
    { platform: { os: 'linux', architecture: 's390x' } },
  );
  const layer = tar({ 'file.txt': 'compressed by zstd' });
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const own = made.json(
    ociTypes.manifest,
    {
      schemaVersion: 2,
      mediaType: ociTypes.manifest,
      config: made.json(ociTypes.config, {
        os: 'linux',
        architecture,
        rootfs: { type: 'layers', diff_ids: [sha256(layer)] },
      }),
      layers: [made.blob(`${ociTypes.layer}+zstd`, zstdCompressSync(layer))],
    },
    { platform: { os: 'linux', architecture } },
  );
  const index = made.index([other, own]);
  await pushIndex(registry.host, 'many', '1', made, index, [other, own]);
  registry.requests();
  const many = `${registry.host}/many`;
  const info = await t.pull(`${many}:1`);
  expect(info).toMatchObject({ digest: index.digest, platforms: [`linux/${architecture}`] });
  expect(await t.ctr('images', 'check')).toMatch(/complete \(2\/2\).*true/);
  const requests = registry.requests().join('\n');
  expect(requests).not.toContain(other.digest);
  expect(requests).toContain(own.digest);
  await t.pull(`${many}@${index.digest}`);
  expect((await t.held()).images).toEqual([`${many}:1`, `${many}@${index.digest}`].sort());

  const foreign = await t.pull(`${many}:1`, { platform: 'linux/s390x' });
  expect(foreign.platforms.sort()).toEqual([`linux/${architecture}`, 'linux/s390x'].sort());
  expect(registry.requests().join('\n')).toContain(other.digest);

  // Of an image that is here for another machine alone, a cell's own has yet to be pulled.
  t = await imagesOn(containerd);
  await t.pull(`${many}:1`, { platform: 'linux/s390x' });
  const get = () => t.backend.get({ namespace: t.namespace, name: `${many}:1` });
  await failure(get(), 'ImageNotFound');
  await t.pull(`${many}:1`);
  expect((await get()).digest).toBe(index.digest);
});
