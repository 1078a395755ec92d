/** What the audit log has of requests: a line before the host is changed, and one that says how it ended. */
import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditRequest } from '../../../src/daemon/audit.ts';
import { readAudit } from '../../../src/kernel/audit.ts';
import { cellYaml } from '../kernel/kernel-on-fakes.ts';
import { serverOnFakes } from './server-on-fakes.ts';

const top = mkdtempSync(join(tmpdir(), 'kuke-requests-'));
afterAll(() => rmSync(top, { recursive: true }));

test('a request that was killed is known, with who asked; one that changed nothing leaves nothing', async () => {
  const file = { path: join(top, 'audit.jsonl'), instance: join(top, 'instance') };
  writeFileSync(file.instance, 'id\n');
  await using api = await serverOnFakes({ audit: entry => auditRequest(file, entry) });
  const results = async () => (await readAudit(file.path)).map(({ result, command, uid }) => [result, command, uid]);
  const uid = process.getuid?.();
  const [method, path] = ['POST', '/v1beta1/apply'];
  const space = 'apiVersion: v1beta1\nkind: Space\nmetadata: { name: dmz }\nspec: { realmId: main }\n';
  const held = api.on.host.faults.pause('network.define');
  const asked = api.ask(method, path, space);
  await held.reached;
  expect(await results()).toEqual([['begun', `${method} ${path}`, uid]]);
  held.resume();
  expect((await asked).status).toBe(200);
  await api.ask(method, path, space);
  expect((await api.ask(method, path, cellYaml('bad', '[{ id: a, image: nowhere }]'))).status).toBe(404);
  expect(await results()).toEqual([
    ['done', `${method} ${path}`, uid],
    ['failed', `${method} ${path}`, uid],
  ]);
  expect(readFileSync(file.path, 'utf8').split('\n').length).toBeLessThan(6);
});

test('what doctor has put right is told, and where it could not', async () => {
  await using api = await serverOnFakes();
  api.on.host.faults.fail('store.lock', new Error('no lock'));
  expect((await api.ask('POST', '/v1beta1/doctor')).status).toBeGreaterThanOrEqual(400);
  expect((await api.ask('POST', '/v1beta1/doctor')).status).toBe(200);
  expect(api.audited.map(({ request, error }) => [request, error?.message])).toEqual([
    ['POST /v1beta1/doctor', 'no lock'],
    ['POST /v1beta1/doctor', undefined],
  ]);
});
