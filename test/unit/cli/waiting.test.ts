/** What another kuke changes while one waits for the lock is neither taken back nor overlooked. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import type { Manifest } from '../../../src/kernel/resource.ts';
import { cellRef, cellYaml } from '../kernel/kernel-on-fakes.ts';
import { type FakeKuke, type Ran, readyKuke } from './kuke-on-fakes.ts';

let fake: FakeKuke;
beforeEach(async () => {
  fake = await readyKuke();
  const { status } = await fake.kuke('apply', '-f', fake.file('web.yaml', cellYaml('web')));
  expect(status).toBe(0);
});
afterEach(() => fake.remove());

const WEB = 'cell:main/default/default/web';
const BLOG = 'stack:main/default/blog';

function stored(key: string): Manifest {
  const found = fake.host.store.manifests.get(key);
  if (found === undefined) throw new Error(`no ${key}`);
  return found.manifest;
}

/** Runs a command, and `meanwhile` when it has looked around and is about to take the lock. */
async function overtaken(argv: string[], meanwhile: () => void): Promise<Ran> {
  const pause = fake.host.faults.pause('store.lock');
  const ran = fake.kuke(...argv);
  await pause.reached;
  meanwhile();
  pause.resume();
  return ran;
}

function relabelled(key: string, labels: Record<string, string>): void {
  const { ref, manifest } = fake.host.store.manifests.get(key) ?? {};
  if (ref === undefined || manifest === undefined) throw new Error(`no ${key}`);
  fake.host.store.manifests.set(key, {
    ref,
    manifest: { ...manifest, metadata: { ...manifest.metadata, labels } },
  });
}

test.each([['stop'], ['kill']])('%s does not take back what an apply has changed', async verb => {
  const ran = await overtaken([verb, 'cell', 'web'], () => relabelled(WEB, { tier: 'new' }));
  expect(ran).toMatchObject({ status: 0, stderr: '' });
  expect(stored(WEB).metadata.labels).toEqual({ tier: 'new' });
  expect(stored(WEB).spec.desiredState).toBe('stopped');
});

test.each([['start'], ['stop'], ['kill']])('%s of a cell that was deleted says so, and makes nothing', async verb => {
  await fake.kuke(verb === 'start' ? 'stop' : 'start', 'cell', 'web');
  const ran = await overtaken([verb, 'cell', 'web'], () => fake.host.store.manifests.delete(WEB));
  expect(ran.status).toBe(3);
  expect(ran.stderr).toContain('cell main/default/default/web: not found');
  expect(ran.stdout).toBe('');
  expect(fake.host.store.manifests.has(WEB)).toBe(false);
});

test('a cell whose manifest got damaged is said to be damaged, not missing', async () => {
  const problem = { path: '/opt/kukeon/web/cell.yaml', message: 'line 3: what is this?', ref: cellRef('web') };
  fake.host.store.manifests.delete(WEB);
  fake.host.store.spoilt.set(WEB, problem);
  const { status, stderr } = await fake.kuke('stop', 'cell', 'web');
  expect(status).toBe(1);
  expect(stderr).toContain('/opt/kukeon/web/cell.yaml: line 3: what is this?');
});

test('create leaves what has come to exist meanwhile as it is', async () => {
  const ran = await overtaken(['create', 'stack', 'blog'], () => {
    const { manifest, ref } = fake.host.store.manifests.get('stack:main/default/default') ?? {};
    if (manifest === undefined || ref === undefined) throw new Error('no stack');
    fake.host.cgroups.set('/kukeon/main/default/blog', { ours: true });
    fake.host.store.manifests.set(BLOG, {
      ref: { ...ref, path: ['main', 'default', 'blog'] },
      manifest: { ...manifest, metadata: { name: 'blog', labels: { tier: 'new' } } },
    });
  });
  expect(ran).toMatchObject({ status: 0, stdout: 'stack main/default/blog unchanged\n' });
  expect(stored(BLOG).metadata.labels).toEqual({ tier: 'new' });
});

test('create makes what has been deleted meanwhile anew, without what it was', async () => {
  await fake.kuke('create', 'stack', 'blog');
  relabelled(BLOG, { tier: 'old' });
  fake.host.cgroups.delete('/kukeon/main/default/blog');
  const ran = await overtaken(['create', 'stack', 'blog'], () => fake.host.store.manifests.delete(BLOG));
  expect(ran).toMatchObject({ status: 0, stdout: 'stack main/default/blog created\n' });
  expect(stored(BLOG).metadata).toEqual({ name: 'blog' });
});
