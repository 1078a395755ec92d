/** Earlier specs of a cell: kept with each change, undone with it, gone with the cell. */
import { beforeEach, describe, expect, test } from 'bun:test';
import { toResource } from '../../../src/kernel/manifest.ts';
import { readTree } from '../../../src/kernel/observe.ts';
import { DEFAULT_STOP_TIMEOUT_MS } from '../../../src/kernel/planning.ts';
import {
  changesIn,
  KEPT,
  readRevisions,
  revisionsFile,
  revisionsText,
} from '../../../src/kernel/revisions/revision.ts';
import { inRevision } from '../../../src/kernel/revisions/undo.ts';
import { addImage } from '../../fakes/index.ts';
import { cellRef, cellYaml, kernelOnFakes, type TestKernel } from './kernel-on-fakes.ts';

let kuke: TestKernel;
beforeEach(async () => {
  kuke = await kernelOnFakes();
  await kuke.init();
  const namespace = kuke.host.runtime.namespaces.get('kukeon-main');
  if (namespace === undefined) throw new Error('no namespace');
  addImage(namespace, { name: 'busybox', cmd: ['sleep', '1000'] });
});

const web = cellRef('web');
const FILE = revisionsFile(web);
const withEnv = (value: string) => cellYaml('web', `[{ id: web, image: busybox, root: true, env: ['A=${value}'] }]`);
const kept = () => readRevisions(kuke.kernel.use, web);
const numbers = async () => (await kept()).map(({ revision }) => revision);
const envOf = (manifest: { spec: Record<string, unknown> } | undefined) =>
  (manifest?.spec.containers as { env?: string[] }[] | undefined)?.[0]?.env;

test('nothing is kept of what was never changed; the first change keeps what was there before', async () => {
  await kuke.apply(withEnv('1'));
  expect(kuke.host.store.files.has(FILE)).toBeFalse();
  await kuke.apply(withEnv('1'));
  expect(kuke.host.store.files.has(FILE)).toBeFalse();
  await kuke.apply(withEnv('2'));
  const [first, second, ...others] = await kept();
  expect(others).toEqual([]);
  expect(first).toEqual({ revision: 1, manifest: expect.anything() });
  expect(second).toMatchObject({ revision: 2, command: 'kuke test', at: expect.stringMatching(/^\d{4}-.*Z$/) });
  expect([envOf(first?.manifest), envOf(second?.manifest)]).toEqual([['A=1'], ['A=2']]);
});

test('what start and stop write makes none, and an undo leaves it as it is', async () => {
  await kuke.apply(withEnv('1'));
  const stop = { verb: 'stop', stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS } as const;
  await kuke.change(web, spec => ({ ...spec, desiredState: 'stopped' }), stop);
  expect(kuke.host.store.files.has(FILE)).toBeFalse();
  await kuke.apply(withEnv('2'));
  expect((await kept()).map(({ manifest }) => 'desiredState' in manifest.spec)).toEqual([false, false]);
  const resources = await inRevision(kuke.kernel, web)(await readTree(kuke.kernel));
  await kuke.apply(JSON.stringify(resources[0]?.manifest));
  const { manifest } = await kuke.get('Cell', ...web.path);
  expect([manifest.spec.desiredState, envOf(manifest)]).toEqual(['stopped', ['A=1']]);
  expect(await numbers()).toEqual([1, 2, 3]);
});

test('so many are kept, and numbers go on', async () => {
  for (let value = 0; value <= KEPT + 2; value++) await kuke.apply(withEnv(String(value)));
  expect(await numbers()).toEqual(Array.from({ length: KEPT }, (_, index) => index + 4));
});

test('what a command has taken back is none, unless somebody else has changed it meanwhile', async () => {
  const back = { verb: 'apply', stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS, takesBack: true } as const;
  await kuke.apply(withEnv('1'));
  await kuke.apply(withEnv('bad'));
  await kuke.apply(withEnv('1'), back);
  expect((await kept()).map(({ revision, manifest }) => [revision, envOf(manifest)])).toEqual([[1, ['A=1']]]);
  for (const value of ['2', 'bad', 'of another']) await kuke.apply(withEnv(value));
  await kuke.apply(withEnv('2'), back);
  expect((await kept()).map(({ manifest }) => envOf(manifest)?.[0])).toEqual([
    'A=1',
    'A=2',
    'A=bad',
    'A=of another',
    'A=2',
  ]);
});

test('those that are too large for the file give way, the oldest first', () => {
  const manifest = {
    apiVersion: 'v1beta1',
    kind: 'Cell',
    metadata: { name: 'web' },
    spec: { note: 'x'.repeat(400_000) },
  } as const;
  const text = revisionsText([1, 2, 3].map(revision => ({ revision, manifest })));
  expect(
    text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line).revision),
  ).toEqual([2, 3]);
  expect(revisionsText([{ revision: 1, manifest: { ...manifest, spec: { note: 'x'.repeat(2 ** 20) } } }])).toBe('');
});

test('a change that is undone leaves none behind', async () => {
  await kuke.apply(withEnv('1'));
  kuke.host.faults.fail('store.writeFile', new Error('no room'));
  const [failed] = await kuke.apply(withEnv('2'));
  expect(failed).toMatchObject({ result: 'failed', previous: expect.anything() });
  expect(kuke.host.store.files.has(FILE)).toBeFalse();
});

test('what was changed by hand in the file of the cell is one, too', async () => {
  await kuke.apply(withEnv('1'));
  await kuke.apply(withEnv('2'));
  const stored = kuke.host.store.manifests.get('cell:main/default/default/web');
  const [resource] = await kuke.read(withEnv('by hand'));
  if (stored === undefined || resource === undefined) throw new Error('no cell');
  stored.manifest = { ...stored.manifest, spec: resource.manifest.spec };
  await kuke.apply(withEnv('3'));
  expect((await kept()).map(({ manifest }) => envOf(manifest)?.[0])).toEqual(['A=1', 'A=2', 'A=by hand', 'A=3']);
});

test('they go with the cell', async () => {
  await kuke.apply(withEnv('1'));
  await kuke.apply(withEnv('2'));
  await kuke.remove([web]);
  expect([...kuke.host.store.files.keys()]).not.toContain(FILE);
  await kuke.apply(withEnv('3'));
  expect(await numbers()).toEqual([]);
});

describe('an undo', () => {
  const undone = async (to?: number) => inRevision(kuke.kernel, web, to)(await readTree(kuke.kernel));

  test('takes the one before the last, or that of a number', async () => {
    for (const value of ['1', '2', '3']) await kuke.apply(withEnv(value));
    expect(envOf((await undone())[0]?.manifest)).toEqual(['A=2']);
    expect(envOf((await undone(1))[0]?.manifest)).toEqual(['A=1']);
    expect(undone(7)).rejects.toThrow('it has no revision 7');
  });

  test('of what was never changed, or is not there, is refused', async () => {
    expect(undone()).rejects.toThrow('not found');
    await kuke.apply(withEnv('1'));
    expect(undone()).rejects.toThrow('it has no earlier revision');
  });

  test('tells field by field what it changes', async () => {
    await kuke.apply(withEnv('1'));
    await kuke.apply(withEnv('2'));
    const [first, second] = await kept();
    if (first === undefined || second === undefined) throw new Error('nothing is kept');
    const changes = changesIn(kuke.kernel.kinds.get('Cell'), first.manifest, second.manifest);
    expect(changes.map(({ path }) => path)).toEqual(['spec.containers[web].env']);
    expect(toResource(kuke.kernel.kinds, first.manifest).ref).toEqual(web);
  });
});
