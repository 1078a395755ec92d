import { afterAll, describe, expect, test } from 'bun:test';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readHistory, recordedJournal } from '../../../src/kernel/history.ts';
import { makeJournal } from '../../../src/kernel/journal.ts';
import { type Intent, makePlan } from '../../../src/kernel/plan.ts';

const top = mkdtempSync(join(tmpdir(), 'kuke-history-'));
afterAll(() => rmSync(top, { recursive: true }));

let count = 0;
/** An installation's journal and history. */
function fresh({ isInstalled = true } = {}) {
  const own = join(top, String(++count), '.kuke');
  mkdirSync(own, { recursive: true });
  const [file, instance] = [join(own, 'history.jsonl'), join(own, 'instance')];
  if (isInstalled) writeFileSync(instance, 'id\n');
  const open = () => recordedJournal(makeJournal(join(own, 'journal')), file, instance);
  return { own, file, instance, open };
}

function plan(intent: Intent) {
  const made = makePlan(intent);
  const web = { kind: 'Cell', path: ['main', 'default', 'blog', 'web'] };
  made.add(web, 'cgroup.create', { path: '/kukeon/main' });
  made.add({ kind: 'Realm', path: ['main'] }, 'cgroup.create', { path: '/kukeon' });
  return made;
}

describe('the history', () => {
  test('has each plan that ended, with what it was about and how it ended', () => {
    const { file, open } = fresh();
    const [whole, undone, cut] = ['create', 'create', 'delete'].map((intent, index) =>
      open().open(String(index), plan(intent as Intent), `kuke ${index}`),
    );
    for (const step of ['1', '2']) {
      whole?.start(step, undefined);
      whole?.done(step, undefined);
    }
    whole?.close();
    undone?.start('1', undefined);
    undone?.done('1', undefined);
    undone?.start('2', undefined);
    undone?.reverted('2');
    undone?.reverted('1');
    undone?.close();
    cut?.start('1', undefined);
    cut?.done('1', undefined);
    cut?.close();
    const resources = ['cell main/default/blog/web', 'realm main'];
    const common = { at: expect.stringMatching(/^\d{4}-.*Z$/), resources, steps: 2, ms: expect.any(Number) };
    expect(readHistory(file)).toEqual([
      { ...common, command: 'kuke 0', result: 'done', done: 2 },
      { ...common, command: 'kuke 1', result: 'undone', done: 1 },
      { ...common, command: 'kuke 2', result: 'failed', done: 1 },
    ]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test.each([
    ['create', 'undone after a crash', 1],
    ['delete', 'finished after a crash', 2],
  ] as const)('a %s that a dead kuke left is told as %s', (intent, result, done) => {
    const { file, open } = fresh();
    const dead = open().open('a', plan(intent), 'kuke apply');
    dead.start('1', undefined);
    dead.done('1', undefined);
    dead.start('2', undefined);
    const [left] = open().unfinished().plans;
    if (intent === 'create') for (const step of ['2', '1']) left?.journal.reverted(step);
    else left?.journal.done('2', undefined);
    left?.journal.close();
    expect(readHistory(file)).toMatchObject([{ command: 'kuke apply', result, done, steps: 2 }]);
  });

  test('a plan that a later one has made superfluous is told as such', () => {
    const { file, open } = fresh();
    open().open('a', plan('update'), 'kuke stop').start('1', undefined);
    const [left] = open().unfinished().plans;
    for (const step of ['1', '2']) left?.journal.dropped(step);
    left?.journal.close();
    expect(readHistory(file)).toMatchObject([{ result: 'taken over' }]);
  });

  test('an init that came to nothing takes it along, and leaves no folder', () => {
    const { own, file, instance, open } = fresh();
    open().open('a', plan('create'), 'kuke init').close();
    expect(readHistory(file)).toHaveLength(1);
    const last = open().open('b', plan('delete'), 'kuke init');
    rmSync(instance);
    last.close();
    expect(existsSync(own)).toBe(false);
    expect(readHistory(file)).toEqual([]);
  });

  test('does not grow without end: the older half goes', () => {
    const { file, open } = fresh();
    const line = (index: number) =>
      `${JSON.stringify({ at: '2026-01-01T00:00:00Z', command: `${index} ${'x'.repeat(1000)}`, resources: [], result: 'done', done: 0, steps: 0 })}\n`;
    for (let index = 0; index < 600; index++) appendFileSync(file, line(index));
    open().open('a', plan('create'), 'kuke last').close();
    const kept = readHistory(file);
    expect(kept.length).toBeLessThan(310);
    expect(kept.at(-1)?.command).toBe('kuke last');
    expect(kept.at(-2)?.command).toStartWith('599 ');
    expect(existsSync(`${file}.new`)).toBe(false);
  });

  test('lines that are damaged or cut off are passed over, and one that cannot be written disturbs nobody', () => {
    const { own, file, open } = fresh();
    open().open('a', plan('create'), 'kuke a').close();
    appendFileSync(file, 'nonsense\n{"at": 1}\n{"at":"2026');
    expect(readHistory(file)).toHaveLength(1);
    rmSync(file);
    mkdirSync(file);
    expect(() => open().open('b', plan('create'), 'kuke b').close()).not.toThrow();
    expect(existsSync(join(own, 'journal', 'b.jsonl'))).toBe(false);
  });
});
