/** Loads that fail, are aborted, or whose kuke or containerd is killed: nothing of them stays. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { eventually, failure } from '../../suites/contract.ts';
import { Layout, named, ociTypes, sha256, text } from '../../unit/containerd-shim/images/archives.ts';
import { type Containerd, startContainerd } from '../containerd.ts';
import { busybox, dockerArchive, ociArchive } from '../image.ts';
import { output } from '../observe/command.ts';
import { type TarEntry, tar } from '../tar.ts';
import { type ImagesUnderTest, imagesOn, instance, nothing, onDisk } from './images-under-test.ts';

const name = 'docker.io/library/web:1';
const noise = crypto.getRandomValues(new Uint8Array(64 * 1024));
const big = {
  blob: Buffer.concat(Array.from({ length: 80 }, (_, at) => Buffer.concat([noise, Buffer.from(`${at}`)]))),
};
const image = { name, layers: [busybox(), big, { small: 'x' }] };
const archives = { 'Docker archive': dockerArchive(image), 'OCI layout': ociArchive(image) };

let containerd: Containerd;
let t: ImagesUnderTest;
beforeAll(async () => {
  containerd = await startContainerd();
});
afterAll(() => containerd.stop());
let disk: string[];
beforeEach(async () => {
  t = await imagesOn(containerd);
  disk = onDisk(containerd);
});

async function expectNothing(): Promise<void> {
  expect(await t.held()).toEqual(nothing);
  expect(onDisk(containerd)).toEqual(disk);
}

describe.each(Object.entries(archives))('a %s', (_, bytes) => {
  test('aborted wherever the reading is', async () => {
    for (const share of [0, 0.1, 0.4, 0.7, 0.99, 1]) {
      const abort = new AbortController();
      const stop = Math.floor(bytes.length * share);
      async function* source() {
        for (let at = 0; at < bytes.length; at += 50_000) {
          if (at <= stop && stop < at + 50_000) abort.abort();
          yield bytes.subarray(at, at + 50_000);
        }
      }
      const { signal } = abort;
      await failure(
        t.backend.load({ namespace: t.namespace, source: source(), signal, progress: () => {} }),
        'Cancelled',
      );
      await expectNothing();
    }
  });

  test.each([1, 2, 3])('aborted while layer %d is unpacked', async layer => {
    for (const delay of [0, 1, 5]) {
      const abort = new AbortController();
      const progress = (message: string) => {
        if (message.includes(`unpacking layer ${layer} of 3`)) setTimeout(() => abort.abort(), delay);
      };
      const { signal } = abort;
      const source = new Blob([bytes]).stream();
      const outcome = await t.backend.load({ namespace: t.namespace, source, signal, progress }).then(
        () => 'loaded',
        error => error.code,
      );
      if (outcome === 'loaded') await t.backend.remove({ namespace: t.namespace, name });
      else expect(outcome).toBe('Cancelled');
      await expectNothing();
    }
  });

  test('cut off', async () => {
    for (const share of [0.2, 0.6, 0.95]) {
      await failure(t.load(bytes.subarray(0, bytes.length * share)), 'InvalidImage');
      await expectNothing();
    }
  });
});

describe('what is no image', () => {
  const layer = (entries: Record<string, TarEntry>) => tar(entries);
  const file = layer({ file: 'x' });
  const cut = layer({ file: 'x'.repeat(5000) }).subarray(0, 2000);
  /** An OCI layout with these layers, whatever they are, and these diff ids. */
  const layout = (layers: Uint8Array[], diffIds: string[], type = ociTypes.layer, without = false) => {
    const made = new Layout();
    const config = made.json(ociTypes.config, { rootfs: { type: 'layers', diff_ids: diffIds } });
    const manifest = { schemaVersion: 2, config, layers: layers.map(content => made.blob(type, content)) };
    if (without) for (const { digest } of manifest.layers) delete made.entries[`blobs/${digest.replace(':', '/')}`];
    return made.archive([made.json(ociTypes.manifest, manifest, named(name))]);
  };
  const docker = (bytes: Uint8Array) =>
    tar({
      'manifest.json': text([{ Config: 'c', RepoTags: [name], Layers: ['a', 'b'] }]),
      c: text({ rootfs: { diff_ids: [sha256(file), sha256(bytes)] } }),
      a: file,
      b: bytes,
    });
  const garbage = crypto.getRandomValues(new Uint8Array(4096));
  const changed = (bytes: Uint8Array, at: number) => {
    const copy = bytes.slice();
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };

  test.each<[string, Uint8Array, string]>([
    ['a second layer that is no tar', docker(garbage), 'layer 2 of 2'],
    [
      'a layer that is half a gzip',
      layout([gzipSync(garbage).subarray(0, 2000)], [sha256(garbage)], `${ociTypes.layer}+gzip`),
      'layer 1 of 1',
    ],
    ['a layer that is cut off', layout([cut], [sha256(cut)]), 'layer 1 of 1'],
    ['a layer of another kind', layout([file], [sha256(file)], 'application/vnd.cncf.helm.chart.v1'), 'layer 1 of 1'],
    [
      'a hard link to nowhere',
      layout([layer({ a: { hardlink: 'nowhere' } })], [sha256(layer({ a: { hardlink: 'nowhere' } }))]),
      'layer 1 of 1',
    ],
    ['a diff id of something else', layout([file, file], [sha256(file), sha256('')]), 'config says'],
    ['a blob with another digest', changed(archives['OCI layout'], 3_000_000), 'digest'],
    ['a layer that is missing', layout([file], [sha256(file)], ociTypes.layer, true), 'is missing'],
  ])('%s', async (_, bytes, words) => {
    const error = await failure(t.load(bytes), 'InvalidImage');
    expect(error.message).toContain(words);
    await expectNothing();
  });

  test('a layer cannot reach out of its snapshot', async () => {
    const hostile = layer({
      '../../../../../../../tmp/escaped': 'x',
      '/tmp/escaped-too': 'x',
      out: { symlink: '/tmp' },
      'out/escaped-through-a-link': 'x',
    });
    await t.load(layout([hostile], [sha256(hostile)])).catch(error => expect(error.code).toBe('InvalidImage'));
    expect(readdirSync('/tmp').filter(entry => entry.startsWith('escaped'))).toEqual([]);
    for (const { name: loaded } of await t.backend.list({ namespace: t.namespace })) {
      await t.backend.remove({ namespace: t.namespace, name: loaded });
    }
    await expectNothing();
  });

  test('of several images, one that fails takes the others with it', async () => {
    const made = new Layout();
    const good = made.image(undefined, named('good'));
    const config = made.json(ociTypes.config, { rootfs: { diff_ids: [sha256('')] } });
    const manifest = { config, layers: [made.blob(ociTypes.layer, file)] };
    const bad = made.json(ociTypes.manifest, manifest, named('bad'));
    await failure(t.load(made.archive([good, bad])), 'InvalidImage');
    await expectNothing();
  });

  test('nor are names taken that were there before the failure', async () => {
    await t.load(dockerArchive({ ...image, name: 'good' }));
    await Bun.write('/tmp/foreign.tar', dockerArchive({ ...image, name: 'docker.io/library/theirs:1' }));
    await t.ctr('images', 'import', '/tmp/foreign.tar');
    const before = await t.backend.list({ namespace: t.namespace });
    const changed = { layers: [{ changed: 'x' }] };
    const names = ['new', 'good', 'theirs:1'].map(one => ({ ...changed, name: one }));
    const error = await failure(t.load(dockerArchive(...names)), 'Conflict');
    expect(error.message).toContain('docker.io/library/theirs:1');
    expect(await t.backend.list({ namespace: t.namespace })).toEqual(before);
    expect(await t.held()).toMatchObject({ leases: [], uploads: [] });
    await t.backend.remove({ namespace: t.namespace, name: 'good' });
    await t.ctr('images', 'rm', '--sync', 'docker.io/library/theirs:1');
    await expectNothing();
  });
});

test('a full disk', async () => {
  mkdirSync('/run/small', { recursive: true });
  await output('mount', '-t', 'tmpfs', '-o', 'size=9m', 'tmpfs', '/run/small');
  await using small = await startContainerd({ address: '/run/small/containerd.sock' });
  const there = await imagesOn(small);
  // First while the blobs come in, then while they are unpacked.
  for (const layers of [[big, big.blob], [{ zeros: new Uint8Array(20 << 20) }]]) {
    const bytes = ociArchive({ name, layers: layers.map(layer => (layer instanceof Uint8Array ? { layer } : layer)) });
    const error = await failure(there.load(bytes), 'RuntimeFailed');
    expect(error.message).toContain('no space left on device');
    expect(await there.held()).toEqual(nothing);
  }
  // With no room left, containerd fails to take note of what it removes, and does so the next time.
  expect(await there.load(ociArchive({ name, layers: [{ a: 'b' }] }))).toHaveLength(1);
  await there.backend.remove({ namespace: there.namespace, name });
  expect(await there.held()).toEqual(nothing);
  expect(onDisk(small).filter(path => !path.includes('/ingest/') || path.endsWith('/data'))).toEqual([]);
});

describe('what a killed process leaves', () => {
  test('kuke: the next load cleans up, and leaves alone what other loads are at', async () => {
    const script = `
      import { imagesOn } from '${import.meta.dir}/images-under-test.ts';
      import { connect } from '${import.meta.dir}/../../../plugins/containerd-shim/client/index.ts';
      import { makeImages } from '${import.meta.dir}/../../../plugins/containerd-shim/images/index.ts';
      const images = makeImages({ client: connect({ socket: '${containerd.address}' }), snapshotter: 'overlayfs', instance: async () => '${instance}' });
      async function* source() {
        for await (const piece of Bun.stdin.stream()) yield piece;
      }
      await images.load({ namespace: '${t.namespace}', source: source(), signal: new AbortController().signal, progress: () => {} });
    `;
    const loading = Bun.spawn(['bun', '-e', script], { cwd: import.meta.dir, stdin: 'pipe', stderr: 'inherit' });
    loading.stdin.write(archives['Docker archive'].subarray(0, 3_000_000));
    await loading.stdin.flush();
    await eventually(async () => ((await t.held()).uploads.length > 0 ? true : undefined));

    // While it lives, its lease stays.
    await t.load(ociArchive({ ...image, name: 'other' }));
    expect((await t.held()).leases).toHaveLength(1);
    loading.kill('SIGKILL');
    await loading.exited;
    expect((await t.held()).leases).toHaveLength(1);
    await t.load(ociArchive({ ...image, name: 'other' }));
    expect(await t.held()).toMatchObject({ leases: [], uploads: [] });
    await t.backend.remove({ namespace: t.namespace, name: 'other' });
    await expectNothing();
  });

  test('containerd: the load fails, and the next one cleans up', async () => {
    let killed: Promise<void> | undefined;
    async function* source() {
      const bytes = archives['Docker archive'];
      yield bytes.subarray(0, 3_000_000);
      killed = containerd.kill();
      await killed;
      yield bytes.subarray(3_000_000);
    }
    const signal = new AbortController().signal;
    await failure(
      t.backend.load({ namespace: t.namespace, source: source(), signal, progress: () => {} }),
      'RuntimeUnavailable',
    );
    await killed;
    await containerd.start();
    await t.load(archives['OCI layout']);
    expect(await t.held()).toMatchObject({ images: [name], leases: [], uploads: [] });
    await t.backend.remove({ namespace: t.namespace, name });
    await expectNothing();
  });
});
