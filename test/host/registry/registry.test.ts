/** The client against Debian's docker-registry: plain, with a password, with tokens, by TLS with a CA of one's own, through a faulty proxy. */
import '../box.ts';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Credentials,
  type Descriptor,
  openRepository,
  type RegistryOptions,
} from '../../../src/registry/index.ts';
import { type MadeCertificate, makeCa, makeCertificate } from '../../registry/certificates.ts';
import { freePort, type RegistryUnderTest, startRegistry } from '../../registry/docker-registry.ts';
import { faultyProxy } from '../../registry/faulty-proxy.ts';
import type { PushedImage } from '../../registry/push.ts';
import { tokenServer } from '../../registry/token-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'kuke-registry-test-'));
const certsFolder = join(folder, 'certs.d');
const layers = [300_000, 5_000_000].map(size => {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
});
const login = { username: 'alice', password: 'open sesame: ü' };

let ca: MadeCertificate;
let server: MadeCertificate;
beforeAll(() => {
  ca = makeCa(folder);
  server = makeCertificate(folder, 'server', ca);
}, 20_000);

function open(host: string, credentials?: Credentials, options: Partial<RegistryOptions> = {}) {
  return openRepository(`${host}/team/web`, {
    credentials: async () => credentials,
    signal: new AbortController().signal,
    certsFolder,
    timing: { backoff: 10, longestBackoff: 50, silence: 20_000 },
    ...options,
  });
}

async function digestOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = new Bun.CryptoHasher('sha256');
  for await (const chunk of stream) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}

/** Pulls all of an image; what was found. */
async function pull(repository: ReturnType<typeof open>, image: PushedImage): Promise<void> {
  const { descriptor, content } = await repository.resolve('1');
  expect(descriptor).toEqual(image.manifest);
  expect(Buffer.compare(content, image.content)).toBe(0);
  expect((await repository.resolve(descriptor.digest)).descriptor).toEqual(descriptor);
  expect(Buffer.compare(await repository.manifest(descriptor), content)).toBe(0);
  const blobs: Descriptor[] = [image.config, ...image.layers];
  const digests = await Promise.all(blobs.map(blob => digestOf(repository.blob(blob))));
  expect(digests).toEqual(blobs.map(({ digest }) => digest));
}

describe('plain', () => {
  let registry: RegistryUnderTest;
  let image: PushedImage;
  beforeAll(async () => {
    registry = await startRegistry();
    image = await registry.push('team/web', '1', ...layers);
    registry.requests();
  }, 30_000);
  afterAll(() => registry[Symbol.asyncDispose]());

  test('all of an image, each thing by one request', async () => {
    await pull(open(registry.host), image);
    const { digest } = image.manifest;
    expect(registry.requests().sort()).toEqual(
      [
        'GET /v2/team/web/manifests/1 200',
        ...Array(2).fill(`GET /v2/team/web/manifests/${digest} 200`),
        ...[image.config, ...image.layers].map(blob => `GET /v2/team/web/blobs/${blob.digest} 200`),
      ].sort(),
    );
  });

  test('what is not there is told in its words', async () => {
    await expect(open(registry.host).resolve('2')).rejects.toMatchObject({
      code: 'not-found',
      message: `${registry.host}/team/web:2: resolve: HTTP 404 (not found): MANIFEST_UNKNOWN: manifest unknown`,
      details: { status: 404, transient: false },
    });
  });

  test('a mirror that lacks the image is passed over, one that has it spares the registry', async () => {
    await using mirror = await startRegistry();
    const path = join(certsFolder, registry.host.replace(/:(\d+)$/, '_$1_'));
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'hosts.toml'), `[host."http://${mirror.host}"]\n  capabilities = ["pull", "resolve"]\n`);
    registry.requests();
    await pull(open(registry.host), image);
    expect(registry.requests()).toHaveLength(6);
    expect(mirror.requests().every(line => line.endsWith(' 404'))).toBe(true);
    await mirror.push('team/web', '1', ...layers);
    await pull(open(registry.host), image);
    expect(registry.requests()).toEqual([]);
    expect(mirror.requests().filter(line => line.startsWith('GET'))).toHaveLength(6);
    await Bun.$`rm -r ${path}`;
  });

  test('a mirror that lets nobody in is passed over after its dial_timeout', async () => {
    const port = freePort();
    const rules = `table ip shut { chain input { type filter hook input priority 0; tcp dport ${port} drop; }; }`;
    await Bun.$`nft ${rules}`;
    const path = join(certsFolder, registry.host);
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'hosts.toml'), `[host."http://127.0.0.1:${port}"]\ndial_timeout = "50ms"\n`);
    const lines: string[] = [];
    await pull(open(registry.host, undefined, { warn: line => lines.push(line) }), image);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`127.0.0.1:${port}: no connection within 0.05 s (dial_timeout); passed over`);
    await Bun.$`rm -r ${path}`;
  });

  test('through a proxy that fails again and again: resumed, the bytes are the right ones', async () => {
    using proxy = faultyProxy(registry.host);
    const [, blob = image.config] = image.layers;
    const drop = { kind: 'drop', after: 800_000 } as const;
    proxy.next(drop, drop, { kind: 'status', status: 503 }, drop, { kind: 'stall', after: 900_000 }, drop);
    const timing = { backoff: 10, longestBackoff: 50, silence: 1000 };
    expect(await digestOf(open(proxy.host, undefined, { timing }).blob(blob))).toBe(blob.digest);
    const statuses = registry.requests().map(line => line.slice(-3));
    expect(statuses[0]).toBe('200');
    expect(statuses.slice(1)).toContain('206');
    expect(proxy.seen.length).toBeGreaterThan(6);
  });
});

test('a password: with it all, with none or another nothing', async () => {
  await using registry = await startRegistry({ login });
  const image = await registry.push('team/web', '1', ...layers);
  await pull(open(registry.host, login), image);
  for (const credentials of [undefined, { ...login, password: 'wrong' }]) {
    const refused = open(registry.host, credentials).resolve('1');
    await expect(refused).rejects.toMatchObject({ code: 'unauthorized', details: { status: 401 } });
    const { message } = await refused.then(
      () => new Error('it was let in'),
      error => error,
    );
    expect(message).toContain('UNAUTHORIZED: authentication required');
  }
});

describe('tokens that the registry checks', () => {
  const tokens = (settings: object) =>
    tokenServer({
      certificate: readFileSync(server.certificate, 'utf8'),
      key: readFileSync(server.key, 'utf8'),
      ...settings,
    });
  const wanting = ({ realm, service, issuer, authorization }: ReturnType<typeof tokens>) =>
    startRegistry({ token: { realm, service, issuer, rootcertbundle: ca.certificate }, authorization });

  test('for nobody in particular, for a login, for an identity token', async () => {
    for (const credentials of [undefined, login, { identityToken: 'abc-123' }]) {
      using server = tokens({
        ...(credentials !== undefined && 'username' in credentials && { login: credentials }),
        identityToken: 'abc-123',
      });
      await using registry = await wanting(server);
      const image = await registry.push('team/web', '1', ...layers);
      await pull(open(registry.host, credentials), image);
      const who = credentials === undefined ? 'GET -' : 'username' in credentials ? 'GET alice' : 'POST -';
      expect(server.seen).toEqual([`${who} repository:team/web:pull`]);
    }
  }, 30_000);

  test('a wrong login is nowhere to be read', async () => {
    using server = tokens({ login });
    await using registry = await wanting(server);
    const lines: string[] = [];
    const wrong = { username: 'alice', password: 'not-this-one' };
    const error = await open(registry.host, wrong, { log: line => lines.push(line) })
      .resolve('1')
      .then(
        () => undefined,
        one => one,
      );
    expect(error).toMatchObject({ code: 'unauthorized', details: { step: 'log in' } });
    const all = `${Bun.inspect(error)}${lines.join()}`;
    expect(all).toContain('wrong login');
    for (const secret of [wrong.password, btoa(`alice:${wrong.password}`)]) expect(all).not.toContain(secret);
  });
});

describe('TLS', () => {
  let registry: RegistryUnderTest;
  let image: PushedImage;
  let path: string;
  beforeAll(async () => {
    registry = await startRegistry({ tls: server, login });
    image = await registry.push('team/web', '1', ...layers);
    path = join(certsFolder, registry.host);
    mkdirSync(path, { recursive: true });
  }, 30_000);
  afterAll(() => registry[Symbol.asyncDispose]());

  test('with a CA of one’s own, by hosts.toml', async () => {
    writeFileSync(join(path, 'hosts.toml'), `server = "https://${registry.host}"\nca = "${ca.certificate}"\n`);
    await pull(open(registry.host, login), image);
  });

  test('with a CA of one’s own, in Docker’s layout', async () => {
    writeFileSync(join(path, 'hosts.toml'), '');
    writeFileSync(join(path, 'ca.crt'), readFileSync(ca.certificate));
    await pull(open(registry.host, login), image);
    await Bun.$`rm ${join(path, 'ca.crt')}`;
  });

  test('unknown, it is not trusted, whatever the environment says; skip_verify does', async () => {
    writeFileSync(join(path, 'hosts.toml'), `server = "https://${registry.host}"\n`);
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    const refused = open(registry.host, login).resolve('1');
    await expect(refused).rejects.toMatchObject({
      code: 'untrusted',
      details: { remedy: expect.stringContaining('certs.d') },
    });
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    writeFileSync(join(path, 'hosts.toml'), `server = "https://${registry.host}"\nskip_verify = true\n`);
    await pull(open(registry.host, login), image);
  });

  test('with a CA that the machine trusts from now on, for a process too that has asked before', async () => {
    writeFileSync(join(path, 'hosts.toml'), `server = "https://${registry.host}"\n`);
    await expect(open(registry.host, login).resolve('1')).rejects.toMatchObject({ code: 'untrusted' });
    appendFileSync('/etc/ssl/certs/ca-certificates.crt', readFileSync(ca.certificate));
    await pull(open(registry.host, login), image);
  });

  test('asked in plain text, it says so', async () => {
    writeFileSync(join(path, 'hosts.toml'), `server = "http://${registry.host}"\n`);
    await expect(open(registry.host, login).resolve('1')).rejects.toMatchObject({
      message: expect.stringContaining('Client sent an HTTP request to an HTTPS server'),
      details: { remedy: `write server = "https://${registry.host}" into ${path}/hosts.toml` },
    });
  });
});
