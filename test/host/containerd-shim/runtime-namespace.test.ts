/** containerd namespaces: what goes with them, and whose presence keeps them. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { connect } from '../../../plugins/containerd-shim/client/index.ts';
import { context, failure } from '../../suites/contract.ts';
import { type Containerd, startContainerd } from '../containerd.ts';
import { output } from '../observe/command.ts';
import * as ctr from '../observe/containerd.ts';
import {
  configOf,
  foreignContainer,
  IMAGE,
  INSTANCE,
  importImage,
  NAMESPACE,
  runtimeOn,
} from './runtime-under-test.ts';

const runtime = runtimeOn();
const client = connect({ socket: '/run/containerd/containerd.sock' }).with({ namespace: NAMESPACE });
const snapshotter = 'overlayfs';
const ours = { 'kukeon.io/instance': INSTANCE };
const root = { 'containerd.io/gc.root': 'now' };
const create = () => runtime.createNamespace({ namespace: NAMESPACE }, context());
const remove = () => runtime.removeNamespace({ namespace: NAMESPACE }, context());

let containerd: Containerd;
beforeEach(async () => {
  containerd = await startContainerd();
  await create();
});
afterEach(() => containerd.stop());

test('is labelled with the installation', async () => {
  expect(await ctr.labels('namespaces', NAMESPACE, NAMESPACE)).toEqual([`kukeon.io/instance=${INSTANCE}`]);
});

test('takes images, snapshots and leases of ours along, down to the disk', async () => {
  await importImage(NAMESPACE);
  await importImage(NAMESPACE, { name: 'docker.io/library/second:1', config: { Env: ['A=b'] } });
  await client.leases.create({ id: 'ours', labels: ours });
  await client.snapshots.prepare({ snapshotter, key: 'orphan', labels: { ...ours, ...root } });
  expect(await ctr.content(NAMESPACE)).not.toEqual([]);
  await remove();
  expect(await ctr.namespaces()).not.toContain(NAMESPACE);
  const left = [ctr.images, ctr.content, ctr.snapshots, ctr.leases].map(list => list(NAMESPACE));
  expect(await Promise.all(left)).toEqual([[], [], [], []]);
  const blobs = `${containerd.root}/io.containerd.content.v1.content/blobs/sha256`;
  expect(existsSync(blobs) ? readdirSync(blobs) : []).toEqual([]);
  expect(readdirSync(`${containerd.root}/io.containerd.snapshotter.v1.overlayfs/snapshots`)).toEqual([]);
});

test('takes what crun keeps for it along', async () => {
  const folder = `/run/containerd/runc/${NAMESPACE}`;
  mkdirSync(`${folder}/.cache/seccomp`, { recursive: true });
  writeFileSync(`${folder}/.cache/seccomp/0c82508e`, 'a filter');
  await remove();
  expect(existsSync(folder)).toBe(false);
});

describe('is kept, with all that is in it, for the sake of', () => {
  const cases: [string, string, () => Promise<unknown>, () => Promise<unknown>][] = [
    [
      'a container',
      'container theirs',
      () => foreignContainer(NAMESPACE, 'theirs'),
      () => ctr.ctr(NAMESPACE, ['containers', 'rm', 'theirs']),
    ],
    [
      'an image',
      'image theirs',
      async () => ctr.ctr(NAMESPACE, ['images', 'tag', IMAGE, 'theirs']).then(() => unlabel('theirs')),
      () => ctr.ctr(NAMESPACE, ['images', 'rm', 'theirs']),
    ],
    [
      'a lease',
      'lease theirs',
      () => client.leases.create({ id: 'theirs' }),
      () => client.leases.delete({ id: 'theirs' }),
    ],
    [
      'a snapshot',
      'snapshot theirs',
      () => client.snapshots.prepare({ snapshotter, key: 'theirs', labels: root }),
      () => client.snapshots.remove({ snapshotter, key: 'theirs' }),
    ],
  ];
  test.each(cases)('%s of others', async (_, named, make, unmake) => {
    await importImage(NAMESPACE);
    await make();
    const error = await failure(remove(), 'Conflict');
    expect(error.message).toContain(named);
    expect(error.message).not.toContain(IMAGE);
    expect(await ctr.images(NAMESPACE)).toContain(IMAGE);
    expect(await ctr.namespaces()).toContain(NAMESPACE);
    await unmake();
    await remove();
    expect(await ctr.namespaces()).not.toContain(NAMESPACE);
  });

  test('a container of ours', async () => {
    await importImage(NAMESPACE);
    await runtime.create(configOf('a'), context());
    const error = await failure(remove(), 'Conflict');
    expect(error.message).toContain('container a');
    await runtime.remove({ namespace: NAMESPACE, id: 'a' }, context());
    await remove();
    expect(await ctr.namespaces()).not.toContain(NAMESPACE);
  });
});

test('of another installation is a conflict, to make and to remove', async () => {
  const other = runtimeOn({ instance: 'another-instance' });
  expect(await other.namespaces()).toContainEqual({ namespace: NAMESPACE, ours: false });
  await failure(other.createNamespace({ namespace: NAMESPACE }, context()), 'Conflict');
  await failure(other.removeNamespace({ namespace: NAMESPACE }, context()), 'Conflict');
  await remove();
});

async function unlabel(image: string): Promise<void> {
  await output('ctr', '-n', NAMESPACE, 'images', 'label', image, 'kukeon.io/instance=');
}
