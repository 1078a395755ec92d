import { afterEach, beforeEach, expect, test } from 'bun:test';
import { cellYaml } from '../kernel/kernel-on-fakes.ts';
import { type FakeKuke, readyKuke } from './kuke-on-fakes.ts';

let fake: FakeKuke;
beforeEach(async () => {
  fake = await readyKuke();
  fake.host.controllers.delete('memory');
});
afterEach(() => fake.remove());

const limited = cellYaml('web', '[{ id: web, image: busybox, resources: { memory: { limit: 64Mi } } }]');

test('apply, without it: the cell runs, and the limit that does not hold is named', async () => {
  const { status, stdout } = await fake.kuke('apply', '-f', fake.file('web.yaml', limited));
  expect([status, stdout]).toEqual([
    0,
    expect.stringContaining('spec.containers[web].resources.memory.limit is not enforced'),
  ]);
  expect((await fake.kuke('get', 'cells')).stdout).toContain('Ready');
});

test('apply --strict: refused, and nothing is made', async () => {
  const before = fake.host.inventory();
  const { status, stderr } = await fake.kuke('apply', '--strict', '-f', fake.file('web.yaml', limited));
  expect([status, stderr]).toEqual([5, expect.stringContaining('spec.containers[web].resources.memory.limit')]);
  expect(fake.host.inventory()).toEqual(before);
});

test('start --strict: a cell whose limits do not hold here is not started', async () => {
  await fake.kuke('apply', '-f', fake.file('web.yaml', limited));
  await fake.kuke('stop', 'cell', 'web');
  const { status, stderr } = await fake.kuke('start', 'cell', 'web', '--strict');
  expect([status, stderr]).toEqual([5, expect.stringContaining('memory.limit')]);
  expect((await fake.kuke('get', 'cells')).stdout).toContain('Stopped');
  expect((await fake.kuke('start', 'cell', 'web')).status).toBe(0);
});

test('rollout restart --strict: it runs on as it is', async () => {
  await fake.kuke('apply', '-f', fake.file('web.yaml', limited));
  const before = fake.host.inventory();
  const { status, stderr } = await fake.kuke('rollout', 'restart', 'web', '--strict');
  expect([status, stderr]).toEqual([5, expect.stringContaining('memory.limit')]);
  expect(fake.host.inventory()).toEqual(before);
  expect((await fake.kuke('rollout', 'restart', 'web')).status).toBe(0);
});

test('run --strict: what its space limits and the host cannot is not begun', async () => {
  const space = `{ apiVersion: v1beta1, kind: Space, metadata: { name: default }, spec: { defaults: { container: { resources: { memory: { limit: 64Mi } } } } } }`;
  expect(await fake.kuke('apply', '-f', fake.file('space.yaml', space))).toMatchObject({ status: 0 });
  const { status, stderr } = await fake.kuke('run', '-d', '--name', 'web', '--strict', 'busybox');
  expect([status, stderr]).toEqual([5, expect.stringContaining('memory.limit')]);
  expect((await fake.kuke('get', 'cells', '-o', 'name')).stdout).toBe('');
  expect((await fake.kuke('run', '-d', '--name', 'web', 'busybox')).status).toBe(0);
});

test('create --strict: what has no limits is made', async () => {
  expect((await fake.kuke('create', 'cell', 'plain', '--strict')).stdout).toContain('created');
});
