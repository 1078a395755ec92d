// containerd: once, since what differs between its versions is in containerd-shim's tests
/** Images from a registry, by the command line and by cells that need them. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { makeCa, makeCertificate } from '../../registry/certificates.ts';
import { type RegistryUnderTest, startRegistry } from '../../registry/docker-registry.ts';
import { faultyProxy } from '../../registry/faulty-proxy.ts';
import { eventually } from '../../suites/contract.ts';
import { busybox, ociArchive } from '../image.ts';
import { content, ctr, images, leases, snapshots } from '../observe/containerd.ts';
import { tar } from '../tar.ts';
import { cell, container, manifest, stateOf, WAIT } from './cells.ts';
import { apply, applyFailing, failing, get, kuke, run, start, tryApply } from './kuke.ts';
import { type ReadyHost, readyHost, removeCells } from './ready-host.ts';

const NAMESPACE = 'kukeon-main';
const login = { username: 'me', password: 'the-secret' };
const waiting = (name: string, extra = 'x') => ({
  name,
  layers: [busybox(), { extra }],
  config: { Cmd: ['/bin/sh', '-c', WAIT], Env: ['PATH=/bin'], Labels: { maintainer: 'kuke' } },
});

let host: ReadyHost;
let registry: RegistryUnderTest;
let guarded: RegistryUnderTest;
let digest: string;
beforeAll(async () => {
  [host, registry, guarded] = await Promise.all([readyHost(), startRegistry(), startRegistry({ login })]);
  digest = await registry.pushArchive('web', '1', ociArchive(waiting('web')));
  await guarded.pushArchive('team/web', '1', ociArchive(waiting('web', 'guarded')));
});
afterAll(async () => {
  await Promise.all([registry[Symbol.asyncDispose](), guarded[Symbol.asyncDispose]()]);
  await host.containerd.stop();
});
afterEach(async () => {
  await removeCells();
  await kuke('image', 'prune', '--all', '--yes');
  expect(await leases(NAMESPACE)).toEqual([]);
});

const web = () => `${registry.host}/web:1`;
const pulledBlobs = () => registry.requests().filter(line => /GET .*\/blobs\//.test(line));
const names = async () => (await kuke('image', 'ls', '-q')).split('\n').filter(Boolean);

test('pull, inspect, tag, save, load, rm and prune', async () => {
  registry.requests();
  const { stdout, stderr } = await run(['image', 'pull', web()]);
  expect(stdout).toBe(`pulled ${web()}\n`);
  expect(stderr.split('\n').filter(Boolean)).toEqual([
    expect.stringMatching(/: layer \d of 2: fetched, .* [kM]?B$/),
    expect.stringMatching(/: layer \d of 2: fetched, .* [kM]?B$/),
  ]);
  expect(await run(['image', 'pull', '-q', web()])).toMatchObject({ stdout: `pulled ${web()}\n`, stderr: '' });
  expect(pulledBlobs()).toHaveLength(3);

  // At the prompt.
  expect(await kuke('__complete', 'run', web().slice(0, 6))).toBe(`${web()}\n:done\n`);

  const details = JSON.parse(await kuke('image', 'inspect', web(), '-o', 'json'));
  expect(details).toMatchObject({ name: web(), names: [web()], digest, manifest: digest, usedBy: [] });
  expect(details.config).toMatchObject({ cmd: ['/bin/sh', '-c', WAIT], labels: { maintainer: 'kuke' } });
  expect(details.layers.map((layer: { digest: string }) => layer.digest).sort()).toEqual(
    (await content(NAMESPACE)).filter(one => details.layers.some((layer: { digest: string }) => layer.digest === one)),
  );
  const text = await kuke('image', 'inspect', web());
  expect(text).toMatch(new RegExp(`^Digest: +${digest}$`, 'm'));
  expect(text).toMatch(/^Labels: +maintainer=kuke$/m);

  expect(await kuke('image', 'tag', web(), 'mine:2')).toBe('tagged docker.io/library/mine:2\n');
  expect((await names()).filter(name => name.includes('mine') || name === web())).toHaveLength(2);
  expect(await failing(2, 'image', 'tag', web(), `mine@${digest}`)).toContain('names a digest');
  expect(await failing(3, 'image', 'tag', 'none', 'mine:3')).toContain('none:latest');

  await kuke('image', 'save', web(), 'mine:2', '-o', '/run/saved.tar');
  const piped = Bun.spawnSync([
    'sh',
    '-c',
    `${process.env.KUKE_TEST_BINARY ?? 'dist/kuke'} image save mine:2 -o - | tar -t`,
  ]);
  expect(piped.stdout.toString()).toContain('manifest.json\n');
  expect(await failing(3, 'image', 'save', 'none', '-o', '/run/none.tar')).toContain('none:latest');
  expect(existsSync('/run/none.tar')).toBe(false);
  await kuke('image', 'rm', web(), 'mine:2');
  expect(await names()).not.toContain(web());
  expect(await kuke('image', 'load', '-i', '/run/saved.tar')).toContain(`loaded ${web()}\n`);
  expect(JSON.parse(await kuke('image', 'inspect', 'mine:2', '-o', 'json'))).toMatchObject({ digest });
  await ctr('default', ['images', 'import', '/run/saved.tar']);
  expect(await images('default')).toEqual(['docker.io/library/mine:2', web()].sort());
  expect(await ctr('default', ['images', 'check'])).toMatch(/complete \(3\/3\)/);
  // What one namespace has, another need not fetch.
  await ctr('default', ['images', 'rm', '--sync', ...(await images('default'))]);

  await apply(cell('uses', [container('main', { image: web() })]));
  expect(await failing(2, 'image', 'prune', '--all')).toContain('--yes');
  expect(await kuke('image', 'prune')).toBe('freed 0 B\n');
  const pruned = await kuke('image', 'prune', '--all', '--yes');
  expect(pruned).toContain('removed docker.io/library/mine:2\n');
  expect(pruned).not.toContain(web());
  await kuke('stop', 'cell', 'uses');
  expect(await kuke('image', 'prune', '--all', '--yes')).not.toContain(web());
  await kuke('delete', 'cell', 'uses', '--cascade');
  expect(await kuke('image', 'prune', '--all', '--yes')).toMatch(new RegExp(`removed ${web()}\\nfreed .*MB\\n`));
  expect(await content(NAMESPACE)).toEqual([]);
  expect(await snapshots(NAMESPACE)).toEqual([]);
});

describe('a cell whose image its realm lacks', () => {
  const app = (fields: object = {}) => cell('app', [container('main', { image: web(), ...fields })]);

  test('pulls it, and pulls it no more', async () => {
    registry.requests();
    expect(await apply(app())).toContain('cell main/default/default/app created');
    expect(await stateOf('app')).toBe('Ready');
    expect(pulledBlobs()).toHaveLength(3);
    expect(await apply(app())).toContain('unchanged');
    await apply(cell('app', [container('main', { image: web(), env: ['A=b'] })]));
    expect(registry.requests()).toEqual([]);
  });

  test('in a realm that is made by the same apply', async () => {
    const inLab = { realmId: 'lab', spaceId: 'net', stackId: 'all' };
    const space = manifest('Space', 'net', { realmId: 'lab' });
    const stack = manifest('Stack', 'all', { realmId: 'lab', spaceId: 'net' });
    const own = cell('app', [container('main', { image: web() })], inLab);
    expect(await apply(own, stack, space, manifest('Realm', 'lab'))).toMatch(/cell lab\/net\/all\/app created/);
    expect(await stateOf('app', '--realm', 'lab', '--space', 'net', '--stack', 'all')).toBe('Ready');
    await kuke('delete', 'realm', 'lab', '--cascade');
  });

  test('imagePullPolicy', async () => {
    expect(await applyFailing(3, app({ imagePullPolicy: 'Never' }))).toContain('kuke image load');
    await kuke('image', 'pull', web());
    registry.requests();
    await apply(app({ imagePullPolicy: 'Never' }));
    expect(registry.requests()).toEqual([]);
    await kuke('delete', 'cell', 'app', '--cascade');
    // A newer image takes the tag, and the container that is made next; the one that runs stays as it is.
    const newer = await registry.pushArchive('web', '1', ociArchive(waiting('web', 'newer')));
    await apply(app({ imagePullPolicy: 'IfNotPresent' }));
    const digestNow = async () => JSON.parse(await kuke('image', 'inspect', web(), '-o', 'json')).digest;
    expect(await digestNow()).toBe(digest);
    await apply(app({ imagePullPolicy: 'Always' }));
    expect(await digestNow()).toBe(digest);
    await apply(app({ imagePullPolicy: 'Always', env: ['A=b'] }));
    expect(await digestNow()).toBe(newer);
    expect(await registry.pushArchive('web', '1', ociArchive(waiting('web')))).toBe(digest);
  });

  test('that no registry has: nothing is made, and the cell that runs stays as it was', async () => {
    const missing = `${registry.host}/web:none`;
    expect(await applyFailing(3, cell('app', [container('main', { image: missing })]))).toContain(missing);
    expect(await failing(3, 'get', 'cell', 'app')).toContain('app');
    await apply(app());
    const { status } = await tryApply(cell('app', [container('main', { image: missing })]));
    expect(status).toBe(3);
    expect(await stateOf('app')).toBe('Ready');
  });

  test('a pull holds up no other kuke, and Ctrl-C ends it without a trace', async () => {
    using proxy = faultyProxy(registry.host);
    proxy.next({ kind: 'none' }, { kind: 'none' }, ...Array(9).fill({ kind: 'stall', after: 100_000 }));
    const before = await content(NAMESPACE);
    const slow = cell('slow', [container('main', { image: `${proxy.host}/web:1` })]);
    for (const args of [
      ['apply', '-f', '-'],
      ['image', 'pull', `${proxy.host}/web:1`],
    ]) {
      const child = start(args, { stdin: JSON.stringify(slow) });
      const seen = proxy.seen.length;
      await eventually(async () => proxy.seen.slice(seen).some(line => line.endsWith('stall')) || undefined, 30_000);
      await kuke('create', 'stack', 'beside', '--lock-timeout', '5s');
      await kuke('delete', 'stack', 'beside');
      child.kill('SIGINT');
      expect(await child.exited).toBe(1);
      expect(await child.stderr.text()).toContain('cancelled by SIGINT');
      expect({ leases: await leases(NAMESPACE), content: await content(NAMESPACE) }).toEqual({
        leases: [],
        content: before,
      });
      expect(await ctr(NAMESPACE, ['content', 'active'])).not.toContain('sha256');
      expect(await failing(3, 'get', 'cell', 'slow')).toContain('slow');
      proxy.next({ kind: 'none' }, { kind: 'none' }, ...Array(9).fill({ kind: 'stall', after: 100_000 }));
    }
  });
});

test('killed while it pulls, the same apply brings the cell up, and nothing is left over', async () => {
  using proxy = faultyProxy(registry.host);
  const stall = { kind: 'stall', after: 100_000 } as const;
  proxy.next({ kind: 'none' }, { kind: 'none' }, stall, stall);
  const own = cell('app', [container('main', { image: `${proxy.host}/web:1` })]);
  const child = start(['apply', '-f', '-'], { stdin: JSON.stringify(own) });
  await eventually(async () => proxy.seen.some(line => line.endsWith('stall')) || undefined, 30_000);
  child.kill('SIGKILL');
  await child.exited;
  expect(await leases(NAMESPACE)).toHaveLength(1);
  proxy.next();
  expect(await apply(own)).toContain('cell main/default/default/app created');
  expect(await stateOf('app')).toBe('Ready');
  expect(await leases(NAMESPACE)).toEqual([]);
  expect(await ctr(NAMESPACE, ['content', 'active'])).not.toContain('sha256');
});

test('a registry with a CA of one’s own, and the login that `docker login` has left', async () => {
  mkdirSync('/run/tls', { recursive: true });
  const ca = makeCa('/run/tls');
  await using own = await startRegistry({ tls: makeCertificate('/run/tls', 'server', ca), login });
  await own.pushArchive('web', '1', ociArchive(waiting('web', 'tls')));
  const image = `${own.host}/web:1`;
  const folder = `/etc/containerd/certs.d/${own.host}`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/hosts.toml`, `server = "https://${own.host}"\n`);
  expect(await failing(1, 'image', 'pull', image)).toContain('hosts.toml');
  writeFileSync(`${folder}/hosts.toml`, `server = "https://${own.host}"\nca = "${ca.certificate}"\n`);
  expect(await failing(1, 'image', 'pull', image)).toContain('docker login');
  mkdirSync('/run/docker', { recursive: true });
  const auth = btoa(`${login.username}:${login.password}`);
  writeFileSync('/run/docker/config.json', JSON.stringify({ auths: { [own.host]: { auth } } }), { mode: 0o600 });
  const env = { DOCKER_CONFIG: '/run/docker' };
  expect(await run(['image', 'pull', image], { env })).toMatchObject({ status: 0, stdout: `pulled ${image}\n` });
});

test('a mirror that is passed over, and what is wrong in a hosts.toml, are told of', async () => {
  const folder = `/etc/containerd/certs.d/${registry.host}`;
  mkdirSync(folder, { recursive: true });
  const pulling = async (hosts: string, ...flags: string[]) => {
    writeFileSync(`${folder}/hosts.toml`, hosts);
    return run(['image', 'pull', web(), ...flags]);
  };
  const down = '[host."http://127.0.0.1:1"]\nfly = true\n';
  const { status, stderr } = await pulling(down);
  expect(status).toBe(0);
  expect(stderr).toContain(`${folder}/hosts.toml: fly is no field that kuke knows, and is passed over\n`);
  expect(stderr).toContain('127.0.0.1:1: connection refused; passed over\n');
  expect(await pulling(down, '-q')).toMatchObject({ status: 0, stderr: '' });
  expect(await pulling('server = http')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining(`(mend ${folder}`),
  });
  await Bun.$`rm -r ${folder}`;
});

test('pulling, saving and loading take less than 100 MB of memory, whatever the size of the image', async () => {
  const noise = crypto.getRandomValues(Buffer.alloc(1 << 16));
  const layers = [1, 2, 3, 4].map(at => {
    const blob = Buffer.concat(
      Array.from({ length: 640 }, (_, part) => Buffer.concat([noise, Buffer.from(`${at}${part}`)])),
    );
    return tar({ [`blob-${at}`]: blob });
  });
  await registry.push('big', '1', ...layers);
  const image = `${registry.host}/big:1`;
  const file = '/run/big.tar';
  for (const args of [
    ['pull', image],
    ['save', image, '-o', file],
    ['load', '-i', file],
  ]) {
    const child = start(['image', ...args]);
    let peak = 0;
    while (child.exitCode === null && child.signalCode === null) {
      const [, kilobytes = '0'] = /^VmHWM:\s+(\d+)/m.exec(statusOf(child.pid)) ?? [];
      peak = Math.max(peak, Number(kilobytes) * 1024);
      await Bun.sleep(5);
    }
    expect(await child.exited).toBe(0);
    expect({ args, megabytes: peak / 1e6, isBelow: peak > 0 && peak < 100e6 }).toMatchObject({ isBelow: true });
  }
  // What a save has written before it is killed has no name.
  mkdirSync('/run/killed');
  const save = start(['image', 'save', image, '-o', '/run/killed/big.tar']);
  await eventually(async () => filesOf(save.pid).some(path => path.startsWith('/run/killed/#')) || undefined);
  save.kill('SIGKILL');
  await save.exited;
  expect(readdirSync('/run/killed')).toEqual([]);
});

/** What a process has open. */
function filesOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).map(fd => {
    try {
      return readlinkSync(`${folder}/${fd}`);
    } catch {
      return ''; // closed by now
    }
  });
}

/** Of a process that may be gone. */
function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}

describe('registryCredentials', () => {
  const realm = (fields: object = {}) =>
    manifest('Realm', 'main', {
      registryCredentials: [{ server: guarded.host, username: login.username, passwordFile: 'registry', ...fields }],
    });

  test('name a file; nothing that kuke writes or prints has the secret; the manifest round-trips', async () => {
    const image = `${guarded.host}/team/web:1`;
    expect(await failing(1, 'image', 'pull', image)).toContain('401');
    mkdirSync('/opt/kukeon/.kuke/secrets', { recursive: true });
    writeFileSync('/opt/kukeon/.kuke/secrets/registry', `${login.password}\n`, { mode: 0o600 });
    expect(await apply(realm())).toContain('registryCredentials');
    const refused = await applyFailing(2, realm({ password: login.password }));
    expect(refused).toContain('passwordFile');
    const shown = await kuke('get', 'realm', 'main', '-o', 'yaml');
    expect(await apply(shown)).toContain('unchanged');
    expect(await kuke('image', 'pull', image)).toBe(`pulled ${image}\n`);
    await kuke('image', 'rm', image);
    const own = cell('app', [container('main', { image })]);
    expect(await apply(own)).toContain('created');
    expect((await get<{ status: { state: string } }>('cell', 'app')).status.state).toBe('Ready');
    const written = Bun.spawnSync(['grep', '-rl', login.password, '/opt/kukeon', '/var/log/kukeon']).stdout.toString();
    expect(written).toBe('/opt/kukeon/.kuke/secrets/registry\n');
    for (const text of [refused, shown]) expect(text).not.toContain(login.password);
    expect(readFileSync('/opt/kukeon/main/realm.yaml', 'utf8')).toContain('passwordFile: registry');
    await apply(manifest('Realm', 'main'));
  });
});
