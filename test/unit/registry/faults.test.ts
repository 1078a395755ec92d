/** Whatever a proxy on the way does: either the right bytes or a clear error, never wrong bytes. */
import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Descriptor, openRepository, RegistryError, type Timing } from '../../../src/registry/index.ts';
import { type Fault, faultyProxy } from '../../registry/faulty-proxy.ts';
import { sha256 } from '../../registry/push.ts';
import { scriptedRegistry } from '../../registry/scripted-registry.ts';

// More than is fetched as one piece.
const layer = Buffer.concat(Array.from({ length: 5 }, () => crypto.getRandomValues(new Uint8Array(60_000))));
const registry = scriptedRegistry();
const image = registry.add('web', '1', layer);
let proxy = faultyProxy(registry.host);
const [blob] = image.layers;
if (blob === undefined) throw new Error('the image has no layer');

afterAll(() => {
  proxy[Symbol.dispose]();
  registry[Symbol.dispose]();
});
// A new one for each: a connection that the last test's faults are still about to close is not taken for the next one's first request.
beforeEach(() => {
  proxy[Symbol.dispose]();
  proxy = faultyProxy(registry.host);
});

// What stalls is noticed soon where a test stalls it; elsewhere a busy machine's pauses are no fault.
const soon = { silence: 100 };
const timing = { silence: 20_000, backoff: 1, longestBackoff: 4, retries: 5, longestWait: 2000 };
const open = (less: Partial<Timing> = {}) =>
  openRepository(`${proxy.host}/web`, {
    credentials: async () => undefined,
    signal: new AbortController().signal,
    certsFolder: '/nonexistent',
    timing: { ...timing, ...less },
  });

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** As a caller does it: what is corrupt is fetched again, a few times. */
async function download(descriptor: Descriptor, less: Partial<Timing> = {}): Promise<Uint8Array> {
  const repository = open(less);
  for (let attempt = 0; ; attempt++) {
    try {
      return await bytesOf(repository.blob(descriptor));
    } catch (error) {
      if (!(error instanceof RegistryError) || error.code !== 'corrupt' || attempt === 10) throw error;
    }
  }
}

const clear = (error: unknown) => {
  expect(error).toBeInstanceOf(RegistryError);
  const { message } = error as RegistryError;
  expect(message).toStartWith(`${proxy.host}/web`);
  expect(message).not.toMatch(/[\p{Cc}]|verbose: true/u);
};

const bytes = fc.nat({ max: 301_000 });
const transient: fc.Arbitrary<Fault> = fc.oneof(
  fc.constant<Fault>({ kind: 'none' }),
  bytes.map((after): Fault => ({ kind: 'drop', after })),
  bytes.map((after): Fault => ({ kind: 'reset', after })),
  fc.constantFrom(429, 500, 502, 503, 504).map((status): Fault => ({ kind: 'status', status })),
  fc.constant<Fault>({ kind: 'status', status: 429, retryAfter: '0' }),
  fc.nat({ max: 20 }).map((milliseconds): Fault => ({ kind: 'delay', milliseconds })),
  fc.constant<Fault>({ kind: 'no-range' }),
  fc.constant<Fault>({ kind: 'garbage' }),
);
const any: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 6, arbitrary: transient },
  { weight: 1, arbitrary: bytes.map((after): Fault => ({ kind: 'stall', after })) },
  { weight: 2, arbitrary: bytes.map((to): Fault => ({ kind: 'truncate', to })) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 100 }).map((by): Fault => ({ kind: 'lengthen', by })) },
  { weight: 2, arbitrary: bytes.map((at): Fault => ({ kind: 'corrupt', at })) },
  { weight: 1, arbitrary: fc.constant<Fault>({ kind: 'wrong-range' }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(400, 401, 403, 404, 418).map((status): Fault => ({ kind: 'status', status })),
  },
);

describe('any sequence of faults', () => {
  test('a blob: the right bytes, or an error that says where', async () => {
    const outcomes = { right: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(any, { maxLength: 8 }), async faults => {
        proxy.next(...faults);
        const found = await download(blob, soon).catch(clear);
        if (found === undefined) outcomes.refused += 1;
        else {
          outcomes.right += 1;
          expect(Buffer.compare(found, layer)).toBe(0);
        }
      }),
      { numRuns: 150 },
    );
    expect(outcomes.right).toBeGreaterThan(0);
    expect(outcomes.refused).toBeGreaterThan(0);
  }, 60_000);

  test('a tag: the right manifest, or an error that says where', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(any, { maxLength: 8 }), async faults => {
        proxy.next(...faults);
        const found = await open(soon).resolve('1').catch(clear);
        if (found !== undefined) expect(found.descriptor).toEqual(image.manifest);
      }),
      { numRuns: 100 },
    );
  }, 60_000);

  test('as many passing ones as there are retries change nothing but the time', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(transient, { maxLength: timing.retries }), async faults => {
        proxy.next(...faults);
        expect(Buffer.compare(await download(blob), layer)).toBe(0);
        proxy.next(...faults);
        expect((await open().resolve('1')).descriptor).toEqual(image.manifest);
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});

describe('a blob', () => {
  test('whose connection is dropped goes on where it was', async () => {
    proxy.next({ kind: 'stall', after: 30_000 });
    const chunks: Uint8Array[] = [];
    for await (const chunk of open().blob(blob)) {
      chunks.push(chunk);
      proxy.cut();
    }
    expect(Buffer.concat(chunks)).toEqual(layer);
    const ranges = registry.seen.slice(-2).map(({ headers }) => headers.range);
    expect(ranges).toEqual([undefined, expect.stringMatching(/^bytes=[1-9]\d*-$/)]);
  });

  test('that stalls is given up and gone on with', async () => {
    proxy.next({ kind: 'stall', after: 30_000 });
    expect(await bytesOf(open(soon).blob(blob))).toEqual(Buffer.from(layer));
    expect(proxy.seen.length).toBeGreaterThan(1);
  });

  test('from the middle: the rest, by Range or without', async () => {
    for (const kind of ['none', 'no-range'] as const) {
      proxy.next({ kind });
      expect(await bytesOf(open().blob(blob, { from: 299_000 }))).toEqual(Buffer.from(layer.subarray(299_000)));
    }
    expect(await bytesOf(open().blob(blob, { from: layer.length }))).toHaveLength(0);
  });

  test('that is corrupt says so once it is read, and not where nobody wants to know', async () => {
    proxy.next({ kind: 'corrupt', at: 5 });
    const seen: number[] = [];
    const read = async () => {
      for await (const chunk of open().blob(blob)) seen.push(chunk.length);
    };
    await expect(read()).rejects.toMatchObject({ code: 'corrupt', details: { transient: true } });
    await read().catch(() => {});
    proxy.next({ kind: 'corrupt', at: 5 });
    expect(await bytesOf(open().blob(blob, { verify: false }))).not.toEqual(Buffer.from(layer));
  });

  test('that is small and corrupt is fetched again', async () => {
    const { config } = image;
    proxy.next({ kind: 'corrupt', at: 5 });
    expect(sha256(await bytesOf(open().blob(config)))).toBe(config.digest);
    expect(proxy.seen).toHaveLength(2);
    const wrong: Fault = { kind: 'corrupt', at: 5 };
    proxy.next(wrong, wrong);
    await expect(bytesOf(open().blob(config))).rejects.toMatchObject({ code: 'corrupt' });
  });

  test('of another size is refused before a byte of it is taken', async () => {
    const stream = open().blob({ ...blob, size: blob.size - 1 });
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'corrupt' });
  });

  test('that is not wanted any more lets go of its connection', async () => {
    for await (const chunk of open().blob(blob)) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect(await bytesOf(open().blob(blob))).toEqual(Buffer.from(layer));
  });
});

describe('what does not pass', () => {
  test('silence is not borne as often as errors are', async () => {
    proxy.next(...Array.from({ length: 6 }, (): Fault => ({ kind: 'stall', after: 0 })));
    await expect(open(soon).resolve('1')).rejects.toMatchObject({
      code: 'unreachable',
      message: `${proxy.host}/web:1: resolve: nothing came for 0.1 s`,
    });
    expect(proxy.seen).toHaveLength(3);
  });

  test('after the last retry is told in the words of the status', async () => {
    proxy.next(...Array.from({ length: 6 }, (): Fault => ({ kind: 'status', status: 503 })));
    await expect(open().resolve('1')).rejects.toMatchObject({
      code: 'server-failed',
      message: `${proxy.host}/web:1: resolve: HTTP 503 (unavailable)`,
      details: { status: 503, transient: true },
    });
  });

  test.each([
    ['86400', '1440 minutes'],
    ['99999999999999999999', 'more than a day'],
    ['Fri, 31 Dec 9999 23:59:59 GMT', 'more than a day'],
  ])('a Retry-After beyond all patience is not waited for: %s', async (retryAfter, told) => {
    proxy.next({ kind: 'status', status: 429, retryAfter });
    await expect(open().resolve('1')).rejects.toMatchObject({
      code: 'rate-limited',
      message: expect.stringContaining(`it asks to wait ${told}`),
    });
    expect(proxy.seen).toHaveLength(1);
  });

  test('what the client does wrong is not tried twice', async () => {
    for (const status of [400, 403, 404, 418]) {
      proxy.seen.length = 0;
      proxy.next({ kind: 'status', status });
      await open().resolve('1').catch(clear);
      expect(proxy.seen).toHaveLength(1);
    }
  });
});
