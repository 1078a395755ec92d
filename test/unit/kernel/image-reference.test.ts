import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { KukeError } from '../../../src/kernel/errors.ts';
import { familiarName, imageNameFault, normaliseName, parseReference } from '../../../src/kernel/image-reference.ts';

const hex = 'a'.repeat(64);
const digest = `sha256:${hex}`;

describe('names are read as Docker reads them', () => {
  test.each([
    ['nginx', 'docker.io/library/nginx:latest'],
    ['nginx:alpine', 'docker.io/library/nginx:alpine'],
    ['library/nginx', 'docker.io/library/nginx:latest'],
    ['a/b', 'docker.io/a/b:latest'],
    ['docker.io/nginx', 'docker.io/library/nginx:latest'],
    ['index.docker.io/nginx:1', 'docker.io/library/nginx:1'],
    ['docker.io/a/b:1', 'docker.io/a/b:1'],
    ['localhost/x', 'localhost/x:latest'],
    ['localhost:5000/x', 'localhost:5000/x:latest'],
    ['host:5000/a/b/c:v1.2_3-4', 'host:5000/a/b/c:v1.2_3-4'],
    ['127.0.0.1:5000/x:1', '127.0.0.1:5000/x:1'],
    ['[::1]:5000/x', '[::1]:5000/x:latest'],
    ['quay.io/podman/hello', 'quay.io/podman/hello:latest'],
    ['Registry/x', 'Registry/x:latest'],
    ['a__b/c.d-e--f:T', 'docker.io/a__b/c.d-e--f:T'],
    [`nginx@${digest}`, `docker.io/library/nginx@${digest}`],
    [`nginx:alpine@${digest}`, `docker.io/library/nginx@${digest}`],
    [digest, digest],
    [hex, digest],
  ])('%s', (name, full) => {
    expect(normaliseName(name)).toBe(full);
  });

  test.each([
    ['docker.io/library/nginx:latest', 'nginx:latest'],
    ['docker.io/a/b:1', 'a/b:1'],
    ['docker.io/library/a/b:1', 'library/a/b:1'],
    ['localhost:5000/x:1', 'localhost:5000/x:1'],
    [digest, digest],
  ])('%s is %s in short', (name, short) => {
    expect(familiarName(name)).toBe(short);
  });
});

test.each([
  '',
  ' ',
  'Nginx',
  'nginx:',
  'nginx:a b',
  ':tag',
  '/nginx',
  'nginx/',
  'a//b',
  '../etc/passwd',
  'a/../b',
  'nginx@',
  'nginx@sha256:short',
  `nginx@sha512:${hex}${hex}`,
  'nginx@sha256',
  `${hex.toUpperCase()}`,
  '-a',
  'a-',
  'a___b',
  'a..b',
  'http://x/y',
  'host:port/x',
  'x\u0000y',
  'x\ny',
  'ä',
  `x:${'t'.repeat(129)}`,
  'x'.repeat(256),
  'x'.repeat(1_000_000),
])('no image name, with an error of one short line: %#', name => {
  let thrown: unknown;
  try {
    parseReference(name);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(KukeError);
  const { code, message } = thrown as KukeError;
  expect(code).toBe('Usage');
  expect(message).toMatch(/^[ -~…ä]{1,400}$/);
});

test.each([
  ['Nginx:1', 'the repository must be lower case; did you mean `nginx:1`?'],
  ['https://quay.io/podman/hello', '"https:" is no registry; did you mean `quay.io/podman/hello`?'],
  [' nginx', 'did you mean `nginx`?'],
  ['a//b', '"a//b" is no repository'],
])('what may be meant by %p', (name, says) => {
  expect(imageNameFault(name)).toContain(says);
});

const part = fc.stringMatching(/^[a-z0-9]{1,8}(?:(?:_|__|-{1,3})[a-z0-9]{1,4}){0,2}$/);
const path = fc.array(part, { minLength: 1, maxLength: 4 }).map(parts => parts.join('/'));
const registry = fc.constantFrom(
  'docker.io',
  'localhost',
  'localhost:5000',
  'ghcr.io',
  'Host',
  '10.0.0.1:80',
  'x-y.z:1',
);
const suffix = fc.oneof(fc.stringMatching(/^:\w[\w.-]{0,20}$/), fc.stringMatching(/^@sha256:[a-f0-9]{64}$/));

describe('for any name', () => {
  test('normalising twice is normalising once, and the short form means the same', () => {
    fc.assert(
      fc.property(fc.option(registry), path, fc.option(suffix), (host, repository, end) => {
        const full = normaliseName(`${host === null ? '' : `${host}/`}${repository}${end ?? ''}`);
        expect(normaliseName(full)).toBe(full);
        expect(normaliseName(familiarName(full))).toBe(full);
        if (host !== null && host !== 'docker.io') expect(full).toStartWith(`${host}/${repository}`);
        expect(full).toEndWith(end ?? ':latest');
      }),
    );
  });

  test('any text is read or refused with Usage', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'aA0./:@-_[]') })), text => {
        try {
          const full = normaliseName(text);
          expect(normaliseName(full)).toBe(full);
        } catch (error) {
          expect((error as KukeError).code).toBe('Usage');
        }
      }),
      { numRuns: 2000 },
    );
  });
});
