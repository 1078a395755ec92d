/** What a command line tells the audit log. */
import { afterAll, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditOf, auditPath } from '../../../src/cli/audit.ts';
import type { GlobalFlags } from '../../../src/cli/global-flags.ts';
import type { Outcome } from '../../../src/kernel/apply.ts';
import { readAudit } from '../../../src/kernel/audit.ts';
import { KukeError } from '../../../src/kernel/errors.ts';

const top = mkdtempSync(join(tmpdir(), 'kuke-audit-cli-'));
afterAll(() => rmSync(top, { recursive: true }));

let count = 0;
let globals: GlobalFlags;
beforeEach(() => {
  const runPath = join(top, String(++count));
  mkdirSync(join(runPath, '.kuke'), { recursive: true });
  writeFileSync(join(runPath, '.kuke/instance'), 'id\n');
  globals = { runPath, config: { auditLog: join(runPath, 'audit.jsonl') } } as unknown as GlobalFlags;
});
const audit = () => auditOf({ globals, line: 'kuke apply -f x' });
const told = async () =>
  (await readAudit(auditPath(globals))).map(({ at: _, ms: _ms, id: _id, pid: _pid, login: _login, ...rest }) => rest);
const who = { uid: process.getuid?.() ?? -1, user: expect.any(String), command: 'kuke apply -f x' };
const outcome = (result: Outcome['result']): Outcome => ({
  ref: { kind: 'Realm', path: ['main'] },
  result,
  changes: [],
  steps: [],
  notes: [],
});

test('outcomes, and what doctor has fixed; nothing where nothing was changed', async () => {
  await audit().of(async () => [outcome('unchanged')]);
  await audit().of(async () => [{ code: 'OrphanCgroup', fixed: false }]);
  expect(await told()).toEqual([]);
  expect(await audit().of(async () => [outcome('created')])).toHaveLength(1);
  await audit().of(async () => [{ code: 'OrphanCgroup', fixed: true }]);
  expect(await told()).toEqual([
    { ...who, result: 'done', resources: [{ resource: 'realm main', result: 'created' }] },
    { ...who, result: 'done', resources: [{ resource: 'host', result: 'fixed OrphanCgroup' }] },
  ]);
});

test('a failure is told, and thrown on', async () => {
  const failing = audit().of(() => Promise.reject(new KukeError('Locked', 'still held')));
  await expect(failing).rejects.toThrow('still held');
  expect(await told()).toEqual([
    { ...who, result: 'failed', error: { code: 'Locked', message: 'still held' }, resources: [] },
  ]);
});

test('that it has begun is told once, and is followed by its end, also where that is nothing', async () => {
  audit().begun('kuke apply -f x');
  audit().begun('kuke apply -f x');
  expect(await told()).toEqual([{ ...who, result: 'begun', resources: [] }]);
  await audit().of(async () => [outcome('unchanged')]);
  expect(await told()).toEqual([{ ...who, result: 'done', resources: [] }]);
});

test('one that cannot be written disturbs nobody', async () => {
  mkdirSync(auditPath(globals));
  expect(await audit().of(async () => [outcome('created')])).toHaveLength(1);
});
