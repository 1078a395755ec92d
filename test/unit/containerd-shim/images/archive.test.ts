import { describe, expect, test } from 'bun:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { KukeError } from 'kuke/plugin';
import { readArchive } from '../../../../plugins/containerd-shim/images/archive.ts';
import { imagesOf } from '../../../../plugins/containerd-shim/images/archive-format.ts';
import type { ArchivedImage } from '../../../../plugins/containerd-shim/images/archived-image.ts';
import { resolveImage } from '../../../../plugins/containerd-shim/images/resolve.ts';
import { dockerArchive, ociArchive } from '../../../host/image.ts';
import { type TarEntry, tar } from '../../../host/tar.ts';
import { architecture, inPieces, Layout, named, ociTypes, sha256, text } from './archives.ts';
import { MemoryStore } from './memory-store.ts';

const never = new AbortController().signal;
const layer = { 'etc/motd': 'hello', big: 'x'.repeat(3 << 20) };

async function read(bytes: Uint8Array, store = new MemoryStore(), size = 64 * 1024): Promise<ArchivedImage[]> {
  const archive = await readArchive(inPieces(bytes, size), store, never);
  return imagesOf(archive, store);
}

/** The images as far as they can be told apart: names, platform and config. */
async function resolved(bytes: Uint8Array, store = new MemoryStore()) {
  const images = await read(bytes, store);
  return Promise.all(
    images.map(async ({ names, target }) => {
      const { config, manifest, platform } = await resolveImage(target, (digest, name) => store.read(digest, name));
      expect(manifest.layers.every(({ digest }) => store.has(digest))).toBe(true);
      return { names, cmd: config.config?.Cmd, layers: manifest.layers, platform };
    }),
  );
}

async function refusal(bytes: Uint8Array): Promise<string> {
  const store = new MemoryStore();
  const outcome = await resolved(bytes, store).then(
    images => `loaded ${JSON.stringify(images)}`,
    (error: KukeError) => `${error.code}: ${error.message}`,
  );
  expect(store.open).toBe(0);
  return outcome;
}

describe('Docker archives', () => {
  const image = { name: 'suite:1', layers: [layer], config: { Cmd: ['true'] } };

  test('as docker save wrote them for years', async () => {
    const [found, ...others] = await resolved(dockerArchive(image));
    expect(found).toMatchObject({ names: ['docker.io/library/suite:1'], cmd: ['true'], platform: { architecture } });
    expect(found?.layers).toMatchObject([
      { mediaType: 'application/vnd.docker.image.rootfs.diff.tar', digest: sha256(tar(layer)) },
    ]);
    expect(others).toEqual([]);
  });

  test('in whatever order the files come, with links for equal layers', async () => {
    const [lower, upper] = [tar({ a: 'a' }), tar({ b: 'b' })];
    const config = text({ os: 'linux', architecture, rootfs: { diff_ids: [lower, upper, lower].map(sha256) } });
    const files: [string, TarEntry][] = [
      [
        'manifest.json',
        text([
          { Config: './c.json', RepoTags: ['a:1', 'b:2', 'a:1'], Layers: ['1/layer.tar', '/2.tar', '3/layer.tar'] },
        ]),
      ],
      ['1/', { folder: true }],
      ['1/VERSION', '1.0'],
      ['1/json', '{}'],
      ['1/layer.tar', { symlink: '../x.tar' }],
      ['./x.tar', lower],
      ['3/layer.tar', { hardlink: '1/layer.tar' }],
      ['2.tar', upper],
      ['c.json', config],
      ['repositories', '{}'],
    ];
    for (const order of [files, files.toReversed()]) {
      const [found] = await resolved(tar(Object.fromEntries(order)));
      expect(found?.names).toEqual(['docker.io/library/a:1', 'docker.io/library/b:2']);
      expect(found?.layers.map(({ digest }) => digest)).toEqual([lower, upper, lower].map(sha256));
    }
  });

  test('with compressed layers', async () => {
    const plain = tar({ a: 'a' });
    const packed = gzipSync(plain);
    const [found] = await resolved(
      tar({
        'manifest.json': text([{ Config: 'c', RepoTags: ['a:1'], Layers: ['l'] }]),
        c: text({ rootfs: { diff_ids: [sha256(plain)] } }),
        l: packed,
      }),
    );
    expect(found?.layers).toMatchObject([{ mediaType: expect.stringMatching(/tar\.gzip$/), digest: sha256(packed) }]);
    expect(found?.platform).toMatchObject({ os: 'linux', architecture });
  });

  test('several images, and one without a name, which is called by its digest', async () => {
    const entry = { Config: 'c', RepoTags: null, Layers: null };
    const bytes = tar({
      'manifest.json': text([{ ...entry, RepoTags: ['a:1'] }, entry]),
      c: text({ rootfs: { type: 'layers' } }),
    });
    const images = await read(bytes);
    expect(images.map(({ names }) => names)).toEqual([['docker.io/library/a:1'], [images[1]?.target.digest ?? '']]);
    expect(images[0]?.target).toEqual(images[1]?.target as never);
  });

  test.each<[string, string, Record<string, TarEntry>]>([
    ['no document', 'neither index.json', { a: 'b' }],
    ['an empty list', 'names no image', { 'manifest.json': '[]' }],
    ['no JSON', 'manifest.json: is not JSON', { 'manifest.json': '[{' }],
    ['another shape', 'manifest.json: 0.Layers', { 'manifest.json': text([{ Config: 'c', Layers: 7 }]) }],
    ['no config', '"c", which is not in the archive', { 'manifest.json': text([{ Config: 'c' }]) }],
    [
      'a layer that is not there',
      'Layers[1]: names "m"',
      { 'manifest.json': text([{ Config: 'c', Layers: ['c', 'm'] }]), c: '{}' },
    ],
    [
      'a loop of links',
      'leads nowhere',
      { 'manifest.json': text([{ Config: 'a' }]), a: { symlink: 'b' }, b: { symlink: 'a' } },
    ],
    [
      'a link out of the archive',
      'not in the archive',
      { 'manifest.json': text([{ Config: 'a' }]), a: { symlink: '../../etc/passwd' } },
    ],
    [
      'a name that is none',
      'no image name',
      { 'manifest.json': text([{ Config: 'c', RepoTags: ['NO\u001b[31m'] }]), c: '{}' },
    ],
    ['a config without root file system', 'rootfs', { 'manifest.json': text([{ Config: 'c' }]), c: '{}' }],
    [
      'fewer layers than diff ids',
      'has 0 layers, and its config 1',
      { 'manifest.json': text([{ Config: 'c' }]), c: text({ rootfs: { diff_ids: [sha256('')] } }) },
    ],
    [
      'another machine',
      'is for linux/s390x',
      { 'manifest.json': text([{ Config: 'c' }]), c: text({ os: 'linux', architecture: 's390x', rootfs: {} }) },
    ],
    [
      'Windows',
      'is for windows/',
      { 'manifest.json': text([{ Config: 'c' }]), c: text({ os: 'windows', architecture, rootfs: {} }) },
    ],
    [
      'an xz layer',
      'compressed with xz',
      {
        'manifest.json': text([{ Config: 'c', Layers: ['l'] }]),
        c: '{}',
        l: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]),
      },
    ],
    ['a document beyond all bounds', 'at most', { 'manifest.json': ' '.repeat(5 << 20) }],
    ['a config beyond all bounds', 'at most', { 'manifest.json': text([{ Config: 'c' }]), c: ' '.repeat(5 << 20) }],
    ['JSON without bottom', 'not JSON', { 'manifest.json': '['.repeat(2 << 20) }],
  ])('refused: %s', async (_, words, files) => {
    const message = await refusal(tar(files));
    expect(message).toStartWith('InvalidImage: ');
    expect(message).toContain(words);
    expect(message).toMatch(/^[ -~…]{1,500}$/);
  });

  test('refused: more files than anyone has', async () => {
    const files = Object.fromEntries(Array.from({ length: 20_001 }, (_, index) => [`${index}`, { symlink: 'x' }]));
    expect(await refusal(tar(files))).toContain('more than 20000 files');
  });
});

describe('OCI layouts', () => {
  test('as containerd, skopeo and docker save write them', async () => {
    const found = await resolved(
      ociArchive({ name: 'docker.io/library/suite:1', layers: [layer], config: { Cmd: ['true'] } }),
    );
    expect(found).toMatchObject([{ names: ['docker.io/library/suite:1'], cmd: ['true'] }]);
  });

  test('an index in the index, for several machines; the others are not asked for', async () => {
    const layout = new Layout();
    const mine = layout.image(
      { os: 'linux', architecture, config: { Cmd: ['mine'] } },
      { platform: { os: 'linux', architecture } },
    );
    const missing = { ...mine, digest: sha256('missing'), platform: { os: 'linux', architecture: 's390x' } };
    const attestation = { ...mine, digest: sha256('other'), platform: { os: 'unknown', architecture: 'unknown' } };
    const inner = layout.index([attestation, missing, mine]);
    const found = await resolved(layout.archive([layout.index([inner], named('a/b'))]));
    expect(found).toMatchObject([{ names: ['docker.io/a/b:latest'], cmd: ['mine'] }]);
  });

  test('platforms that only the configs tell', async () => {
    const layout = new Layout();
    const other = layout.image({ os: 'linux', architecture: 's390x' });
    const mine = layout.image({ os: 'linux', architecture, config: { Cmd: ['mine'] } });
    expect(await resolved(layout.archive([layout.index([other, mine], named('a'))]))).toMatchObject([
      { cmd: ['mine'] },
    ]);
  });

  test('of several with one name, the one for this machine', async () => {
    const layout = new Layout();
    const images = ['s390x', architecture, 'riscv64'].map(machine =>
      layout.image({ config: { Cmd: [machine] } }, { platform: { os: 'linux', architecture: machine }, ...named('a') }),
    );
    expect(await resolved(layout.archive(images))).toMatchObject([{ cmd: [architecture] }]);
    expect(await resolved(layout.archive(images.map(image => ({ ...image, annotations: null }))))).toMatchObject([
      { names: [images[1]?.digest], cmd: [architecture] },
    ]);
  });

  test.each([
    [
      "containerd's annotation",
      { 'io.containerd.image.name': 'x.io/a:1', 'org.opencontainers.image.ref.name': '1' },
      'x.io/a:1',
    ],
    ["OCI's, with a whole name", { 'org.opencontainers.image.ref.name': 'x.io/a:1' }, 'x.io/a:1'],
    ["OCI's, with a short name", { 'org.opencontainers.image.ref.name': 'a:1' }, 'docker.io/library/a:1'],
  ])('named by %s', async (_, annotations, name) => {
    const layout = new Layout();
    expect((await read(layout.archive([layout.image(undefined, { annotations })])))[0]?.names).toEqual([name]);
  });

  test('without a name, or with a tag alone: called by the digest', async () => {
    const layout = new Layout();
    for (const annotations of [undefined, null, {}, { 'org.opencontainers.image.ref.name': 'latest' }]) {
      const image = layout.image(undefined, { annotations });
      expect(await read(layout.archive([image]))).toMatchObject([{ names: [image.digest] }]);
    }
  });

  test('named by the manifest.json beside it, where nothing else does', async () => {
    const layout = new Layout();
    const image = layout.image();
    const manifest = JSON.parse(
      Buffer.from(layout.entries[`blobs/${image.digest.replace(':', '/')}`] as Uint8Array).toString(),
    );
    const Config = `blobs/${manifest.config.digest.replace(':', '/')}`;
    const more = { 'manifest.json': text([{ Config, RepoTags: ['a:1'], Layers: [] }]) };
    expect(await read(layout.archive([image], more))).toMatchObject([
      { names: ['docker.io/library/a:1'], target: { digest: image.digest } },
    ]);
  });

  test.each<[string, string, (layout: Layout) => Uint8Array]>([
    ['no index.json', 'neither index.json', layout => tar(layout.entries)],
    ['no oci-layout', 'oci-layout: is missing', layout => tar({ 'index.json': JSON.stringify(layout.index([])) })],
    [
      'another version',
      'imageLayoutVersion',
      layout => layout.archive([], { 'oci-layout': text({ imageLayoutVersion: '2.0.0' }) }),
    ],
    ['no images', 'lists no image', layout => layout.archive([])],
    ['only artifacts', 'lists no image', layout => layout.archive([layout.json('application/json', {})])],
    [
      'a manifest that is not there',
      'not in the archive',
      layout => layout.archive([{ ...layout.image(), digest: sha256('x') }]),
    ],
    [
      'a digest that is a path',
      'sha256 digest',
      layout => layout.archive([{ ...layout.image(), digest: 'sha256:../../etc/passwd' }]),
    ],
    [
      'a digest of another kind',
      'sha256 digest',
      layout => layout.archive([{ ...layout.image(), digest: `sha512:${'a'.repeat(128)}` }]),
    ],
    ['a size below zero', '0.size', layout => layout.archive([{ ...layout.image(), size: -1 }])],
    [
      'a blob with another content',
      'another digest',
      layout => layout.archive([layout.image()], { [`blobs/${sha256('x').replace(':', '/')}`]: 'y' }),
    ],
    [
      'nothing for this machine',
      'is for linux/s390x',
      layout =>
        layout.archive([layout.index([layout.image({}, { platform: { os: 'linux', architecture: 's390x' } })])]),
    ],
    [
      'an index that is a manifest too',
      'both',
      layout => layout.archive([layout.json(ociTypes.index, { manifests: [], layers: [] })]),
    ],
    ['an empty index', 'is for no machine', layout => layout.archive([layout.index([])])],
    [
      'an index as config',
      'rootfs',
      layout => layout.archive([layout.json(ociTypes.manifest, { config: layout.index([]) })]),
    ],
    [
      'indexes without end',
      'levels deep',
      layout => layout.archive([[1, 2, 3, 4, 5].reduce(inner => layout.index([inner]), layout.image())]),
    ],
    [
      'no JSON',
      'is not JSON',
      layout => layout.archive([layout.blob(ociTypes.manifest, Buffer.from('{"config": \u0000}'))]),
    ],
    [
      'no UTF-8',
      'is not JSON',
      layout => layout.archive([layout.blob(ociTypes.manifest, Buffer.from([0x22, 0xff, 0x22]))]),
    ],
  ])('refused: %s', async (_, words, make) => {
    const message = await refusal(make(new Layout()));
    expect(message).toStartWith('InvalidImage: ');
    expect(message).toContain(words);
  });

  test('an index that lists itself many times over is walked once', async () => {
    const layout = new Layout();
    let inner = layout.image();
    for (let level = 0; level < 3; level++) inner = layout.index(Array.from({ length: 1000 }, () => inner));
    expect(await resolved(layout.archive([inner]))).toHaveLength(1);
  });
});

describe('any damage', () => {
  const bytes = ociArchive({ name: 'a:1', layers: [{ motd: 'hello' }] });

  test('cut off at every block', async () => {
    for (let length = 0; length < bytes.length; length += 256) {
      expect(await refusal(bytes.subarray(0, length))).toStartWith('InvalidImage: ');
    }
  });

  test('any bytes changed: the same image, or refused', async () => {
    const [image] = await resolved(bytes);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        async changes => {
          const damaged = bytes.slice();
          for (const [at, value] of changes) damaged[at] = value;
          const outcome = await resolved(damaged).catch((error: KukeError) => error.code);
          if (outcome !== 'InvalidImage') expect(outcome).toMatchObject([{ layers: image?.layers }]);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('an upload that fails stops the reading, and nothing goes on behind', async () => {
    const store = new MemoryStore();
    store.put = async () => {
      throw new Error('no space left on device');
    };
    let given = 0;
    async function* counted() {
      for await (const piece of inPieces(dockerArchive({ name: 'a', layers: [layer, layer] }))) {
        given += piece.length;
        yield piece;
      }
    }
    await expect(readArchive(counted(), store, never)).rejects.toThrow('no space left on device');
    expect(given).toBeLessThan(3 << 20);
  });

  test('what the store has is not read', async () => {
    const store = new MemoryStore();
    const archive = new Layout();
    const image = archive.image();
    const big = archive.blob(ociTypes.layer, Buffer.alloc(4 << 20, 'x'));
    store.blobs.set(big.digest, Buffer.alloc(4 << 20, 'x'));
    expect(await read(archive.archive([image]), store)).toHaveLength(1);
  });
});
