/** `GET /v1beta1/usage`: resources and what kukeond has kept of their cgroups. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { makeHistory } from '../../../src/daemon/usage/history.ts';
import type { PastUse } from '../../../src/kernel/usage.ts';
import { publish } from '../../fakes/index.ts';
import { cellYaml } from '../kernel/kernel-on-fakes.ts';
import { serverOnFakes, type TestServer } from './server-on-fakes.ts';

const CELL = '/kukeon/main/default/default/web';
const usage = makeHistory(10_000);
let api: TestServer;
beforeAll(async () => {
  api = await serverOnFakes({ usage });
  publish(api.on.host, { name: 'busybox' });
  await api.ask('POST', '/v1beta1/apply', cellYaml('web'));
  const now = performance.now();
  for (const [at, cpuUsec] of [
    [now - 20_000, 1e6],
    [now - 10_000, 6e6],
    [now, 6e6],
  ] as const)
    usage.add({
      at,
      groups: new Map(
        ['/kukeon', CELL, `${CELL}/web_root`].map(path => [path, { path, cpuUsec, memory: { current: 8192 } }]),
      ),
    });
});
afterAll(() => api[Symbol.asyncDispose]());

const past = async (query = '') => (await api.ask('GET', `/v1beta1/usage${query}`)).json as PastUse;

test('all kinds, parents first; what is not counted is absent', async () => {
  const { items, total, times, intervalSeconds, from = '', to = '' } = await past();
  expect(items.map(({ kind, path }) => `${kind} ${path.join('/')}`)).toEqual([
    'Realm main',
    'Space main/default',
    'Stack main/default/default',
    'Cell main/default/default/web',
    'Container main/default/default/web/web',
  ]);
  const cpu = { cpus: { average: 0.25, peak: 0.5, points: [null, 0.5, 0] } };
  const memory = { usedBytes: { average: 8192, peak: 8192, points: [8192, 8192, 8192] } };
  expect(total).toEqual({ cgroup: '/kukeon', cpu, memory });
  expect(items[4]).toEqual({
    kind: 'Container',
    name: 'web',
    path: ['main', 'default', 'default', 'web', 'web'],
    cgroup: `${CELL}/web_root`,
    cpu,
    memory,
  });
  expect(items[0]).toEqual({ kind: 'Realm', name: 'main', path: ['main'], cgroup: '/kukeon/main' });
  expect([times.length, intervalSeconds, from, to]).toEqual([3, 10, times[0] ?? '', times[2] ?? '']);
  expect(Math.abs(Date.now() - Date.parse(to))).toBeLessThan(60_000);
  expect(Date.parse(to) - Date.parse(from)).toBeGreaterThanOrEqual(19_000);
});

test('of a part of the time, in parts, of a scope', async () => {
  const { items, times } = await past('?last=16s&points=2&cell=WEB');
  expect(items.map(({ kind }) => kind)).toEqual(['Cell', 'Container']);
  expect([times.length, items[0]?.cpu?.cpus.points]).toEqual([2, [0.5, 0]]);
  expect((await past('?realm=lab')).items).toEqual([]);
});

test.each([
  ['last=2h', 'last'],
  ['last=soon', 'last'],
  ['points=0', 'points'],
  ['points=100000', 'points'],
  ['cell=a..b', 'cell'],
])('?%s is refused', async (query, field) => {
  const asked = await api.ask('GET', `/v1beta1/usage?${query}`);
  expect({ status: asked.status, json: asked.json }).toMatchObject({
    status: 400,
    json: { error: { code: 'Usage', field } },
  });
});
