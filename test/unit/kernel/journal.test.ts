import { afterAll, describe, expect, spyOn, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { asKukeError } from '../../../src/kernel/errors.ts';
import { type Journal, makeJournal, type PlanJournal } from '../../../src/kernel/journal.ts';
import { makePlan, type OnFailure } from '../../../src/kernel/plan.ts';

const top = mkdtempSync(join(tmpdir(), 'kuke-journal-'));
afterAll(() => rmSync(top, { recursive: true, force: true }));

let count = 0;
const fresh = (): { folder: string; journal: Journal } => {
  const folder = join(top, String(++count), '.kuke/journal');
  return { folder, journal: makeJournal(folder) };
};

function plan(onFailure: OnFailure = 'undo') {
  const made = makePlan(onFailure);
  const ref = { kind: 'Cell', path: ['main', 'default', 'blog', 'web'] };
  const first = made.add(ref, 'cgroup.create', { path: '/kukeon/main' });
  made.add(ref, 'network.open', { path: '/run/netns/kuke-1' }, [first]);
  made.add(ref, 'runtime.start', { namespace: 'kukeon-main', id: 'größe\n"1"' });
  return made;
}

/** The first line of a file. */
const head = `${JSON.stringify({ event: 'plan', version: 4, id: 'a', onFailure: 'undo', command: 'kuke apply', steps: [] })}\n`;

describe('a journal', () => {
  test.each([false, true])('holds a plan from its first step to its end (aside: %p)', async isAside => {
    const { folder, journal } = fresh();
    expect(journal.isEmpty()).toBe(true);
    expect(journal.unfinished()).toEqual({ plans: [], unreadable: [] });
    const entry = journal.open('a', plan('goOn'), 'kuke delete cell web', { isAside });
    const begun = entry.start('1', { content: 'before' });
    expect(begun instanceof Promise).toBe(isAside);
    await begun;
    // Those of steps that go on side by side.
    await Promise.all([entry.done('1', { missing: ['cpu'] }), entry.start('2', undefined)]);
    expect(journal.isEmpty()).toBe(false);
    const [left, ...others] = makeJournal(folder).unfinished().plans;
    expect(others).toEqual([]);
    expect(left?.path).toBe(join(folder, 'a.jsonl'));
    expect(left).toMatchObject({ id: 'a', onFailure: 'goOn', command: 'kuke delete cell web', steps: plan().steps });
    expect(left?.started).toEqual(
      new Map<string, unknown>([
        ['1', { content: 'before' }],
        ['2', undefined],
      ]),
    );
    expect(left?.results).toEqual(new Map([['1', { missing: ['cpu'] }]]));
    await entry.close();
    expect(existsSync(folder)).toBe(false);
    expect(journal.isEmpty()).toBe(true);
  });

  test('a beginning that the disk does not take is told with its place, aside as well', async () => {
    const { folder, journal } = fresh();
    const entry = journal.open('a', plan(), 'kuke apply', { isAside: true });
    rmSync(folder, { recursive: true });
    const failed = await Promise.resolve(entry.start('1', undefined)).catch((thrown: unknown) => asKukeError(thrown));
    expect(failed?.details.step).toContain(join(folder, 'a.jsonl'));
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
    const left = journal.unfinished().plans;
    expect(left.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    left[1]?.journal.start('1', true);
    left[1]?.journal.reverted('1');
    left[2]?.journal.start('2', false);
    left[0]?.journal.close();
    expect(journal.unfinished().plans.map(({ id, started }) => [id, [...started.keys()]])).toEqual([
      ['b', []],
      ['c', ['2']],
    ]);
  });

  test('keeps what a step found the first time: later that is what it has made itself', () => {
    const { journal } = fresh();
    const entry = journal.open('a', plan(), 'kuke apply');
    entry.start('1', false);
    entry.start('1', true);
    expect(journal.unfinished().plans[0]?.started).toEqual(new Map([['1', false]]));
  });

  test.each<OnFailure>(['undo', 'finish'])(
    'of a step of a %s that was dropped neither runs nor undoes it',
    onFailure => {
      const { journal } = fresh();
      const entry = journal.open('a', plan(onFailure), 'kuke apply');
      for (const step of ['1', '2']) entry.start(step, undefined);
      entry.done('1', { missing: [] });
      for (const step of ['1', '2']) entry.dropped(step);
      const [left] = journal.unfinished().plans;
      expect(left?.started.size).toBe(0);
      if (onFailure === 'finish') expect([...(left?.results.keys() ?? [])]).toEqual(['1', '2']);
    },
  );

  test('are taken up in the order in which they were begun, also where the clock was put back', () => {
    const { journal } = fresh();
    const now = Date.now();
    const clock = spyOn(Date, 'now');
    const ids = [now, now - 3_600_000, 1000, now + 1].map(time => {
      clock.mockReturnValue(time);
      const id = `${journal.nextTime()}-x`;
      journal.open(id, plan(), 'kuke apply').start('1', undefined);
      return id;
    });
    clock.mockRestore();
    expect(journal.unfinished().plans.map(({ id }) => id)).toEqual(ids);
  });

  test.each<OnFailure>(['finish', 'goOn'])(
    'a %s that is being undone is undone further, and not finished',
    onFailure => {
      const { journal } = fresh();
      const entry = journal.open('a', plan(onFailure), 'kuke apply');
      for (const step of ['1', '2']) entry.start(step, undefined);
      entry.done('1', undefined);
      expect(journal.unfinished().plans[0]?.onFailure).toBe(onFailure);
      entry.undoing();
      entry.reverted('2');
      const [left] = journal.unfinished().plans;
      expect({ onFailure: left?.onFailure, started: [...(left?.started.keys() ?? [])] }).toEqual({
        onFailure: 'undo',
        started: ['1'],
      });
    },
  );

  test('its folder stays for the next plan where there is an installation, and goes where there is none', () => {
    const { folder, journal } = fresh();
    const entry = journal.open('a', plan(), 'kuke apply');
    writeFileSync(join(folder, '../instance'), 'id');
    entry.close();
    expect(readdirSync(folder)).toEqual([]);
    rmSync(join(folder, '../instance'));
    mkdirSync(join(folder, '../plugins'));
    journal.open('b', plan(), 'kuke apply').close();
    expect(readdirSync(join(folder, '..'))).toEqual(['plugins']);
    rmSync(join(folder, '../plugins'), { recursive: true });
    journal.open('c', plan(), 'kuke apply').close();
    expect(existsSync(join(folder, '../..'))).toBe(false);
  });

  test('a plan that has ended stays so, though a power cut brings its file back', () => {
    const { folder, journal } = fresh();
    const entry = journal.open('a', plan(), 'kuke apply');
    entry.start('1', undefined);
    const path = join(folder, 'a.jsonl');
    const saved = join(folder, 'a.saved');
    Bun.spawnSync(['ln', path, saved]);
    entry.close();
    writeFileSync(path, readFileSync(saved));
    expect(journal.unfinished().plans).toEqual([]);
    expect(readdirSync(folder)).toEqual(['a.saved']);
  });

  test('closing one whose folder an uninstall has taken along is fine', () => {
    const { folder, journal } = fresh();
    const entry = journal.open('a', plan(), 'kuke uninstall');
    rmSync(folder, { recursive: true });
    entry.close();
    expect(journal.isEmpty()).toBe(true);
  });

  test.each(['', '{"event":"pl', head.slice(0, 60), '\0\0\0\0', '{"event":"pl\0\0', `${head}{"event":"ended"}\n`])(
    'a file that is %j ran no step, or has ended, and goes',
    text => {
      const { folder, journal } = fresh();
      journal.open('b', plan(), 'kuke apply').start('1', undefined);
      writeFileSync(join(folder, 'a.jsonl'), text);
      const { plans, unreadable } = journal.unfinished();
      expect({ plans: plans.map(({ id }) => id), unreadable }).toEqual({ plans: ['b'], unreadable: [] });
      expect(readdirSync(folder)).toEqual(['b.jsonl']);
    },
  );

  test.each([
    ['{"event":"pl\n{"event":"start","step":"1"}\n', 'its first line, which holds the plan, is damaged'],
    ['[]\n{"event":"start","step":"1"}\n', 'its first line, which holds the plan, is damaged'],
    ['null\n', 'it holds no plan'],
    ['garbage', 'it holds no plan'],
    ['\0\0\0\n\u0001\u0002', 'its first line, which holds the plan, is damaged'],
    [head.replace(/"version":\d+/, '"version":1'), 'it is of version 1, and this kuke reads version 4'],
    [
      `${head.replace(/"version":\d+/, '"version":99')}{"event":"start","step":"1"}\n`,
      'it is of version 99, and this kuke reads version 4',
    ],
  ])(
    'a file that says that steps ran and not which is kept, and told of until somebody removes it: %j',
    (text, why) => {
      const { folder, journal } = fresh();
      journal.open('b', plan(), 'kuke apply').close();
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'a.jsonl'), text);
      const path = join(folder, 'a.unreadable');
      for (let round = 1; round <= 2; round++) {
        expect(journal.unfinished()).toEqual({ plans: [], unreadable: [{ path, why }] });
        expect(readFileSync(path, 'utf8')).toBe(text);
        expect(journal.isEmpty()).toBe(true); // it holds nobody up
      }
      rmSync(path);
      expect(journal.unfinished().unreadable).toEqual([]);
    },
  );

  test('a disk that takes only a part of a line has not taken it: the step does not run, and what comes then is read', () => {
    const { folder, journal } = fresh();
    const script = `
      const { makeJournal } = await import(${JSON.stringify(join(import.meta.dir, '../../../src/kernel/journal.ts'))});
      const entry = makeJournal(${JSON.stringify(folder)}).open('a', { onFailure: 'undo', steps: [] }, 'kuke apply');
      entry.start('1', false);
      try {
        entry.start('2', 'x'.repeat(4096));
      } catch (error) {
        console.log(error.message);
      }`;
    // As on a full disk, write(2) writes as much as there is room for (setrlimit(2), RLIMIT_FSIZE).
    const command = 'trap "" XFSZ; exec prlimit --fsize=2048 "$0" -e "$1"';
    const { stdout, stderr } = Bun.spawnSync(['sh', '-c', command, process.execPath, script]);
    expect([String(stderr), String(stdout)]).toEqual(['', expect.stringContaining('EFBIG')]);
    expect(statSync(join(folder, 'a.jsonl')).size).toBe(2048);
    const [left] = journal.unfinished().plans;
    expect([...(left?.started.keys() ?? [])]).toEqual(['1']);
    left?.journal.undoing();
    left?.journal.reverted('1');
    expect(journal.unfinished().plans[0]).toMatchObject({ onFailure: 'undo', started: new Map() });
  });

  test('a second plan of the same id is refused', () => {
    const { journal } = fresh();
    journal.open('a', plan(), 'kuke apply');
    expect(() => journal.open('a', plan(), 'kuke apply')).toThrow();
  });
});

test('a folder that cannot be read is not an empty one', () => {
  const { folder, journal } = fresh();
  mkdirSync(join(folder, '..'), { recursive: true });
  symlinkSync('journal', folder);
  expect(() => journal.isEmpty()).toThrow('ELOOP');
  expect(() => journal.unfinished()).toThrow('ELOOP');
});

test('what else lies in the folder is told of, and left alone', () => {
  const { folder, journal } = fresh();
  const entry = journal.open('a', plan(), 'kuke apply');
  const names = ['b.jsonl', 'c.jsonl', 'c.unreadable', 'notes.txt'];
  mkdirSync(join(folder, 'b.jsonl'));
  symlinkSync('nowhere', join(folder, 'c.jsonl'));
  mkdirSync(join(folder, 'c.unreadable'));
  writeFileSync(join(folder, 'notes.txt'), 'garbage');
  expect(journal.unfinished()).toMatchObject({ plans: [{ id: 'a' }], unreadable: [] });
  expect(journal.foreign()).toEqual(names.map(name => join(folder, name)));
  entry.close();
  expect(journal.isEmpty()).toBe(true);
  expect(readdirSync(folder).sort()).toEqual(names);
});

type Event = { event: 'start' | 'done' | 'reverted'; step: string };

function write(journal: PlanJournal, { event, step }: Event): void {
  if (event === 'start') journal.start(step, undefined);
  else if (event === 'done') journal.done(step, { of: step });
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
        const [left] = journal.unfinished().plans;
        if (whole === 0) return expect(left).toBeUndefined();
        const kept = before.slice(0, whole - 1);
        expect(new Set(left?.started.keys())).toEqual(model(kept).started);
        expect(new Set(left?.results.keys())).toEqual(model(kept).done);
        for (const one of after) if (left) write(left.journal, one);
        const [again] = journal.unfinished().plans;
        expect(new Set(again?.started.keys())).toEqual(model([...kept, ...after]).started);
        expect(new Set(again?.results.keys())).toEqual(model([...kept, ...after]).done);
      }),
      { numRuns: 60 },
    );
  });
});
