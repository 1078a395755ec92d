/** What every Images backend must do. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import type { ImageConfig, ImagesBackend } from '../../src/kernel/backends/index.ts';
import { context, expectCommand, failure, HOSTILE, type UnderTest } from './contract.ts';

/** The configuration of the images that `archive` makes. */
export const archivedConfig = {
  entrypoint: ['/bin/sh', '-c'],
  cmd: ['echo hello'],
  env: ['PATH=/bin', 'A=b=c'],
  user: '1000:1000',
  workingDir: '/tmp',
  stopSignal: 'SIGUSR1',
  labels: { maintainer: 'suite' },
};

export interface ImagesUnderTest extends UnderTest {
  backend: ImagesBackend;
  /** Of ours, without images. */
  namespace: string;
  /** Another one, likewise. */
  otherNamespace: string;
  /** Ways to make an archive of an image with `archivedConfig`, by format: `Docker archive, gzipped`. */
  archives: Record<string, (name: string) => Uint8Array>;
  /** Makes a container of the image. */
  useImage(name: string): Promise<void>;
  /** Puts an image with `archivedConfig` into a registry; gives its name in full. */
  publish(name: string): Promise<string>;
  /** A backend for a runtime that does not answer. */
  unavailable(): ImagesBackend;
}

const IMAGE = 'docker.io/library/suite:1';

async function* inPieces(bytes: Uint8Array, size = 4096): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export function imagesSuite(name: string, formats: string[], make: () => Promise<ImagesUnderTest>): void {
  describe(name, () => {
    let t: ImagesUnderTest;
    let images: ImagesBackend;
    beforeEach(async () => {
      t = await make();
      images = t.backend;
    });
    afterEach(() => t.cleanup());

    const bytesOf = (image: string, format = formats[0] ?? ''): Uint8Array => {
      const archive = t.archives[format];
      if (archive === undefined) throw new Error(`no archive of format ${format}`);
      return archive(image);
    };
    const load = (source: AsyncIterable<Uint8Array>, options: Partial<Parameters<ImagesBackend['load']>[0]> = {}) =>
      images.load({
        namespace: t.namespace,
        source,
        signal: new AbortController().signal,
        progress: () => {},
        ...options,
      });
    const loaded = (image: string, format?: string) => load(inPieces(bytesOf(image, format)));
    const list = (namespace = t.namespace) => images.list({ namespace });
    const get = (image: string): Promise<ImageConfig> => images.get({ namespace: t.namespace, name: image });
    const remove = (image: string) => images.remove({ namespace: t.namespace, name: image });

    test('has none at first', async () => {
      expect(await list()).toEqual([]);
    });

    test.each(formats)('loads a %s', async format => {
      const infos = await loaded(IMAGE, format);
      expect(infos).toEqual([
        {
          name: IMAGE,
          digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
          size: expect.any(Number),
          platforms: [expect.stringMatching(/^linux\/\w+$/)],
          createdAt: expect.any(String),
        },
      ]);
      expect(infos[0]?.size).toBeGreaterThan(0);
      expect(Date.parse(infos[0]?.createdAt ?? '')).not.toBeNaN();
      expect(await list()).toEqual(infos);
      expect(await get(IMAGE)).toEqual({ ...archivedConfig, name: IMAGE, digest: infos[0]?.digest ?? '' });
    });

    test('loads the same twice, and takes any size of pieces', async () => {
      const [first] = await loaded(IMAGE);
      const [second] = await load(inPieces(bytesOf(IMAGE), 1000));
      expect(second?.digest).toBe(first?.digest ?? '');
      const { createdAt: _, ...rest } = first ?? { createdAt: '' };
      expect(await list()).toEqual([expect.objectContaining(rest)]);
    });

    test('loads several at once', async () => {
      const names = [1, 2, 3].map(i => `docker.io/library/suite:${i}`);
      await Promise.all(names.map(one => loaded(one)));
      expect((await list()).map(image => image.name).sort()).toEqual(names);
    });

    test('understands short names', async () => {
      await loaded('docker.io/library/suite:latest');
      for (const short of [
        'suite',
        'suite:latest',
        'library/suite',
        'docker.io/suite',
        'docker.io/library/suite:latest',
      ]) {
        expect((await get(short)).name).toBe('docker.io/library/suite:latest');
      }
      await remove('suite');
      expect(await list()).toEqual([]);
    });

    test('keeps namespaces apart', async () => {
      await loaded(IMAGE);
      expect(await list(t.otherNamespace)).toEqual([]);
      await failure(images.get({ namespace: t.otherNamespace, name: IMAGE }), 'ImageNotFound');
      await load(inPieces(bytesOf(IMAGE)), { namespace: t.otherNamespace });
      await remove(IMAGE);
      expect((await list(t.otherNamespace)).map(image => image.name)).toEqual([IMAGE]);
    });

    test('removes, and says what is not there', async () => {
      await loaded(IMAGE);
      await remove(IMAGE);
      expect(await list()).toEqual([]);
      const { message } = await failure(remove(IMAGE), 'ImageNotFound');
      expect(message).toContain('suite:1');
      await failure(get(IMAGE), 'ImageNotFound');
      await loaded(IMAGE);
      expect(await list()).toHaveLength(1);
    });

    test('does not remove an image that a container uses', async () => {
      await loaded(IMAGE);
      await t.useImage(IMAGE);
      await failure(remove(IMAGE), 'Conflict');
      expect(await list()).toHaveLength(1);
    });

    test.each([
      ['nothing', () => new Uint8Array()],
      ['noise', () => new TextEncoder().encode('this is no archive '.repeat(500))],
      ['zeros', () => new Uint8Array(10_240)],
      ['half an archive', () => bytesOf(IMAGE).subarray(0, bytesOf(IMAGE).length / 2)],
    ])('refuses %s, and keeps nothing of it', async (_, bytes) => {
      await failure(load(inPieces(bytes())), 'InvalidImage');
      expect(await list()).toEqual([]);
      await loaded(IMAGE);
    });

    test('keeps nothing when the source fails', async () => {
      async function* breaking() {
        yield bytesOf(IMAGE).subarray(0, 100);
        throw new Error('the pipe broke');
      }
      const outcome = await load(breaking()).catch((thrown: unknown) => thrown);
      expect(String(outcome)).toContain('the pipe broke');
      expect(await list()).toEqual([]);
    });

    test('can be cancelled before and while it reads, and keeps nothing', async () => {
      await failure(load(inPieces(bytesOf(IMAGE)), { signal: AbortSignal.abort() }), 'Cancelled');
      const abort = new AbortController();
      async function* hanging() {
        yield bytesOf(IMAGE).subarray(0, 100);
        setTimeout(() => abort.abort(), 10);
        await new Promise(() => {});
      }
      await failure(load(hanging(), { signal: abort.signal }), 'Cancelled');
      expect(await list()).toEqual([]);
    });

    test('pulls, and pulls again; nothing is left of a pull that fails or is called off', async () => {
      const published = await t.publish('pulled:1');
      const { namespace } = t;
      const states = new Set<string>();
      const info = await images.pull(
        { namespace, name: published },
        { ...context(), progress: (_, transfer) => transfer && states.add(transfer.state) },
      );
      expect(states.size).toBeGreaterThan(0);
      expect(await list()).toEqual([info]);
      expect(await get(published)).toEqual({ ...archivedConfig, name: published, digest: info.digest });
      const again = await images.pull({ namespace, name: published }, context());
      expect(again.digest).toBe(info.digest);
      await remove(published);
      await failure(images.pull({ namespace, name: `${published}-none` }, context()), 'ImageNotFound');
      await failure(images.pull({ namespace, name: published }, context(AbortSignal.abort())), 'Cancelled');
      await failure(images.pull({ namespace: 'not-there', name: published }, context()), 'NotFound');
      expect(await list()).toEqual([]);
    });

    test('explains a pull', () => {
      const command = images.explain('pull', { namespace: 'x', name: IMAGE });
      expectCommand(command);
      expect(command).toContain(IMAGE);
      expectCommand(images.explain('pull', { namespace: HOSTILE, name: IMAGE }));
    });

    test('tags: a further name, which goes alone', async () => {
      const [first] = await loaded(IMAGE);
      const tag = (source: string, name: string) => images.tag({ namespace: t.namespace, source, name });
      expect(await tag(IMAGE, 'other')).toBe('docker.io/library/other:latest');
      expect(await tag(IMAGE, 'other')).toBe('docker.io/library/other:latest');
      expect((await list()).map(({ digest }) => digest)).toEqual([first?.digest ?? '', first?.digest ?? '']);
      await failure(tag('none', 'other:2'), 'ImageNotFound');
      await failure(tag(IMAGE, `other@${first?.digest}`), 'Usage');
      await remove(IMAGE);
      expect((await get('other')).digest).toBe(first?.digest ?? '');
    });

    test('inspects', async () => {
      const [info] = await loaded(IMAGE);
      await images.tag({ namespace: t.namespace, source: IMAGE, name: 'another:1' });
      const details = await images.inspect({ namespace: t.namespace, name: IMAGE });
      expect(details).toMatchObject({ ...info, names: ['docker.io/library/another:1', IMAGE], usedBy: [] });
      expect(details.config).toMatchObject(archivedConfig);
      expect(details.layers.length).toBeGreaterThan(0);
      await t.useImage(IMAGE);
      const used = await images.inspect({ namespace: t.namespace, name: IMAGE });
      expect(used.usedBy).toHaveLength(1);
      await failure(images.inspect({ namespace: t.namespace, name: 'none' }), 'ImageNotFound');
    });

    test('saves what it loads, and says before the first bytes what is not there', async () => {
      const [first] = await loaded(IMAGE);
      const save = (...names: string[]) =>
        images.save({ namespace: t.namespace, names, signal: new AbortController().signal });
      const chunks: Uint8Array[] = [];
      for await (const chunk of await save(IMAGE)) chunks.push(chunk.slice());
      await failure(save(IMAGE, 'none'), 'ImageNotFound');
      await remove(IMAGE);
      const [again] = await load(inPieces(Buffer.concat(chunks)));
      expect(again?.name).toBe(IMAGE);
      expect(await get(IMAGE)).toMatchObject(archivedConfig);
      expect(again?.size).toBe(first?.size ?? 0);
    });

    test('prunes what nobody uses: not what a container does, nor what is to be kept', async () => {
      const prune = (more: object = {}) =>
        images.prune({ namespace: t.namespace, all: true, keep: [], dryRun: false, ...more });
      const names = ['used:1', 'kept:1', 'free:1'].map(one => `docker.io/library/${one}`);
      for (const name of names) await loaded(name);
      await t.useImage('docker.io/library/used:1');
      expect(await prune({ all: false })).toEqual({ names: [], bytes: 0 });
      const free = ['docker.io/library/free:1'];
      expect(await prune({ keep: ['kept:1', 'no name'], dryRun: true })).toEqual({ names: free, bytes: 0 });
      expect(await list()).toHaveLength(3);
      expect((await prune({ keep: ['kept:1', 'no name'] })).names).toEqual(free);
      expect((await prune()).names).toEqual(['docker.io/library/kept:1']);
      expect((await list()).map(({ name }) => name)).toEqual(['docker.io/library/used:1']);
    });

    test('says when the runtime does not answer', async () => {
      const gone = t.unavailable();
      const { namespace } = t;
      await failure(gone.list({ namespace }), 'RuntimeUnavailable');
      await failure(gone.get({ namespace, name: IMAGE }), 'RuntimeUnavailable');
      await failure(gone.remove({ namespace, name: IMAGE }), 'RuntimeUnavailable');
      const signal = new AbortController().signal;
      await failure(
        gone.load({ namespace, source: inPieces(bytesOf(IMAGE)), signal, progress: () => {} }),
        'RuntimeUnavailable',
      );
    });
  });
}
