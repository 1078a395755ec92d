/** The small languages of the protocol: challenges, Retry-After, media types, messages. */
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { readChallenge } from '../../../src/registry/challenge.ts';
import { printable } from '../../../src/registry/errors.ts';
import { mediaTypes, openRepository } from '../../../src/registry/index.ts';
import { mediaTypeOf } from '../../../src/registry/media-types.ts';
import { retryAfter } from '../../../src/registry/patience.ts';

describe('WWW-Authenticate', () => {
  test.each([
    [
      'Bearer realm="https://a/t",service="s",scope="x:y:pull,push"',
      { scheme: 'bearer', realm: 'https://a/t', service: 's', scope: 'x:y:pull,push' },
    ],
    ['bearer  realm = "https://a/t" , error="insufficient_scope"', { scheme: 'bearer', realm: 'https://a/t' }],
    ['Basic realm="x, Bearer realm=\\"y\\""', { scheme: 'basic' }],
    ['Basic', { scheme: 'basic' }],
    ['Basic realm="x", Bearer realm="https://a"', { scheme: 'bearer', realm: 'https://a' }],
    ['Negotiate, Basic realm=x', { scheme: 'basic' }],
    ['Bearer', undefined],
    ['Digest realm="x"', undefined],
    ['', undefined],
    [null, undefined],
  ])('%s', (header, challenge) => {
    expect(readChallenge(header)).toEqual(challenge as never);
  });

  test('any text is read or not, and soon', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'Bearer realm="\\, '), maxLength: 60 }),
        text => void readChallenge(text),
      ),
    );
    readChallenge(`Bearer realm="${'\\'.repeat(1_000_000)}`);
    readChallenge('a ,'.repeat(1_000_000));
  });
});

test.each([
  ['5', 5000],
  ['0', 0],
  [' 7 ', 7000],
  ['Sat, 21 Nov 2026 20:00:10 GMT', 10_000],
  ['Sat, 21 Nov 2026 19:00:00 GMT', 0],
  ['soon', undefined],
  ['-1', 0],
  [null, undefined],
])('Retry-After: %s', (header, wait) => {
  expect(retryAfter(header, Date.parse('2026-11-21T20:00:00Z'))).toEqual(wait as never);
});

describe('a document’s media type', () => {
  const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
  const { ociManifest, ociIndex, dockerManifest, dockerList } = mediaTypes;

  test.each([
    [{ mediaType: ociManifest, layers: [] }, ociManifest, ociManifest],
    [{ mediaType: ociManifest, layers: [] }, 'application/json', ociManifest],
    [{ layers: [] }, `${ociManifest}; charset=utf-8`, ociManifest],
    [{ manifests: [] }, null, ociIndex],
    [{ manifests: [] }, dockerList, dockerList],
    [{ schemaVersion: 2, layers: [] }, dockerManifest, dockerManifest],
  ])('%o as %s', (document, contentType, type) => {
    expect(mediaTypeOf(bytes(document), contentType)).toBe(type);
  });

  test.each([
    [{ schemaVersion: 1 }, 'application/vnd.docker.distribution.manifest.v1+prettyjws', 'schema 1'],
    [{ mediaType: 'application/vnd.docker.distribution.manifest.v1+json' }, null, 'schema 1'],
    [{ layers: [], manifests: [] }, ociManifest, 'as a manifest and as an index'],
    [{ mediaType: ociIndex, layers: [] }, ociIndex, 'no image'],
    [{ mediaType: 'text/plain', layers: [] }, ociManifest, 'text/plain is no image'],
    [{}, ociManifest, 'no image'],
  ])('%o as %s is refused', (document, contentType, fault) => {
    expect(() => mediaTypeOf(bytes(document), contentType)).toThrow(fault);
  });

  test('what is no JSON is no registry’s', () => {
    for (const text of ['<html>', '', '5', '"x"', '\xff']) {
      expect(() => mediaTypeOf(Buffer.from(text, 'latin1'), ociManifest)).toThrow('no registry');
    }
  });
});

/** Lone surrogates too. */
const anything = fc.array(fc.nat({ max: 0x10ffff })).map(points => String.fromCodePoint(...points));
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

test('what others wrote fits one line', () => {
  expect(printable('a\x1b[31m\r\n\u2028b\u202e')).toBe('a [31m b');
  expect([...printable('\u{1f600}'.repeat(400))]).toHaveLength(301);
  fc.assert(
    fc.property(anything, text => {
      expect(unprintable.test(printable(text))).toBe(false);
    }),
  );
});

test.each([
  'web',
  'docker.io/',
  '/web',
  'docker.io/../x',
  'docker.io/a//b',
  'docker.io/./a',
  'docker.io/Web',
  'a b/c',
  'docker.io/a?x',
  'docker.io/a%2fb',
])('no repository: %s', name => {
  const options = { credentials: async () => undefined, signal: new AbortController().signal };
  expect(() => openRepository(name, options)).toThrow(expect.objectContaining({ code: 'configuration' }));
});

test('an abort ends what is under way with its own reason', async () => {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  const abort = new AbortController();
  const options = { credentials: async () => undefined, signal: abort.signal, certsFolder: '/nonexistent' };
  const waiting = openRepository(`127.0.0.1:${listener.port}/web`, options).resolve('1');
  const refused = openRepository('127.0.0.1:1/web', options).resolve('1');
  setTimeout(() => abort.abort(new Error('enough')), 20);
  const outcomes = await Promise.allSettled([waiting, refused]);
  expect(outcomes.map(outcome => outcome.status === 'rejected' && outcome.reason)).toEqual(
    Array(2).fill(new Error('enough')),
  );
  listener.stop(true);
});
