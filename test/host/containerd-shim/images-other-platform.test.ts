// containerd: once, since what a pull takes back it takes back by lease, as a load does, and that runs on each
/** A pull for another machine of what is here for this one. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type RegistryUnderTest, startRegistry } from '../../registry/docker-registry.ts';
import { faultyProxy } from '../../registry/faulty-proxy.ts';
import { failure } from '../../suites/contract.ts';
import { Layout } from '../../unit/containerd-shim/images/archives.ts';
import { type Containerd, startContainerd } from '../containerd.ts';
import { imagesOn, onDisk } from './images-under-test.ts';
import { pushIndex } from './push-index.ts';

let containerd: Containerd;
let registry: RegistryUnderTest;
beforeAll(async () => {
  [containerd, registry] = await Promise.all([startContainerd(), startRegistry()]);
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  await containerd.stop();
});

test('that fails leaves nothing, although their index has a name here', async () => {
  const made = new Layout();
  const architectures = ['amd64', 'arm64', 's390x'];
  const manifests = architectures.map(architecture => {
    const platform = { os: 'linux', architecture };
    return made.image(platform, { platform });
  });
  const index = made.index(manifests);
  await pushIndex(registry.host, 'many', '1', made, index, manifests);
  using proxy = faultyProxy(registry.host);
  const t = await imagesOn(containerd);
  const name = `${proxy.host}/many:1`;
  await t.pull(name, { platform: 'linux/amd64' });
  const [held, disk] = [await t.held(), onDisk(containerd)];
  // The index, the manifest and the config come, and no layer.
  const spared = { kind: 'none' } as const;
  const denied = Array.from({ length: 50 }, () => ({ kind: 'status', status: 403 }) as const);
  proxy.next(spared, spared, spared, ...denied);
  proxy.seen.splice(0);
  await failure(t.pull(name, { platform: 'linux/s390x' }), 'RegistryFailed');
  expect(proxy.seen.filter(line => line.endsWith(' none')).length).toBe(3);
  expect(await t.held()).toEqual(held);
  expect(onDisk(containerd)).toEqual(disk);
});
