/**
 * Debian's docker-registry on a port of loopback, for a test to fill and to ask:
 *
 *     await using registry = await startRegistry();
 *     const digest = await registry.pushArchive('web', '1', ociArchive({ name: 'web', layers: [busybox()] }));
 *     ... `${registry.host}/web:1` ...
 *     expect(registry.requests()).toEqual(['GET /v2/web/manifests/1 200', ...]);
 */
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { basicOf, type Login, type PushedImage, pushArchive, pushImage } from './push.ts';

export interface RegistryUnderTest extends AsyncDisposable {
  /** `127.0.0.1:41234` */
  host: string;
  /** `GET /v2/web/blobs/sha256:... 200` of each request since the last call that was answered, in the order of their ends. */
  requests(): string[];
  /** Pushes an image of these layers; its descriptors. */
  push(name: string, tag: string, ...layers: Uint8Array[]): Promise<PushedImage>;
  /** Pushes the first image of an OCI layout in a tar (test/host/image.ts); the digest of its manifest. */
  pushArchive(name: string, tag: string, archive: Uint8Array): Promise<string>;
  stop(): Promise<void>;
}

export interface RegistrySettings {
  /** Basic auth with this one user. */
  login?: Login;
  /** Paths, in PEM. */
  tls?: { certificate: string; key: string };
  /** Token auth: where the tokens come from, and the certificate of who signs them. */
  token?: { realm: string; service: string; issuer: string; rootcertbundle: string };
  /** What pushes say in Authorization. */
  authorization?: (name: string) => Promise<string>;
  /** On this port again, with the content that is there. */
  at?: { port: number; folder: string };
}

export async function startRegistry(settings: RegistrySettings = {}): Promise<RegistryUnderTest> {
  const { login, tls, token } = settings;
  const folder = settings.at?.folder ?? mkdtempSync(join(tmpdir(), 'kuke-registry-'));
  const host = `127.0.0.1:${settings.at?.port ?? freePort()}`;
  const htpasswd = join(folder, 'htpasswd');
  if (login !== undefined) {
    const hash = await Bun.password.hash(login.password, { algorithm: 'bcrypt', cost: 4 });
    writeFileSync(htpasswd, `${login.username}:${hash}\n`);
  }
  const config = {
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: false } },
    storage: { filesystem: { rootdirectory: join(folder, 'content') }, delete: { enabled: true } },
    http: { addr: host, ...(tls && { tls }) },
    ...(login && { auth: { htpasswd: { realm: 'kuke', path: htpasswd } } }),
    ...(token && { auth: { token } }),
  };
  mkdirSync(join(folder, 'content'), { recursive: true });
  writeFileSync(join(folder, 'config.yml'), stringify(config));
  const log = join(folder, 'log');
  const output = openSync(log, 'a');
  const child = Bun.spawn(['docker-registry', 'serve', join(folder, 'config.yml')], {
    stdio: ['ignore', output, output],
    env: { PATH: process.env.PATH ?? '' },
  });
  const base = `${tls === undefined ? 'http' : 'https'}://${host}`;
  await answers(`${base}/v2/`, () => child.exitCode === null || fail(readFileSync(log, 'utf8')));
  const authorization = settings.authorization ?? (async () => (login === undefined ? '' : basicOf(login)));
  let seen = linesOf(log).length;
  const stop = async () => {
    child.kill('SIGKILL');
    await child.exited;
  };
  return {
    host,
    requests() {
      settle(base, log);
      const lines = linesOf(log);
      const fresh = lines.slice(seen);
      seen = lines.length;
      return fresh;
    },
    push: async (name, tag, ...layers) => pushImage(`${base}/v2/${name}`, tag, layers, await authorization(name)),
    pushArchive: async (name, tag, archive) =>
      pushArchive(`${base}/v2/${name}`, tag, archive, await authorization(name)),
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

let marks = 0;

/**
 * Waits until what has been answered is in the log: a line is written after its answer, so the client can be done before. A request of our
 * own comes after all of them; one that was overtaken by it follows within moments.
 */
function settle(base: string, log: string): void {
  const mark = `settled=${marks++}`;
  const { exitCode } = Bun.spawnSync(['curl', '--silent', '--insecure', '--noproxy', '*', `${base}/v2/?${mark}`]);
  if (exitCode !== 0) return;
  while (!readFileSync(log, 'utf8').includes(`${mark} HTTP/`)) Bun.sleepSync(1);
  let size = 0;
  while (statSync(log).size > size) {
    size = statSync(log).size;
    Bun.sleepSync(20);
  }
}

/** Apache's common log: `127.0.0.1 - - [...] "GET /v2/ HTTP/1.1" 200 2 "" "curl"`. */
const linesOf = (log: string) =>
  [...readFileSync(log, 'utf8').matchAll(/"(GET|HEAD|PUT|POST|PATCH) (\S+) HTTP\/\d\S*" (\d+)/g)]
    .filter(([, , path = '']) => !path.startsWith('/v2/?settled='))
    .map(([, method, path, status]) => `${method} ${path} ${status}`);

/** A port that was free a moment ago. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

async function answers(url: string, goOn: () => boolean): Promise<void> {
  while (goOn()) {
    const answer = await fetch(url, { proxy: false, tls: { rejectUnauthorized: false } }).catch(() => undefined);
    if (answer !== undefined) return;
    await Bun.sleep(20);
  }
}

function fail(log: string): never {
  throw new Error(`docker-registry did not start: ${log}`);
}
