import { describe, expect, test } from 'bun:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { KukeError } from 'kuke/plugin';
import { readTar } from '../../../../plugins/containerd-shim/images/tar.ts';
import { type TarEntry, tar } from '../../../host/tar.ts';
import { inPieces } from './archives.ts';

const never = new AbortController().signal;

async function entriesOf(source: AsyncIterable<Uint8Array>, signal = never): Promise<[string, string, string][]> {
  const found: [string, string, string][] = [];
  for await (const { name, type, target, body } of readTar(source, signal)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    found.push([name, type, type === 'file' ? Buffer.concat(chunks).toString() : target]);
  }
  return found;
}

async function thrownBy(work: Promise<unknown>): Promise<KukeError> {
  const thrown = await work.then(
    () => 'nothing',
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(KukeError);
  return thrown as KukeError;
}

const archive = tar({
  'dir/': { folder: true },
  'dir/a.txt': 'hello',
  empty: '',
  big: 'x'.repeat(100_000),
  sym: { symlink: 'dir/a.txt' },
  hard: { hardlink: 'dir/a.txt' },
});
const entries: [string, string, string][] = [
  ['dir/', 'other', ''],
  ['dir/a.txt', 'file', 'hello'],
  ['empty', 'file', ''],
  ['big', 'file', 'x'.repeat(100_000)],
  ['sym', 'symlink', 'dir/a.txt'],
  ['hard', 'link', 'dir/a.txt'],
];

describe('what is in an archive', () => {
  test.each([1, 7, 511, 512, 513, 65_536, 10_000_000])('plain, in pieces of %d bytes', async size => {
    expect(await entriesOf(inPieces(archive, size))).toEqual(entries);
  });

  test.each([
    ['gzip', gzipSync(archive)],
    ['gzip in two members', Buffer.concat([gzipSync(archive.subarray(0, 5000)), gzipSync(archive.subarray(5000))])],
    ['zstd', zstdCompressSync(archive)],
  ])('compressed: %s', async (_, bytes) => {
    for (const size of [1, 1000, 1_000_000]) expect(await entriesOf(inPieces(bytes, size))).toEqual(entries);
  });

  test('as GNU tar writes it, with long names in its own and in the pax format', async () => {
    const long = `${'d/'.repeat(150)}file`;
    for (const format of ['gnu', 'pax']) {
      const made = Bun.spawnSync([
        'bash',
        '-c',
        `d=$(mktemp -d) && cd $d && mkdir -p ${'d/'.repeat(150)} && printf hi > ${long} && tar --format=${format} -c ${long}; rm -r $d`,
      ]);
      expect(await entriesOf(inPieces(made.stdout))).toEqual([[long, 'file', 'hi']]);
    }
  });

  test('bodies may be left unread, wholly or in part', async () => {
    const names: string[] = [];
    for await (const { name, body } of readTar(inPieces(archive, 100), never)) {
      names.push(name);
      if (name === 'big') await body[Symbol.asyncIterator]().next();
    }
    expect(names).toEqual(entries.map(([name]) => name));
  });
});

describe('what is no archive', () => {
  test.each([
    ['nothing', new Uint8Array(), 'no tar archive'],
    ['noise', Buffer.from('this is no archive '.repeat(500)), 'no tar archive'],
    ['zeros', new Uint8Array(10_240), 'nothing in it'],
    ['a gzip of noise', gzipSync(Buffer.from('noise'.repeat(300))), 'no tar archive'],
    ['half a gzip', gzipSync(archive).subarray(0, 100), 'end of file'],
    ['a gzip with a wrong checksum', flipped(gzipSync(archive), -6), 'check'],
    ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 1, 2, 3]), 'xz -d'],
    ['bzip2', Buffer.from('BZh91AY&SY'), 'bzip2 -d'],
    ['something behind its end', Buffer.concat([archive, Buffer.alloc(512, 'x')]), 'damaged'],
    ['a size below zero', withSize('-0000000012'), 'number'],
    ['a size beyond all numbers', withSize(Buffer.from([0x80, ...Array(11).fill(0xff)])), 'too large'],
    ['a size beyond the end', withSize('77777777777'), 'damaged'],
  ])('%s', async (_, bytes, words) => {
    const error = await thrownBy(entriesOf(inPieces(bytes)));
    expect(error.code).toBe('InvalidImage');
    expect(error.message).toContain(words);
  });

  test('cut off anywhere', async () => {
    const small = tar({ a: 'hello', b: { symlink: 'a' }, c: 'x'.repeat(700) });
    for (let length = 0; length < small.length; length += 64) {
      const error = await thrownBy(entriesOf(inPieces(small.subarray(0, length))));
      expect(error.code).toBe('InvalidImage');
    }
  });

  test('with any bytes changed: read, or refused as an invalid image', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(archive.length - 1), fc.nat(255)), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 50, max: 5000 }),
        async (changes, size) => {
          const bytes = archive.slice();
          for (const [at, value] of changes) bytes[at] = value;
          await entriesOf(inPieces(bytes, size)).catch((error: unknown) => {
            expect((error as KukeError).code).toBe('InvalidImage');
          });
        },
      ),
      { numRuns: 150 },
    );
  });

  test('headers without end are not held in memory', async () => {
    // A pax header that says it is 1 GB long.
    const error = await thrownBy(entriesOf(inPieces(withSize('07346545000', 'x'))));
    expect(error.message).toContain('exceeds maximum size');
  });
});

describe('the source', () => {
  test('its own errors come through, from the header and from a body', async () => {
    for (const at of [100, 3000, 60_000]) {
      async function* breaking() {
        yield archive.subarray(0, at);
        throw new Error('EIO: the disk is gone');
      }
      await expect(entriesOf(breaking())).rejects.toThrow('EIO: the disk is gone');
    }
  });

  test('is abandoned at once when the signal aborts, even while it hangs', async () => {
    const abort = new AbortController();
    let returned = false;
    const hanging = {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          setTimeout(() => abort.abort(), 1);
          return new Promise<IteratorResult<Uint8Array>>(() => {});
        },
        return: async () => {
          returned = true;
          return { done: true as const, value: undefined };
        },
      }),
    };
    expect((await thrownBy(entriesOf(hanging, abort.signal))).code).toBe('Cancelled');
    expect(returned).toBe(true);
    expect((await thrownBy(entriesOf(inPieces(archive), AbortSignal.abort()))).code).toBe('Cancelled');
  });

  test('a time limit is told in its own words', async () => {
    const signal = AbortSignal.abort(new KukeError('TimedOut', 'took too long'));
    expect((await thrownBy(entriesOf(inPieces(archive), signal))).code).toBe('TimedOut');
  });

  test('is asked to end when the reader leaves early', async () => {
    const ended = Promise.withResolvers<void>();
    async function* watched() {
      try {
        yield* inPieces(archive, 100);
      } finally {
        ended.resolve();
      }
    }
    for await (const { name } of readTar(watched(), never)) if (name === 'dir/a.txt') break;
    await ended.promise;
  });

  test('is read no further than what is held, however slow the reader', async () => {
    let given = 0;
    const chunk = new Uint8Array(64 * 1024);
    async function* endless() {
      yield withSize('00777777777').subarray(0, 512);
      for (;;) {
        given += chunk.length;
        yield chunk;
      }
    }
    for await (const { body } of readTar(endless(), never)) {
      let taken = 0;
      for await (const piece of body) {
        taken += piece.length;
        expect(given - taken).toBeLessThan(8 << 20);
        if (taken > 20 << 20) break;
      }
      expect(taken).toBeGreaterThan(20 << 20);
      break;
    }
    expect(given).toBeLessThan(40 << 20);
  });
});

test('what was read is let go of while the reading goes on', async () => {
  const chunks: WeakRef<Uint8Array>[] = [];
  async function* endless() {
    yield withSize('00777777777').subarray(0, 512);
    for (;;) {
      const chunk = new Uint8Array(256 * 1024);
      chunks.push(new WeakRef(chunk));
      yield chunk;
    }
  }
  for await (const { body } of readTar(endless(), never)) {
    for await (const piece of body) if (piece.length > 0 && chunks.length > 200) break;
    // WeakRefs hold what they gave until the turn of the event loop is over.
    await Bun.sleep(0);
    Bun.gc(true);
    expect(chunks.filter(chunk => chunk.deref() !== undefined).length).toBeLessThan(50);
    break;
  }
});

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Buffer.from(bytes);
  const index = (at + copy.length) % copy.length;
  copy[index] = (copy[index] ?? 0) ^ 0xff;
  return copy;
}

/** An archive of one entry whose header has this size field. */
function withSize(size: string | Uint8Array, type = '0'): Uint8Array {
  const bytes = Buffer.from(tar({ file: 'hello' } satisfies Record<string, TarEntry>));
  Buffer.from(size).copy(bytes, 124);
  bytes.write(type, 156);
  bytes.fill(' ', 148, 156);
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0`, 148);
  return bytes;
}
