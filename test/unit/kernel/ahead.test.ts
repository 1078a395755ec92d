/** What may take long and needs no lock, a pull, comes before the lock. */
import { beforeEach, expect, test } from 'bun:test';
import { makeAhead } from '../../../src/kernel/ahead.ts';
import { KukeError } from '../../../src/kernel/errors.ts';
import type { ExecuteContext } from '../../../src/kernel/execute.ts';
import { makePlan } from '../../../src/kernel/plan.ts';
import { publish } from '../../fakes/index.ts';
import { cellYaml, kernelOnFakes, type TestKernel } from './kernel-on-fakes.ts';

let kuke: TestKernel;
beforeEach(async () => {
  kuke = await kernelOnFakes();
  await kuke.init();
});

const actions = () => kuke.host.calls.map(({ action }) => action);
const pulls = () => actions().filter(action => action === 'images.pull');

test('the lock is free while an image is pulled, and the cell is planned anew then', async () => {
  publish(kuke.host, { name: 'busybox', cmd: ['sleep', '1000'] });
  const pause = kuke.host.faults.pause('images.pull');
  const applied = kuke.apply(cellYaml('web'));
  await pause.reached;
  expect(kuke.host.store.holder).toBeUndefined();
  const [beside] = await kuke.apply(
    '{ apiVersion: v1beta1, kind: Stack, metadata: { name: beside }, spec: { realmId: main, spaceId: default } }',
  );
  expect(beside?.result).toBe('created');
  pause.resume();
  const [outcome] = await applied;
  expect([outcome?.result, outcome?.error?.summary]).toEqual(['created', undefined]);
  expect(pulls()).toHaveLength(1);
});

test('what several cells need is pulled once', async () => {
  publish(kuke.host, { name: 'busybox', cmd: ['sleep', '1000'] });
  const outcomes = await kuke.apply(['a', 'b', 'c'].map(name => cellYaml(name)).join('\n---\n'));
  expect(outcomes.map(({ result }) => result)).toEqual(['created', 'created', 'created']);
  expect(pulls()).toHaveLength(1);
});

test('a pull that fails fails its cells alone, and nothing of them is made', async () => {
  const before = kuke.host.inventory();
  const stack =
    '{ apiVersion: v1beta1, kind: Stack, metadata: { name: beside }, spec: { realmId: main, spaceId: default } }';
  const outcomes = await kuke.apply([cellYaml('web'), stack].join('\n---\n'));
  expect(outcomes.map(({ result }) => result).sort()).toEqual(['created', 'failed']);
  expect(outcomes.find(({ error }) => error)?.error?.code).toBe('ImageNotFound');
  expect(kuke.host.inventory().filter(line => !line.includes('beside'))).toEqual(before);
});

test('a pull that several cells wait for fails each by its own name', async () => {
  const outcomes = await kuke.apply(['a', 'b'].map(name => cellYaml(name)).join('\n---\n'));
  expect(outcomes.map(({ error }) => error?.details.resource)).toEqual(
    ['a', 'b'].map(name => `cell main/default/default/${name}`),
  );
});

test('Always pulls for each new container, and for none that is there', async () => {
  publish(kuke.host, { name: 'busybox', cmd: ['sleep', '1000'] });
  const yaml = cellYaml('web').replaceAll(/image: busybox/g, 'image: busybox, imagePullPolicy: Always');
  expect(yaml).toContain('Always');
  await kuke.apply(yaml);
  expect(pulls()).toHaveLength(1);
  expect((await kuke.apply(yaml))[0]?.result).toBe('unchanged');
  await kuke.apply(yaml.replaceAll('imagePullPolicy: Always', "imagePullPolicy: Always, env: ['A=b']"));
  expect(pulls()).toHaveLength(2);
});

const stack = `{ apiVersion: v1beta1, kind: Stack, metadata: { name: beside }, spec: { realmId: main, spaceId: default } }`;

test.each([
  ['Ctrl-C during the pull', 'Cancelled'],
  ['another kuke that keeps the lock', 'Locked'],
])('%s loses nothing of what was done before it', async (how, code) => {
  publish(kuke.host, { name: 'busybox', cmd: ['sleep', '1000'] });
  const controller = new AbortController();
  Object.assign(kuke.engine, { signal: controller.signal, lockTimeoutMs: 50 });
  const pause = kuke.host.faults.pause('images.pull', { after: true });
  const applied = kuke.apply([cellYaml('web'), stack].join('\n---\n'));
  await pause.reached;
  if (code === 'Cancelled') controller.abort(new KukeError('Cancelled', how));
  else kuke.host.store.holder = { pid: 1, command: how };
  pause.resume();
  const outcomes = await applied;
  expect(outcomes.map(({ ref, result, error }) => [ref.kind, result, error?.code, error?.details.resource])).toEqual([
    ['Cell', 'failed', code, 'cell main/default/default/web'],
    ['Stack', 'created', undefined, undefined],
  ]);
});

test('cells that come after one whose image is pulled wait for it, and their own images are pulled without the lock, too', async () => {
  const holders: (string | undefined)[] = [];
  kuke.kernel.hooks.tap('test', 'step:before', ({ type }) => {
    if (type === 'images.pull') holders.push(kuke.host.store.holder?.command);
  });
  const image = (name: string, of: string, more = '') =>
    cellYaml(name).replace('image: busybox', `image: ${of}`).replace('containers:', `${more}containers:`);
  for (const name of ['first', 'second']) publish(kuke.host, { name, cmd: ['sleep', '1000'] });
  const cells = [
    image('c', 'first', 'dependsOn: [b], '),
    image('b', 'second', 'dependsOn: [a], '),
    image('a', 'first'),
  ];
  const outcomes = await kuke.apply(cells.join('\n---\n'));
  expect(outcomes.map(({ ref, result, error }) => [ref.path.at(-1), result, error?.message])).toEqual([
    ['c', 'created', undefined],
    ['b', 'created', undefined],
    ['a', 'created', undefined],
  ]);
  expect(holders).toEqual([undefined, undefined]);
});

test('a cell that comes after one that could not be made says so', async () => {
  publish(kuke.host, { name: 'busybox', cmd: ['sleep', '1000'] });
  const [a, b] = ['a', 'b'].map(name => cellYaml(name)) as [string, string];
  const cells = [a.replace('image: busybox', 'image: none'), b.replace('containers:', 'dependsOn: [a], containers:')];
  const outcomes = await kuke.apply(cells.join('\n---\n'));
  expect(outcomes.map(({ error }) => [error?.code, error?.remedy])).toEqual([
    ['ImageNotFound', expect.any(String)],
    ['Failed', 'see its own error'],
  ]);
  expect(outcomes[1]?.error?.message).toBe('cell main/default/default/a could not be made');
});

test('a resource is put off for its own steps once, and not for ever where they are others each time', () => {
  const operations = { find: () => ({ ahead: true }) } as unknown as ExecuteContext['operations'];
  const ahead = makeAhead({ operations } as ExecuteContext);
  const ref = { kind: 'Cell', path: ['web'] };
  const puts = () => {
    const plan = makePlan('undo');
    plan.add(ref, 'cgroup.create', { path: crypto.randomUUID() });
    return ahead.putsOff(ref, plan);
  };
  expect([puts(), puts()]).toEqual([true, false]);
});
