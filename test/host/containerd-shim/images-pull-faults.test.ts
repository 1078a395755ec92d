// containerd: once, since what a pull takes back it takes back by lease, as a load does, and that runs on each
/** Pulls that fail, are called off or killed: nothing of them stays. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { type RegistryUnderTest, startRegistry } from '../../registry/docker-registry.ts';
import { type FaultyProxy, faultyProxy } from '../../registry/faulty-proxy.ts';
import { eventually, failure } from '../../suites/contract.ts';
import { type Containerd, startContainerd } from '../containerd.ts';
import { busybox, ociArchive } from '../image.ts';
import { type ImagesUnderTest, imagesOn, instance, nothing, onDisk } from './images-under-test.ts';

const noise = (bytes: number) => crypto.getRandomValues(Buffer.alloc(bytes));
const megabytes = (count: number) => Buffer.concat(Array.from({ length: count * 16 }, () => noise(1 << 16)));
const image = { name: 'web', layers: [busybox(), { big: megabytes(8) }, { small: 'x' }] };

let containerd: Containerd;
let registry: RegistryUnderTest;
let proxy: FaultyProxy;
let name: string;
let t: ImagesUnderTest;
let disk: string[];
beforeAll(async () => {
  [containerd, registry] = await Promise.all([startContainerd(), startRegistry()]);
  await registry.pushArchive('web', '1', ociArchive(image));
  proxy = faultyProxy(registry.host);
  name = `${proxy.host}/web:1`;
});
afterAll(async () => {
  proxy[Symbol.dispose]();
  await registry[Symbol.asyncDispose]();
  await containerd.stop();
});
beforeEach(async () => {
  t = await imagesOn(containerd);
  disk = onDisk(containerd);
  proxy.next();
  proxy.seen.splice(0);
});

async function expectNothing(): Promise<void> {
  expect(await t.held()).toEqual(nothing);
  expect(onDisk(containerd)).toEqual(disk);
}

async function expectWhole(): Promise<void> {
  expect(await t.ctr('images', 'check')).toMatch(/complete \(4\/4\).*true/);
  expect(await t.held()).toMatchObject({ images: [name], leases: [], uploads: [] });
  await t.backend.remove({ namespace: t.namespace, name });
  await expectNothing();
}

// Of a pull's requests the first is the manifest's, the second the config's, then come the layers, three at once.
const spared = [{ kind: 'none' }, { kind: 'none' }] as const;

test('a dropped connection is gone on with where it broke off', async () => {
  const drop = { kind: 'drop', after: 300_000 } as const;
  proxy.next(...spared, drop, drop, drop, drop);
  await t.pull(name);
  expect(proxy.seen.filter(line => line.endsWith(' drop')).length).toBeGreaterThan(1);
  await expectWhole();
});

test('a layer that comes corrupt is fetched anew, and refused when it stays so', async () => {
  proxy.next(...spared, { kind: 'corrupt', at: 1000 });
  await t.pull(name);
  await expectWhole();
  proxy.next(...spared, ...Array.from({ length: 50 }, () => ({ kind: 'corrupt', at: 1000 }) as const));
  const error = await failure(t.pull(name), 'InvalidImage');
  expect(error.message).toMatch(/layer \d of 3 \(sha256:[0-9a-f]{64}\)/);
  await expectNothing();
});

test('what no registry has, and what is no name', async () => {
  await failure(t.pull(`${registry.host}/web:2`), 'ImageNotFound');
  await failure(t.pull(`${registry.host}/none:1`), 'ImageNotFound');
  await failure(t.pull('Not A Name'), 'Usage');
  await failure(t.pull(`sha256:${'0'.repeat(64)}`), 'ImageNotFound');
  await failure(t.pull(name, { platform: 'a/b/c/d' }), 'Usage');
  await failure(t.pull(name, { platform: 'linux/s390x' }), 'InvalidImage');
  await failure(t.pull(name, { namespace: 'not-there' }), 'NotFound');
  await expectNothing();
});

test('called off wherever it is', async () => {
  await failure(t.pull(name, { signal: AbortSignal.abort() }), 'Cancelled');
  for (const wanted of [
    'layer 1 of 3: waiting',
    'layer 2 of 3: fetching',
    'layer 1 of 3: unpacking',
    'layer 3 of 3: done',
  ]) {
    const abort = new AbortController();
    const told = ({ title, state }: { title: string; state: string }) => {
      if (`${title}: ${state}` === wanted) setTimeout(() => abort.abort());
    };
    const outcome = await t.pull(name, { signal: abort.signal, told }).then(
      () => 'pulled',
      error => error.code,
    );
    if (outcome === 'pulled') await t.backend.remove({ namespace: t.namespace, name });
    else expect(outcome).toBe('Cancelled');
    await expectNothing();
  }
});

test('of a server that says nothing any more', async () => {
  proxy.next(...spared, { kind: 'stall', after: 1000 });
  const abort = new AbortController();
  const told = ({ state }: { state: string }) => state === 'fetching' && setTimeout(() => abort.abort(), 50);
  await failure(t.pull(name, { signal: abort.signal, told }), 'Cancelled');
  await expectNothing();
});

test('several at once do not get in the way of each other, nor does one that is called off', async () => {
  const abort = new AbortController();
  // At the first word of a layer: what the others have fetched by then it need not fetch.
  const told = () => abort.abort();
  const gone = failure(t.pull(name, { signal: abort.signal, told }), 'Cancelled');
  await Promise.all([gone, ...Array.from({ length: 5 }, () => t.pull(name))]);
  await expectWhole();
});

test('a registry that says nothing any more holds up no other command of the same process', async () => {
  proxy.next(...spared, ...Array.from({ length: 9 }, () => ({ kind: 'stall', after: 1000 }) as const));
  const abort = new AbortController();
  const stalled = failure(t.pull(name, { signal: abort.signal }), 'Cancelled');
  await eventually(async () => proxy.seen.filter(line => line.endsWith(' stall')).length === 3 || undefined);
  const other = await imagesOn(containerd);
  const elsewhere = `${registry.host}/web:1`;
  expect(await other.pull(elsewhere)).toMatchObject({ name: elsewhere });
  abort.abort();
  await stalled;
  await other.backend.remove({ namespace: other.namespace, name: elsewhere });
  expect(await other.held()).toEqual(nothing);
  await expectNothing();
});

describe('killed in the middle', () => {
  test('the next pull goes on where it was, and nothing else is left', async () => {
    const script = `
      import { connect } from '${import.meta.dir}/../../../plugins/containerd-shim/client/index.ts';
      import { makeImages } from '${import.meta.dir}/../../../plugins/containerd-shim/images/index.ts';
      const images = makeImages({ client: connect({ socket: '${containerd.address}' }), snapshotter: 'overlayfs', instance: async () => '${instance}' });
      const progress = (_, transfer) => transfer?.title === 'layer 2 of 3' && transfer.done > 2_000_000 && console.log('far');
      await images.pull({ namespace: '${t.namespace}', name: '${name}' }, { signal: new AbortController().signal, progress });`;
    // What comes after these bytes never does.
    const stall = { kind: 'stall', after: 4_000_000 } as const;
    proxy.next(...spared, stall, stall, stall, stall);
    const child = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe', stderr: 'inherit' });
    for await (const _ of child.stdout) break;
    child.kill('SIGKILL');
    await child.exited;
    const left = await t.held();
    expect(left.leases).toHaveLength(1);
    expect(left.uploads.length).toBeGreaterThan(0);
    proxy.next();
    const first: number[] = [];
    await eventually(async () => (await t.held()).uploads.length > 0 || undefined, 10_000);
    await t.pull(name, {
      told: ({ state, done, title }) => title === 'layer 2 of 3' && state === 'fetching' && first.push(done),
    });
    expect(first[0]).toBeGreaterThan(1_000_000);
    await expectWhole();
  });
});

describe('credentials', () => {
  const login = { username: 'me', password: 'secret: of "mine"' };
  let guarded: RegistryUnderTest;
  beforeAll(async () => {
    guarded = await startRegistry({ login });
    await guarded.pushArchive('web', '1', ociArchive({ name: 'web', layers: [{ a: 'b' }] }));
    mkdirSync('/run/secrets', { recursive: true });
    writeFileSync('/run/secrets/good', `${login.password}\n`, { mode: 0o600 });
    writeFileSync('/run/secrets/bad', 'wr0ng-one\n', { mode: 0o600 });
    writeFileSync('/run/secrets/open', `${login.password}\n`);
    chmodSync('/run/secrets/open', 0o644);
  });
  afterAll(() => guarded[Symbol.asyncDispose]());
  const using = (file: string) => {
    const credentials = [{ server: guarded.host, username: login.username, passwordFile: `/run/secrets/${file}` }];
    return t.pull(`${guarded.host}/web:1`, { credentials });
  };

  test('the realm’s, from a file that root alone can read; they are in no error', async () => {
    const guardedName = `${guarded.host}/web:1`;
    mkdirSync('/run/shared', { mode: 0o777 });
    chmodSync('/run/shared', 0o777);
    writeFileSync('/run/shared/good', login.password, { mode: 0o600 });
    const replaceable = await failure(using('../shared/good'));
    expect(replaceable.message).toContain('can be changed by others');
    for (const attempt of [() => t.pull(guardedName), () => using('bad'), () => using('open'), () => using('none')]) {
      const error = await failure(attempt(), 'RegistryFailed', 'Failed');
      expect(Bun.inspect(error)).not.toContain('secret: of');
      expect(Bun.inspect(error)).not.toContain('wr0ng-one');
    }
    expect((await failure(using('open'))).message).toContain('/run/secrets/open can be read by others');
    expect((await failure(using('none'))).message).toContain('/run/secrets/none');
    await expectNothing();
    expect(await using('good')).toMatchObject({ name: guardedName });
    await t.backend.remove({ namespace: t.namespace, name: guardedName });
    await expectNothing();
  });
});
