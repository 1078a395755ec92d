/** Who has changed what: the file of the audit log, and what the journal tells it. */
import { afterAll, describe, expect, test } from 'bun:test';
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Outcome } from '../../../src/kernel/apply.ts';
import { type AuditEntry, actorOf, affectedBy, appendAudit, readAudit } from '../../../src/kernel/audit.ts';
import { auditedJournal } from '../../../src/kernel/audited-journal.ts';
import { KukeError } from '../../../src/kernel/errors.ts';
import { makeJournal } from '../../../src/kernel/journal.ts';
import { rotateLines } from '../../../src/kernel/line-log.ts';
import { makePlan, type OnFailure } from '../../../src/kernel/plan.ts';

const top = mkdtempSync(join(tmpdir(), 'kuke-audit-'));
afterAll(() => rmSync(top, { recursive: true }));

let count = 0;
function fresh({ isInstalled = true } = {}) {
  const own = join(top, String(++count));
  mkdirSync(own);
  const file = { path: join(own, 'log/audit.jsonl'), instance: join(own, 'instance') };
  if (isInstalled) writeFileSync(file.instance, 'id\n');
  return { own, file, journal: () => makeJournal(join(own, 'journal')) };
}

const at = '2026-11-21T20:00:00.000Z';
const entry = (more: Partial<AuditEntry> = {}): AuditEntry => ({
  at,
  command: 'kuke apply',
  result: 'done',
  resources: [],
  ...more,
});

const web = { kind: 'Cell', path: ['main', 'default', 'blog', 'web'] };
const outcome = (more: Partial<Outcome> = {}): Outcome => ({
  ref: web,
  result: 'updated',
  changes: [],
  steps: [],
  notes: [],
  ...more,
});
const changed = (path: string, from: unknown, to: unknown): Outcome['changes'][number] => ({
  path,
  keys: path.split('.').slice(1),
  from,
  to,
  change: 'in-place',
});

test('a line that was cut off, as where the disk was full, takes the next one not along', async () => {
  const { file } = fresh();
  appendAudit(file, entry());
  appendFileSync(file.path, '{"at":"2026-');
  appendAudit(file, entry({ command: 'kuke delete' }));
  expect((await readAudit(file.path)).map(({ command }) => command)).toEqual(['kuke apply', 'kuke delete']);
});

describe('the file', () => {
  test('has a line an entry, for root and the group alone', async () => {
    const { file } = fresh();
    appendAudit(file, entry({ uid: 0, user: 'root' }));
    appendAudit(file, entry({ command: 'kuke stop' }));
    expect((await readAudit(file.path)).map(({ command }) => command)).toEqual(['kuke apply', 'kuke stop']);
    expect(statSync(file.path).mode & 0o777).toBe(0o640);
  });

  test('is put aside when it is large, and the oldest goes', async () => {
    const { file } = fresh();
    appendAudit(file, entry());
    for (let round = 1; round <= 6; round++) {
      appendFileSync(file.path, `${' '.repeat(8 * 1024 * 1024)}\n`);
      appendAudit(file, entry({ command: `kuke ${round}` }));
    }
    expect((await readAudit(file.path)).map(({ command }) => command)).toEqual([
      'kuke 3',
      'kuke 4',
      'kuke 5',
      'kuke 6',
    ]);
    expect(existsSync(`${file.path}.5`)).toBe(false);
    expect(existsSync(file.path)).toBe(false); // the next entry makes it
  });

  test('of two that would put it aside one does, and the new one stays', () => {
    const path = join(fresh().own, 'lines');
    writeFileSync(path, 'large');
    const [one, other] = [openSync(path, 'r'), openSync(path, 'r')];
    rotateLines(path, 2, one);
    rotateLines(path, 2, other); // there is none at the path
    writeFileSync(path, 'new');
    rotateLines(path, 2, other);
    expect([path, `${path}.1`].map(file => readFileSync(file, 'utf8'))).toEqual(['new', 'large']);
    expect(existsSync(`${path}.2`)).toBe(false);
    for (const fd of [one, other]) closeSync(fd);
  });

  test('goes with the installation, and its folder where nobody else uses it', () => {
    const { file } = fresh();
    appendAudit(file, entry());
    rmSync(file.instance);
    appendAudit(file, entry({ command: 'kuke uninstall' }));
    expect(existsSync(join(file.path, '..'))).toBe(false);
  });

  test('a link in its place is not followed, and damaged lines are passed over', async () => {
    const { own, file } = fresh();
    appendAudit(file, entry());
    appendFileSync(file.path, 'nonsense\n{"at": 1}\n{"at":"2026');
    expect(await readAudit(file.path)).toHaveLength(1);
    rmSync(file.path);
    writeFileSync(join(own, 'passwd'), 'x');
    symlinkSync(join(own, 'passwd'), file.path);
    expect(() => appendAudit(file, entry())).toThrow('ELOOP');
    expect(readFileSync(join(own, 'passwd'), 'utf8')).toBe('x');
  });

  test('a line that only says that a command began is read where there is no other of it', async () => {
    const { file } = fresh();
    appendAudit(file, entry({ id: 'a', result: 'begun' }));
    appendAudit(file, entry({ id: 'b', result: 'begun' }));
    appendAudit(file, entry({ id: 'a' }));
    expect((await readAudit(file.path)).map(({ id, result }) => [id, result])).toEqual([
      ['b', 'begun'],
      ['a', 'done'],
    ]);
  });
});

describe('what became of resources', () => {
  test('field by field, with errors; what stayed as it was is left out', () => {
    const error = new KukeError('Conflict', 'exists', { resource: 'realm main' });
    expect(
      affectedBy([
        outcome({ changes: [changed('spec.labels', undefined, 'x')], steps: ['store.write'] }),
        outcome({ result: 'unchanged' }),
        outcome({ result: 'not found' }),
        outcome({ result: 'failed', error }),
      ]),
    ).toEqual([
      {
        resource: 'cell main/default/blog/web',
        result: 'updated',
        changes: [{ path: 'spec.labels', from: undefined, to: 'x' }],
        steps: ['store.write'],
      },
      {
        resource: 'cell main/default/blog/web',
        result: 'failed',
        error: { code: 'Conflict', message: 'realm main: exists' },
      },
    ]);
  });

  test('what may be a secret is not told', () => {
    const container = { id: 'web', image: 'nginx', env: ['PASSWORD=hunter2'], args: ['--token=hunter2'] };
    const text = JSON.stringify(
      affectedBy([
        outcome({
          changes: [
            changed('spec.containers.web.env', ['A=hunter2'], ['B=hunter2']),
            changed('spec.containers.web', undefined, container),
            changed('spec.registryCredentials', undefined, [{ user: 'amy', password: 'hunter2' }]),
          ],
        }),
      ]),
    );
    expect(text).not.toContain('hunter2');
    expect(text).toContain('nginx');
  });
});

test('who asks: this process, or who is at the other end', () => {
  expect(actorOf(undefined)).toMatchObject({ uid: process.getuid?.() ?? -1, pid: process.pid });
  expect(actorOf({ uid: 0, pid: 1 })).toMatchObject({ uid: 0, pid: 1, user: 'root' });
  expect(actorOf({ uid: 4_000_000_000, pid: 1 }).user).toBeUndefined();
});

describe('the journal', () => {
  function plan(onFailure: OnFailure) {
    const made = makePlan(onFailure);
    made.add(web, 'cgroup.create', { path: '/kukeon/main' });
    made.add({ kind: 'Realm', path: ['main'] }, 'cgroup.create', { path: '/kukeon' });
    return made;
  }
  const resources = (result: string) =>
    ['cell main/default/blog/web', 'realm main'].map(resource => ({ resource, result }));

  test('tells that a command begins to change something, once', () => {
    const { journal } = fresh();
    const told: string[] = [];
    const heard = auditedJournal(journal(), { begun: command => told.push(command), recovered: () => {} });
    heard.open('a', plan('undo'), 'kuke apply').close();
    heard.open('b', plan('undo'), 'kuke apply').close();
    expect(told).toEqual(['kuke apply']);
  });

  test.each([
    ['undo', 'undone after a crash'],
    ['goOn', 'finished after a crash'],
    ['finish', 'taken over'],
    ['goOn', 'failed after a crash'],
  ] as const)('a plan (%s) that a dead kuke left is told as %s', (onFailure, result) => {
    const { journal } = fresh();
    const dead = journal().open('a', plan(onFailure), 'kuke apply');
    dead.start('1', undefined);
    dead.done('1', undefined);
    dead.start('2', undefined);
    const told: unknown[] = [];
    const heard = auditedJournal(journal(), { begun: () => {}, recovered: one => told.push(one) });
    const [left] = heard.unfinished().plans;
    if (onFailure === 'undo') for (const step of ['2', '1']) left?.journal.reverted(step);
    else if (result === 'taken over') for (const step of ['1', '2']) left?.journal.dropped(step);
    else if (result !== 'failed after a crash') left?.journal.done('2', undefined);
    left?.journal.close();
    expect(told).toEqual([{ command: 'kuke apply', result, resources: resources(result) }]);
  });
});
