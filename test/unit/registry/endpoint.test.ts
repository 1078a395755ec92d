/** Where a registry is asked: containerd's layout of /etc/containerd/certs.d. */
import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { endpointsOf } from '../../../src/registry/endpoint.ts';
import { parseHosts } from '../../../src/registry/host-file.ts';
import { openRepository, type RegistryOptions } from '../../../src/registry/index.ts';
import { makeCa, makeCertificate } from '../../registry/certificates.ts';
import { faultyProxy } from '../../registry/faulty-proxy.ts';
import { failure, scriptedRegistry } from '../../registry/scripted-registry.ts';

const top = mkdtempSync(join(tmpdir(), 'kuke-certs-'));
const certs = join(top, 'certs.d');
beforeEach(() => rmSync(certs, { recursive: true, force: true }));
afterAll(() => rmSync(top, { recursive: true }));

function write(path: string, text: string): string {
  const file = join(certs, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}
const told: string[] = [];
const find = (registry: string, plainHttp = false) =>
  endpointsOf(registry, { certsFolder: certs, plainHttp, warn: line => told.push(line) });
const urls = (registry: string, plainHttp = false) => find(registry, plainHttp).map(({ url }) => url.href);

describe('without a file', () => {
  test.each([
    ['docker.io', 'https://registry-1.docker.io/v2'],
    ['quay.io', 'https://quay.io/v2'],
    ['quay.io:8443', 'https://quay.io:8443/v2'],
    ['localhost', 'http://localhost/v2'],
    ['localhost:5000', 'http://localhost:5000/v2'],
    ['127.1.2.3:5000', 'http://127.1.2.3:5000/v2'],
    ['[::1]:5000', 'http://[::1]:5000/v2'],
    ['localhost:443', 'https://localhost/v2'],
    ['localhost.example', 'https://localhost.example/v2'],
    ['127.0.0.1.example:5000', 'https://127.0.0.1.example:5000/v2'],
    ['10.0.0.1:5000', 'https://10.0.0.1:5000/v2'],
  ])('%s is asked at %s', (registry, url) => {
    expect(urls(registry)).toEqual([url]);
    expect(find(registry)[0]).toMatchObject({ server: registry, pulls: true, resolves: true });
  });

  test('plain HTTP where it is asked for', () => {
    expect(urls('10.0.0.1:5000', true)).toEqual(['http://10.0.0.1:5000/v2']);
  });
});

describe('hosts.toml', () => {
  test('mirrors come in the order of the file, the registry last', () => {
    write(
      'docker.io/hosts.toml',
      `server = "https://docker.io"
[host."https://z.example"]
  capabilities = ["pull"]
[host."https://a.example/us"]
  capabilities = ["Pull", "resolve"]
  dial_timeout = "1m1.5s"
  [host."https://a.example/us".header]
    x-one = "1"
    x-two = ["2", "3"]
[host."http://10.0.0.1:5000/v2/upstream"]
  override_path = true
`,
    );
    const endpoints = find('docker.io');
    expect(endpoints.map(({ url, server, mirrorOf }) => [url.href, server, mirrorOf])).toEqual([
      ['https://z.example/v2', 'z.example', 'docker.io'],
      ['https://a.example/us/v2', 'a.example', 'docker.io'],
      ['http://10.0.0.1:5000/v2/upstream', '10.0.0.1:5000', 'docker.io'],
      ['https://registry-1.docker.io/v2', 'docker.io', undefined],
    ]);
    expect(endpoints.map(({ pulls, resolves }) => [pulls, resolves])).toEqual([
      [true, false],
      [true, true],
      [true, true],
      [true, true],
    ]);
    expect(endpoints[1]).toMatchObject({ headers: { 'x-one': '1', 'x-two': '2, 3' }, dialTimeout: 61_500 });
  });

  test.each(['r.example_5000_', 'r.example:5000', '_default'])('is found in %s', folder => {
    write(`${folder}/hosts.toml`, '[host."https://m.example"]');
    expect(urls('r.example:5000')).toEqual(['https://m.example/v2', 'https://r.example:5000/v2']);
  });

  test('the first folder that is there counts, even an empty one', () => {
    write('_default/hosts.toml', '[host."https://m.example"]');
    mkdirSync(join(certs, 'r.example'));
    expect(urls('r.example')).toEqual(['https://r.example/v2']);
  });

  test('a server for all others stands in for them, and is told whom it stands for', () => {
    write('_default/hosts.toml', 'server = "https://only.example"');
    expect(find('quay.io')).toMatchObject([{ server: 'only.example', mirrorOf: 'quay.io' }]);
  });

  test('certificates: read, next to those that the machine trusts', () => {
    const ca = makeCa(top);
    const { certificate, key } = makeCertificate(top, 'client', ca);
    write('r.example/hosts.toml', `ca = "${ca.certificate}"\nclient = [["${certificate}", "${key}"]]`);
    const [endpoint] = find('r.example');
    expect(endpoint?.tls?.ca?.at(-1)).toContain('BEGIN CERTIFICATE');
    expect(endpoint?.tls?.key).toContain('PRIVATE KEY');
    expect(endpoint?.tls?.skipVerify).toBeUndefined();
  });

  test.each([
    ['ca = "a.crt"', { ca: ['/f/a.crt'] }],
    ['ca = ["a.crt", "/b.crt"]', { ca: ['/f/a.crt', '/b.crt'] }],
    ['client = "c.pem"', { client: [['/f/c.pem', '']] }],
    [
      'client = ["c.pem", "d.pem"]',
      {
        client: [
          ['/f/c.pem', ''],
          ['/f/d.pem', ''],
        ],
      },
    ],
    [
      'client = [["c", "k"], ["p", ""]]',
      {
        client: [
          ['/f/c', '/f/k'],
          ['/f/p', ''],
        ],
      },
    ],
    ['skip_verify = true', { skipVerify: true }],
  ])('%s', (text, settings) => {
    expect(parseHosts(text, '/f', () => {})).toMatchObject([settings]);
  });

  test('a field that is not known is passed over, and told of', () => {
    const file = write('r.example/hosts.toml', 'skip_verfy = true');
    expect(find('r.example')[0]?.tls?.skipVerify).toBeUndefined();
    expect(told).toEqual([`${file}: skip_verfy is no field that kuke knows, and is passed over`]);
  });

  test.each([
    ['server = ', 'Missing value'],
    ['server = 5', 'server: 5 is no string'],
    ['server = "https://u:p@x"', 'is no address'],
    ['[host."ftp://x y"]', 'is no address'],
    ['capabilities = ["fetch"]', 'capabilities: fetch is none'],
    ['skip_verify = "yes"', 'neither true nor false'],
    ['client = [["a"]]', 'a pair is'],
    ['dial_timeout = "5"', 'no duration'],
    ['host = 5', 'host is no table'],
    ['ca = "gone.crt"', 'no such file'],
    ['header = { "x y" = "z" }', 'hosts.toml'],
  ])('malformed, it is named: %s', (text, fault) => {
    const file = write('r.example/hosts.toml', text);
    expect(() => urls('r.example')).toThrow(fault);
    expect(() => urls('r.example')).toThrow(dirname(file));
    expect(() => urls('r.example')).toThrow(expect.objectContaining({ code: 'configuration' }));
  });
});

test('Docker’s layout: *.crt, *.cert and *.key beside each other, for loopback too', () => {
  const ca = makeCa(top);
  const files = { 'one.crt': ca.certificate, 'c.cert': ca.certificate, 'c.key': ca.key };
  for (const [name, from] of Object.entries(files)) {
    mkdirSync(join(certs, 'localhost:5000'), { recursive: true });
    copyFileSync(from, join(certs, 'localhost:5000', name));
  }
  const [endpoint] = find('localhost:5000');
  expect(endpoint?.url.href).toBe('https://localhost:5000/v2');
  expect(endpoint?.tls?.cert).toContain('BEGIN CERTIFICATE');
  expect(endpoint?.tls?.key).toContain('PRIVATE KEY');
});

describe('mirrors', () => {
  // More than is fetched as one piece.
  const layer = Buffer.concat(Array.from({ length: 6 }, () => crypto.getRandomValues(new Uint8Array(50_000))));
  const open = (host: string, options: Partial<RegistryOptions> = {}) =>
    openRepository(`${host}/web`, {
      credentials: async () => undefined,
      signal: new AbortController().signal,
      certsFolder: certs,
      timing: { backoff: 1, longestBackoff: 2, silence: 20_000 },
      ...options,
    });
  const mirrored = (registry: string, ...mirrors: string[]) =>
    write(`${registry}/hosts.toml`, mirrors.map(mirror => `[host."http://${mirror}"]\n`).join(''));

  test('have it: the registry is not asked, and they are told whose it is', async () => {
    using mirror = scriptedRegistry();
    using registry = scriptedRegistry();
    const image = mirror.add('web', '1', layer);
    mirrored(registry.host, mirror.host);
    const { descriptor } = await open(registry.host).resolve('1');
    expect(descriptor).toEqual(image.manifest);
    expect(mirror.seen.map(({ query }) => query)).toEqual([`?ns=${encodeURIComponent(registry.host)}`]);
    expect(registry.seen).toEqual([]);
  });

  test.each([404, 401, 403, 503])('that answer %d are passed over', async status => {
    using mirror = scriptedRegistry({ answer: () => failure(status, 'NO', 'not here') });
    using registry = scriptedRegistry();
    const image = registry.add('web', '1', layer);
    mirrored(registry.host, mirror.host);
    const lines: string[] = [];
    const repository = open(registry.host, { warn: line => lines.push(line) });
    expect((await repository.resolve('1')).descriptor).toEqual(image.manifest);
    expect(lines.at(-1)).toContain(`${mirror.host}: HTTP ${status}`);
    expect(lines.at(-1)).toEndWith('passed over');
    expect(registry.seen.map(({ query }) => query)).toEqual(['']);
    await repository.resolve('1');
    expect(lines).toHaveLength(1);
  });

  test('are not told of the registry itself, which is what fails', async () => {
    using mirror = scriptedRegistry();
    using registry = scriptedRegistry();
    mirrored(registry.host, mirror.host);
    const lines: string[] = [];
    const error = await open(registry.host, { warn: line => lines.push(line) })
      .resolve('1')
      .catch(String);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(mirror.host);
    expect(error).toContain('HTTP 404');
  });

  test('that cannot be reached are asked last from then on', async () => {
    using registry = scriptedRegistry();
    const image = registry.add('web', '1', layer);
    mirrored(registry.host, '127.0.0.1:1');
    const lines: string[] = [];
    const repository = open(registry.host, { warn: line => lines.push(line) });
    await repository.resolve('1');
    const before = lines.length;
    await repository.manifest(image.manifest);
    expect(before).toBeGreaterThan(0);
    expect(lines).toHaveLength(before);
  });

  test('that may not resolve are asked for digests only', async () => {
    using mirror = scriptedRegistry();
    using registry = scriptedRegistry();
    mirror.add('web', '1', crypto.getRandomValues(new Uint8Array(9)));
    const image = registry.add('web', '1', layer);
    mirror.add('web', '2', layer);
    write(`${registry.host}/hosts.toml`, `[host."http://${mirror.host}"]\ncapabilities = ["pull"]`);
    const repository = open(registry.host);
    expect((await repository.resolve('1')).descriptor).toEqual(image.manifest);
    expect(mirror.seen).toEqual([]);
    await repository.manifest(image.manifest);
    expect(mirror.seen).toHaveLength(1);
    expect(registry.seen).toHaveLength(1);
  });

  test('that hold other bytes: the next one is asked after them', async () => {
    using mirror = scriptedRegistry({
      answer: ({ path }) => (path.includes('/blobs/') ? new Response(new Uint8Array(layer.length)) : undefined),
    });
    using registry = scriptedRegistry();
    const image = registry.add('web', '1', layer);
    mirrored(registry.host, mirror.host);
    const repository = open(registry.host);
    const [blob = image.config] = image.layers;
    const read = async (verify?: boolean) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of repository.blob(blob, verify === undefined ? {} : { verify })) chunks.push(chunk);
      return Buffer.concat(chunks);
    };
    await expect(read()).rejects.toMatchObject({ code: 'corrupt', message: expect.stringContaining(mirror.host) });
    expect(await read()).toEqual(Buffer.from(layer));
    // Where the receiver checks, it says so.
    const other = open(registry.host);
    for await (const _chunk of other.blob(blob, { verify: false }));
    other.reject(blob);
    for await (const _chunk of other.blob(blob));
  });

  test('that break off in the middle of a blob: the registry sends the rest', async () => {
    using source = scriptedRegistry();
    using registry = scriptedRegistry();
    using mirror = faultyProxy(source.host);
    source.add('web', '1', layer);
    const image = registry.add('web', '1', layer);
    const [blob = image.config] = image.layers;
    mirrored(registry.host, mirror.host);
    mirror.next({ kind: 'stall', after: 20_000 }, { kind: 'drop', after: 0 });
    const chunks: Uint8Array[] = [];
    for await (const chunk of open(registry.host).blob(blob)) {
      chunks.push(chunk);
      mirror.cut();
    }
    expect(Buffer.concat(chunks)).toEqual(layer);
    expect(mirror.seen).toHaveLength(2);
    const ranges = registry.seen.map(({ headers }) => headers.range);
    expect(ranges).toEqual([expect.stringMatching(/^bytes=[1-9]\d*-$/)]);
  });

  test('that fail once in a while are not given up', async () => {
    using source = scriptedRegistry();
    using registry = scriptedRegistry();
    using mirror = faultyProxy(source.host);
    const image = source.add('web', '1', layer);
    mirrored(registry.host, mirror.host);
    const repository = open(registry.host);
    await repository.resolve('1');
    mirror.next({ kind: 'drop', after: 0 });
    await repository.manifest(image.manifest);
    await repository.manifest(image.manifest);
    expect(mirror.seen).toHaveLength(4);
    expect(registry.seen).toEqual([]);
  });

  test('get no credentials of the registry', async () => {
    const challenge = { 'www-authenticate': 'Basic realm="x"' };
    const wants = () => failure(401, 'NO', 'no', challenge);
    using mirror = scriptedRegistry({ answer: wants });
    using registry = scriptedRegistry({ answer: ({ headers }) => (headers.authorization ? undefined : wants()) });
    registry.add('web', '1', layer);
    mirrored(registry.host, mirror.host);
    const asked: string[] = [];
    const credentials = async (server: string) => {
      asked.push(server);
      return server === registry.host ? { username: 'a', password: 'secret' } : undefined;
    };
    await open(registry.host, { credentials }).resolve('1');
    expect(asked).toEqual([mirror.host, registry.host]);
    expect(mirror.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  test('get the headers that hosts.toml says, which the registry does not', async () => {
    using mirror = scriptedRegistry();
    using registry = scriptedRegistry();
    mirror.add('web', '1', layer);
    registry.add('web', '2', layer);
    write(`${registry.host}/hosts.toml`, `[host."http://${mirror.host}".header]\n"X-Team" = ["a", "b"]`);
    const repository = open(registry.host);
    await repository.resolve('1');
    await repository.resolve('2');
    expect(mirror.seen[0]?.headers['x-team']).toBe('a, b');
    expect(registry.seen[0]?.headers['x-team']).toBeUndefined();
  });

  test('all fail: the registry’s fault, and theirs', async () => {
    using mirror = scriptedRegistry({ answer: () => failure(403, 'DENIED', 'not you') });
    using registry = scriptedRegistry();
    mirrored(registry.host, mirror.host);
    await expect(open(registry.host).resolve('1')).rejects.toMatchObject({
      code: 'not-found',
      message: `${registry.host}/web:1: resolve: HTTP 404 (not found): NOT_THERE: there is none of that name (and ${mirror.host}: HTTP 403 (forbidden): DENIED: not you)`,
    });
  });
});
