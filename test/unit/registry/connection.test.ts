/** Ways to a registry: proxies of the environment, client certificates, skip_verify. */
import { afterAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRepository, type RegistryOptions } from '../../../src/registry/index.ts';
import { makeCa, makeCertificate } from '../../registry/certificates.ts';
import { hungListener } from '../../registry/hung-listener.ts';
import { scriptedRegistry } from '../../registry/scripted-registry.ts';

const top = mkdtempSync(join(tmpdir(), 'kuke-connection-'));
afterAll(() => rmSync(top, { recursive: true }));

const open = (host: string, options: Partial<RegistryOptions> = {}) =>
  openRepository(`${host}/web`, {
    credentials: async () => undefined,
    signal: new AbortController().signal,
    certsFolder: top,
    timing: { backoff: 1, longestBackoff: 2, silence: 20_000 },
    ...options,
  });

function hosts(registry: string, text: string): void {
  mkdirSync(join(top, registry), { recursive: true });
  writeFileSync(join(top, registry, 'hosts.toml'), text);
}

async function withEnvironment(variables: Record<string, string>, work: () => Promise<void>): Promise<void> {
  Object.assign(process.env, variables);
  try {
    await work();
  } finally {
    for (const name of Object.keys(variables)) delete process.env[name];
  }
}

describe('a proxy of the environment', () => {
  const layer = new Uint8Array(100);

  test('is asked for what is elsewhere, unless NO_PROXY names it', async () => {
    using proxy = scriptedRegistry();
    const image = proxy.add('web', '1', layer);
    const pull = () => open('registry.invalid', { plainHttp: true, timing: { retries: 0 } }).resolve('1');
    await withEnvironment({ HTTP_PROXY: `http://${proxy.host}` }, async () => {
      expect((await pull()).descriptor).toEqual(image.manifest);
    });
    expect(proxy.seen.map(({ headers }) => headers.host)).toEqual(['registry.invalid']);
    await withEnvironment({ HTTP_PROXY: `http://${proxy.host}`, NO_PROXY: '.invalid' }, async () => {
      await expect(pull()).rejects.toMatchObject({ code: 'unreachable' });
    });
    expect(proxy.seen).toHaveLength(1);
  });

  test.each([
    ['http://me:secret@127.0.0.1:1', 'unreachable', 'by the proxy 127.0.0.1:1: connection refused'],
    ['me:secret@127.0.0.1:1', 'unreachable', 'by the proxy 127.0.0.1:1: connection refused'],
    ['socks5://me:secret@127.0.0.1:1', 'configuration', 'HTTP_PROXY names no proxy that speaks HTTP'],
    ['http://me:secret@:x', 'configuration', 'HTTP_PROXY names no proxy that speaks HTTP'],
  ])('that cannot be used is told of without its password: %s', async (proxy, code, fault) => {
    await withEnvironment({ HTTP_PROXY: proxy }, async () => {
      const pull = open('registry.invalid', { plainHttp: true, timing: { retries: 0 } }).resolve('1');
      await expect(pull).rejects.toMatchObject({ code, message: `registry.invalid/web:1: resolve: ${fault}` });
    });
  });

  test('is never asked for loopback', async () => {
    using proxy = scriptedRegistry();
    using registry = scriptedRegistry();
    const image = registry.add('web', '1', layer);
    await withEnvironment({ HTTP_PROXY: `http://${proxy.host}`, ALL_PROXY: `http://${proxy.host}` }, async () => {
      expect((await open(registry.host).resolve('1')).descriptor).toEqual(image.manifest);
    });
    expect(proxy.seen).toEqual([]);
  });
});

test('a client certificate is shown to who asks for it, from two files or one', async () => {
  const ca = makeCa(top);
  const [server, client] = ['server', 'client'].map(name => makeCertificate(top, name, ca));
  if (server === undefined || client === undefined) throw new Error('no certificates');
  using registry = scriptedRegistry({
    tls: {
      cert: readFileSync(server.certificate),
      key: readFileSync(server.key),
      ca: readFileSync(ca.certificate),
      requestCert: true,
      rejectUnauthorized: true,
    },
  });
  const image = registry.add('web', '1', new Uint8Array(9));
  const both = join(top, 'client.pem');
  writeFileSync(both, `${readFileSync(client.key)}${readFileSync(client.certificate)}`);
  const base = `server = "https://${registry.host}"\nca = "${ca.certificate}"\n`;
  for (const line of [`client = [["${client.certificate}", "${client.key}"]]`, `client = "${both}"`]) {
    hosts(registry.host, `${base}${line}\n`);
    expect((await open(registry.host).resolve('1')).descriptor).toEqual(image.manifest);
  }
  hosts(registry.host, base);
  await expect(open(registry.host, { timing: { retries: 0 } }).resolve('1')).rejects.toMatchObject({
    code: 'unreachable',
  });
});

test('skip_verify is for the host that it is said of, not for one that it redirects to', async () => {
  const ca = makeCa(top);
  const made = makeCertificate(top, 'any', ca);
  const tls = { cert: readFileSync(made.certificate), key: readFileSync(made.key) };
  using elsewhere = scriptedRegistry({ tls });
  using registry = scriptedRegistry({
    tls,
    answer: ({ path }) => Response.redirect(`https://${elsewhere.host}${path}`, 307),
  });
  elsewhere.add('web', '1', new Uint8Array(9));
  hosts(registry.host, `server = "https://${registry.host}"\nskip_verify = true\n`);
  await expect(open(registry.host).resolve('1')).rejects.toMatchObject({
    code: 'untrusted',
    details: { server: elsewhere.host },
  });
  expect(elsewhere.seen).toEqual([]);
});

test('the CAs that hosts.toml names count for the token server of a registry that speaks plain HTTP', async () => {
  const ca = makeCa(top);
  const made = makeCertificate(top, 'tokens', ca);
  using tokens = scriptedRegistry({
    tls: { cert: readFileSync(made.certificate), key: readFileSync(made.key) },
    answer: () => Response.json({ token: 'abc' }),
  });
  const challenge = { 'www-authenticate': `Bearer realm="https://${tokens.host}/token",service="r"` };
  using registry = scriptedRegistry({
    answer: ({ headers }) =>
      headers.authorization === 'Bearer abc' ? undefined : new Response('', { status: 401, headers: challenge }),
  });
  const image = registry.add('web', '1', new Uint8Array(9));
  hosts(registry.host, `server = "http://${registry.host}"\nca = "${ca.certificate}"\n`);
  expect((await open(registry.host).resolve('1')).descriptor).toEqual(image.manifest);
});

describe('dial_timeout', () => {
  test('one that ran out is tried anew with the next attempt', async () => {
    await using listener = await hungListener();
    const registry = `127.0.0.1:${listener.port}`;
    hosts(registry, `server = "http://${registry}"\ndial_timeout = "2s"\n`);
    const lines: string[] = [];
    // Another process hears it: the next dial may still be dropped, and is sent again by the kernel after a second.
    const log = (line: string) => {
      lines.push(line);
      listener.goOn();
    };
    const timing = { backoff: 1, longestBackoff: 2, silence: 500, retries: 1 };
    const asked = open(registry, { log, timing }).resolve('1');
    // It takes connections by then, and says nothing.
    await expect(asked).rejects.toMatchObject({ fault: 'nothing came for 0.5 s' });
    expect(lines).toEqual([expect.stringContaining('no connection within 2 s (dial_timeout); again')]);
  });

  test('holds nobody up who calls it off', async () => {
    await using listener = await hungListener();
    const registry = `127.0.0.1:${listener.port}`;
    hosts(registry, `server = "http://${registry}"\ndial_timeout = "10m"\n`);
    const controller = new AbortController();
    const asked = open(registry, { signal: controller.signal }).resolve('1');
    setTimeout(() => controller.abort(new Error('called off')), 50);
    await expect(asked).rejects.toThrow('called off');
  });

  test('is not for what a proxy is asked for: there may be no other way', async () => {
    await using listener = await hungListener();
    using proxy = scriptedRegistry();
    const image = proxy.add('web', '1', new Uint8Array(9));
    const registry = `0.0.0.0:${listener.port}`; // loopback, and not called so
    hosts(registry, `server = "http://${registry}"\ndial_timeout = "50ms"\n`);
    await withEnvironment({ HTTP_PROXY: `http://${proxy.host}` }, async () => {
      const asked = open(registry, { timing: { retries: 0 } });
      expect((await asked.resolve('1')).descriptor).toEqual(image.manifest);
    });
  });
});

test('wrong bytes are asked for once more than there are hosts', () => {
  hosts('r.example', '[host."https://a.example"]\n[host."https://b.example"]\n');
  const repository = open('r.example');
  const blob = { mediaType: 'application/octet-stream', digest: `sha256:${'0'.repeat(64)}`, size: 9 };
  expect([1, 2, 3, 4].map(() => repository.reject(blob))).toEqual([true, true, true, false]);
});
