/** A cell refers to the spaces that its containers join: they are asked for before anything is made, and stay while it does. */
import { beforeEach, describe, expect, test } from 'bun:test';
import type { Outcome } from '../../../src/kernel/apply.ts';
import type { ResourceRef } from '../../../src/kernel/resource.ts';
import { addImage } from '../../fakes/index.ts';
import { cellRef, cellYaml, kernelOnFakes, type TestKernel } from './kernel-on-fakes.ts';

const spaceRef = (name: string): ResourceRef => ({ kind: 'Space', path: ['main', name] });
const spaceYaml = (name: string, fields = '') =>
  `{ apiVersion: v1beta1, kind: Space, metadata: { name: ${name} }, spec: { realmId: main, ${fields} } }`;
const joining = (...networks: string[]) => `[{ id: web, image: busybox, root: true, networks: [${networks}] }]`;
const realm: ResourceRef = { kind: 'Realm', path: ['main'] };
const stack: ResourceRef = { kind: 'Stack', path: ['main', 'default', 'default'] };

const results = (outcomes: Outcome[]) =>
  Object.fromEntries(outcomes.map(({ ref, result, error }) => [ref.path.at(-1), error?.message ?? result]));

let kuke: TestKernel;
beforeEach(async () => {
  kuke = await kernelOnFakes();
  await kuke.init();
  const namespace = kuke.host.runtime.namespaces.get('kukeon-main');
  if (namespace === undefined) throw new Error('no namespace');
  addImage(namespace, { name: 'busybox', cmd: ['sleep', '1000'] });
  const yaml = [spaceYaml('other'), cellYaml('j', joining('other'))].join('\n---');
  expect(results(await kuke.apply(yaml))).toEqual({ other: 'created', j: 'created' });
});

const REFERRED = 'it is referred to by cell main/default/default/j';

describe('a space that a cell of another has joined', () => {
  test.each([[true], [false]])('is not deleted, with cascade %p or not, and nothing of it has gone', async cascade => {
    if (cascade) {
      const inOther = '{ apiVersion: v1beta1, kind: Stack, metadata: { name: default }, spec: { spaceId: other } }';
      await kuke.apply(`${inOther}\n---${cellYaml('own').replace('spaceId: default', 'spaceId: other')}`);
    }
    const before = kuke.host.inventory();
    const outcomes = await kuke.remove([spaceRef('other')], cascade);
    expect(outcomes).toHaveLength(1);
    expect(outcomes[0]?.error).toMatchObject({ code: 'Conflict', exitCode: 4, message: REFERRED });
    expect(outcomes[0]?.error?.details.resource).toBe('space main/other');
    expect(kuke.host.inventory()).toEqual(before);
  });

  test('goes together with that cell, in whatever order they are named', async () => {
    const refs = [spaceRef('other'), cellRef('j')];
    for (const order of [refs, refs.toReversed()]) {
      expect(results(await kuke.remove(order))).toEqual({ j: 'deleted', other: 'deleted' });
      await kuke.apply(`${cellYaml('j', joining('other'))}---\n${spaceYaml('other')}`);
    }
  });

  test.each<[string, ResourceRef[]]>([
    ['space', [spaceRef('other'), spaceRef('default')]],
    ['space, named first,', [spaceRef('default'), spaceRef('other')]],
    ['stack', [spaceRef('other'), stack]],
    ['realm', [realm]],
  ])('goes together with the %s of that cell, and after it', async (_, refs) => {
    const before = kuke.host.calls.length;
    const outcomes = await kuke.remove(refs);
    expect(new Set(outcomes.map(({ result, error }) => error?.summary ?? result))).toEqual(new Set(['deleted']));
    expect(kuke.host.networks.has('main-other')).toBe(false);
    const done = kuke.host.calls.slice(before).map(({ action }) => action);
    expect(done.filter(action => action === 'network.detach')).toHaveLength(2);
    expect(done.indexOf('network.remove')).toBeGreaterThan(done.lastIndexOf('network.detach'));
  });

  test('stays where what the cell is in stays', async () => {
    const before = kuke.host.inventory();
    const outcomes = await kuke.remove([spaceRef('other'), stack], false);
    expect(outcomes.map(({ error }) => error?.code)).toEqual(['HasChildren', 'Conflict']);
    expect(kuke.host.inventory()).toEqual(before);
  });

  test('stays where the cell could not be deleted, and goes with it the next time', async () => {
    kuke.host.faults.fail('network.detach', new Error('busy'));
    expect(results(await kuke.remove([spaceRef('other'), cellRef('j')]))).toEqual({
      j: 'busy',
      other: 'stays, for it is still referred to by cell main/default/default/j',
    });
    expect(kuke.host.networks.has('main-other')).toBe(true);
    expect(results(await kuke.remove([spaceRef('other'), cellRef('j')]))).toEqual({ j: 'deleted', other: 'deleted' });
  });

  test('may go when the cell has left it', async () => {
    await kuke.apply(cellYaml('j'));
    expect(results(await kuke.remove([spaceRef('other')]))).toEqual({ other: 'deleted' });
  });

  test('is no obstacle to an uninstall', async () => {
    expect(new Set((await kuke.uninstall()).map(({ result }) => result))).toEqual(new Set(['deleted']));
    expect(kuke.host.inventory()).toEqual([]);
  });
});

describe('a cell that joins a space', () => {
  test.each([['running'], ['stopped']])('which is not there, %s, is refused before anything is made', async state => {
    const before = kuke.host.inventory();
    const yaml = cellYaml('k', joining('other', 'nowhere')).replace('{ id: k,', `{ id: k, desiredState: ${state},`);
    const [outcome] = await kuke.apply(yaml);
    expect(outcome?.error).toMatchObject({ code: 'NotFound', exitCode: 3 });
    expect(outcome?.error?.summary).toBe(
      'cell main/default/default/k: there is no space main/nowhere (make it first: `kuke create space nowhere --realm main`)',
    );
    expect(kuke.host.inventory()).toEqual(before);
  });

  test('by its name in another case is a conflict', async () => {
    const [outcome] = await kuke.apply(cellYaml('k', joining('Other')));
    expect(outcome?.error).toMatchObject({ code: 'Conflict', exitCode: 4 });
    expect(outcome?.error?.message).toContain('space main/other exists');
  });

  test('that could not be made fails with it', async () => {
    kuke.host.faults.fail('network.define', new Error('no table'));
    const outcomes = await kuke.apply(`${cellYaml('k', joining('third'))}---\n${spaceYaml('third')}`);
    expect(results(outcomes)).toEqual({ k: 'space main/third could not be made', third: 'no table' });
  });

  test('whose manifest got damaged is told what is the matter', async () => {
    const [key, entry] = [...kuke.host.store.manifests].find(([, { ref }]) => ref.path.at(-1) === 'other') ?? [];
    if (key === undefined || entry === undefined) throw new Error('no space');
    kuke.host.store.manifests.delete(key);
    kuke.host.store.spoilt.set(key, { path: '/opt/kukeon/main/other/space.yaml', message: 'line 3', ref: entry.ref });
    const [outcome] = await kuke.apply(cellYaml('k', joining('other')));
    expect(outcome?.error).toMatchObject({ code: 'MetadataCorrupt' });
  });

  test('which somebody took away by hand is Degraded, can be stopped, and is told what it lacks', async () => {
    kuke.host.store.manifests.delete('space:main/other');
    const j = () => kuke.get('Cell', ...cellRef('j').path);
    expect((await j()).manifest.status).toMatchObject({ state: 'Degraded', reason: 'NetworkMissing' });
    const to = (verb: 'start' | 'stop', desiredState: string) =>
      kuke.change(cellRef('j'), spec => ({ ...spec, desiredState }), { verb, stopTimeoutMs: 1000 });
    expect(results(await to('stop', 'stopped'))).toEqual({ j: 'updated' });
    expect((await j()).manifest.status).toMatchObject({ state: 'Stopped', attachments: [] });
    expect(results(await to('start', 'running'))).toEqual({ j: 'there is no space main/other' });
    expect(results(await kuke.remove([cellRef('j')]))).toEqual({ j: 'deleted' });
  });
});

test('a cell that lost an interface is Degraded with the reason, until it is applied', async () => {
  const status = async () => (await kuke.get('Cell', ...cellRef('j').path)).manifest.status as Record<string, unknown>;
  const before = await status();
  expect(before.state).toBe('Ready');
  for (const [id, one] of kuke.host.attachments) if (one.interface === 'eth1') kuke.host.attachments.delete(id);
  expect(await status()).toMatchObject({
    state: 'Degraded',
    reason: 'NetworkMissing',
    message: 'it is without eth1 in space main/other; apply the cell again',
  });
  expect(results(await kuke.apply(cellYaml('j', joining('other'))))).toEqual({ j: 'updated' });
  expect(await status()).toMatchObject({ state: 'Ready', containers: before.containers as object[] });
  expect(results(await kuke.apply(cellYaml('j', joining('other'))))).toEqual({ j: 'unchanged' });
});
