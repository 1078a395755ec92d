import { afterAll, describe, expect, test } from 'bun:test';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { type Journal, makeJournal, type PlanJournal } from '../../../src/kernel/journal.ts';
import { type Intent, makePlan } from '../../../src/kernel/plan.ts';

const top = mkdtempSync(join(tmpdir(), 'kuke-journal-'));
afterAll(() => rmSync(top, { recursive: true, force: true }));

let count = 0;
const fresh = (): { folder: string; journal: Journal } => {
  const folder = join(top, String(++count));
  return { folder, journal: makeJournal(folder) };
};

function plan(intent: Intent = 'create') {
  const made = makePlan(intent);
  const ref = { kind: 'Cell', path: ['main', 'default', 'blog', 'web'] };
  const first = made.add(ref, 'cgroup.create', { path: '/kukeon/main' });
  made.add(ref, 'network.open', { path: '/run/netns/kuke-1' }, [first]);
  made.add(ref, 'runtime.start', { namespace: 'kukeon-main', id: 'größe\n"1"' });
  return made;
}

describe('a journal', () => {
  test('holds a plan from its first step to its end', () => {
    const { folder, journal } = fresh();
    expect(journal.isEmpty()).toBe(true);
    expect(journal.unfinished()).toEqual([]);
    const entry = journal.open('a', plan('delete'), 'kuke delete cell web');
    entry.start('1');
    entry.done('1', { missing: ['cpu'] });
    entry.start('2');
    expect(journal.isEmpty()).toBe(false);
    const [left, ...others] = makeJournal(folder).unfinished();
    expect(others).toEqual([]);
    expect(left).toMatchObject({ id: 'a', intent: 'delete', command: 'kuke delete cell web', steps: plan().steps });
    expect(left?.started).toEqual(new Set(['1', '2']));
    expect(left?.results).toEqual(new Map([['1', { missing: ['cpu'] }]]));
    entry.close();
    expect(existsSync(folder)).toBe(false);
    expect(journal.isEmpty()).toBe(true);
  });

  test('is for root’s eyes only', () => {
    const { folder, journal } = fresh();
    journal.open('a', plan(), 'kuke apply');
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, 'a.jsonl')).mode & 0o777).toBe(0o600);
  });

  test('gives what is left oldest first, and takes up another one’s plan where that ended', () => {
    const { journal } = fresh();
    for (const id of ['b', 'a', 'c']) journal.open(id, plan(), `kuke ${id}`);
    const left = journal.unfinished();
    expect(left.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    left[1]?.journal.start('1');
    left[1]?.journal.reverted('1');
    left[2]?.journal.start('2');
    left[0]?.journal.close();
    expect(journal.unfinished().map(({ id, started }) => [id, [...started]])).toEqual([
      ['b', []],
      ['c', ['2']],
    ]);
  });

  test('a plan that has ended stays so, though a power cut brings its file back', () => {
    const { folder, journal } = fresh();
    const entry = journal.open('a', plan(), 'kuke apply');
    entry.start('1');
    const path = join(folder, 'a.jsonl');
    const saved = join(folder, 'a.saved');
    Bun.spawnSync(['ln', path, saved]);
    entry.close();
    writeFileSync(path, readFileSync(saved));
    expect(journal.unfinished()).toEqual([]);
    expect(readdirSync(folder)).toEqual(['a.saved']);
  });

  test('closing one whose folder an uninstall has taken along is fine', () => {
    const { folder, journal } = fresh();
    const entry = journal.open('a', plan(), 'kuke uninstall');
    rmSync(folder, { recursive: true });
    entry.close();
    expect(journal.isEmpty()).toBe(true);
  });

  test.each(['', '{"event":"pl', '\0\0\0\0', 'null\n', '[]\n{"event":"start","step":"1"}\n'])(
    'a file that begins with %j never ran a step, and goes',
    text => {
      const { folder, journal } = fresh();
      journal.open('b', plan(), 'kuke apply').start('1');
      writeFileSync(join(folder, 'a.jsonl'), text);
      expect(journal.unfinished().map(({ id }) => id)).toEqual(['b']);
      expect(readdirSync(folder)).toEqual(['b.jsonl']);
    },
  );

  test('a second plan of the same id is refused', () => {
    const { journal } = fresh();
    journal.open('a', plan(), 'kuke apply');
    expect(() => journal.open('a', plan(), 'kuke apply')).toThrow();
  });
});

type Event = { event: 'start' | 'done' | 'reverted'; step: string };

function write(journal: PlanJournal, { event, step }: Event): void {
  if (event === 'done') journal.done(step, { of: step });
  else journal[event](step);
}

/** What these events leave started and done. */
function model(events: Event[]) {
  const of = (wanted: Event['event']) =>
    new Set(events.filter(({ event }) => event === wanted).map(({ step }) => step));
  return { started: of('start').difference(of('reverted')), done: of('done') };
}

describe('a kuke that dies', () => {
  const event = fc.record({
    event: fc.constantFrom('start', 'done', 'reverted'),
    step: fc.constantFrom('1', '2', '3'),
  });

  test('at any byte leaves what was wholly written by then, and the next one goes on behind it', () => {
    const run = fc.record({
      before: fc.array(event, { maxLength: 8 }),
      after: fc.array(event, { maxLength: 3 }),
      cut: fc.nat({ max: 1000 }),
    });
    fc.assert(
      fc.property(run, ({ before, after, cut }) => {
        const { folder, journal } = fresh();
        const path = join(folder, 'a.jsonl');
        const entry = journal.open('a', plan(), 'kuke apply');
        const ends = [statSync(path).size];
        for (const one of before) {
          write(entry, one);
          ends.push(statSync(path).size);
        }
        // Mostly among the events.
        const first = (ends[0] ?? 0) - 40;
        const size = first + Math.round((cut / 1000) * (statSync(path).size - first));
        truncateSync(path, size);
        // All but its newline makes a line whole.
        const whole = ends.filter(end => end - 1 <= size).length;
        const [left] = journal.unfinished();
        if (whole === 0) return expect(left).toBeUndefined();
        const kept = before.slice(0, whole - 1);
        expect(left?.started).toEqual(model(kept).started);
        expect(new Set(left?.results.keys())).toEqual(model(kept).done);
        for (const one of after) if (left) write(left.journal, one);
        const [again] = journal.unfinished();
        expect(again?.started).toEqual(model([...kept, ...after]).started);
        expect(new Set(again?.results.keys())).toEqual(model([...kept, ...after]).done);
      }),
      { numRuns: 60 },
    );
  });
});
