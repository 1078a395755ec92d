/** The suite for Images backends, on containerd. */
import { afterAll, beforeAll } from 'bun:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { connect } from '../../../plugins/containerd-shim/client/index.ts';
import { makeImages } from '../../../plugins/containerd-shim/images/index.ts';
import { INSTANCE } from '../../../plugins/containerd-shim/labels.ts';
import { type RegistryUnderTest, startRegistry } from '../../registry/docker-registry.ts';
import { archivedConfig, imagesSuite } from '../../suites/images.ts';
import { type Containerd, startContainerd } from '../containerd.ts';
import { busybox, dockerArchive, ociArchive, type TestImage } from '../image.ts';
import { ctr } from '../observe/containerd.ts';

let containerd: Containerd;
let registry: RegistryUnderTest;
beforeAll(async () => {
  [containerd, registry] = await Promise.all([startContainerd(), startRegistry()]);
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  await containerd.stop();
});

const instance = 'suite';
const shell = busybox();
const image = (name: string): TestImage => ({
  name,
  layers: [shell],
  config: {
    Entrypoint: archivedConfig.entrypoint,
    Cmd: archivedConfig.cmd,
    Env: archivedConfig.env,
    User: archivedConfig.user,
    WorkingDir: archivedConfig.workingDir,
    StopSignal: archivedConfig.stopSignal,
    Labels: archivedConfig.labels,
  },
});
const archives = {
  'Docker archive': (name: string) => dockerArchive(image(name)),
  'Docker archive, gzipped': (name: string) => gzipSync(dockerArchive(image(name))),
  'OCI layout': (name: string) => ociArchive(image(name)),
  'OCI layout, gzipped': (name: string) => gzipSync(ociArchive(image(name))),
  'OCI layout, compressed with zstd': (name: string) => zstdCompressSync(ociArchive(image(name))),
};

let count = 0;
imagesSuite('containerd', Object.keys(archives), async () => {
  count += 1;
  const [namespace, otherNamespace] = [`suite-${count}`, `suite-${count}-other`];
  const client = connect({ socket: containerd.address });
  const labels = { [INSTANCE]: instance };
  for (const name of [namespace, otherNamespace]) await client.namespaces.create({ namespace: { name, labels } });
  const backendOn = (socket: string) =>
    makeImages({ client: connect({ socket }), snapshotter: 'overlayfs', instance: async () => instance });
  return {
    backend: backendOn(containerd.address),
    namespace,
    otherNamespace,
    archives,
    async useImage(name) {
      await ctr(namespace, ['containers', 'create', name, 'user'], containerd.address);
    },
    async publish(name) {
      const [repository = '', tag = ''] = name.split(':');
      await registry.pushArchive(repository, tag, ociArchive(image(name)));
      return `${registry.host}/${name}`;
    },
    unavailable: () => backendOn('/run/nobody-listens.sock'),
    cleanup: async () => client.close(),
  };
});
