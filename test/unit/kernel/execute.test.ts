import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { OnFailure } from '../../../src/kernel/plan.ts';
import { planRunner, type RunnerOptions } from './plan-runner.ts';

const at = (log: string[], entry: string): number => log.indexOf(entry);
const those = (log: string[], word: string): number[] =>
  log.filter(entry => entry.startsWith(`${word} `)).map(entry => Number(entry.split(' ')[1]));

/** For each step, which of the ones before it come first. */
const dag = fc
  .integer({ min: 1, max: 7 })
  .chain(size =>
    fc.tuple(...Array.from({ length: size }, (_, index) => fc.subarray(Array.from({ length: index }, (_, i) => i)))),
  );

const broken = dag.chain(after => {
  const some = fc.subarray(after.map((_, index) => index)).map(list => new Set(list));
  return fc.record({ after: fc.constant(after), failing: some, stubborn: some, late: fc.boolean(), cautious: some });
});

/** In an order of its own, as if each operation took its time. */
async function scheduled(s: fc.Scheduler, options: RunnerOptions) {
  const runner = planRunner({ ...options, turn: label => s.schedule(Promise.resolve(), label) });
  const error = await s.waitFor(runner.run());
  return { ...runner, error };
}

function below(after: readonly (readonly number[])[], from: ReadonlySet<number>): Set<number> {
  const reached = new Set(from);
  for (const [index, before] of after.entries()) if (before.some(one => reached.has(one))) reached.add(index);
  return reached;
}

describe('a plan', () => {
  test('runs each step once, after all that it waits for, and is then out of the journal', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), dag, async (s, after) => {
        const { log, error, journal } = await scheduled(s, { after });
        expect(error).toBeUndefined();
        expect(those(log, 'end').toSorted()).toEqual(after.map((_, index) => index));
        for (const [index, before] of after.entries()) {
          for (const one of before) expect(at(log, `end ${one}`)).toBeLessThan(at(log, `start ${index}`));
          expect(at(journal, `start ${index}`)).toBeLessThan(at(journal, `done ${index}`));
        }
        expect(journal.at(-1)).toBe('closed');
      }),
    );
  });

  test('what does not wait for one another runs at once', async () => {
    const { log, run } = planRunner({ after: [[], [], [], [0, 1]] });
    await run();
    expect(log.slice(0, 3)).toEqual(['start 0', 'start 1', 'start 2']);
  });

  test('a step starts as soon as what it waits for is done, whatever else still runs', async () => {
    const slow = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    const turn = async (label: string) => {
      if (label === 'step 2') second.resolve();
      if (label === 'step 0') await slow.promise;
    };
    const runner = planRunner({ after: [[], [], [1]], turn });
    const done = runner.run();
    await second.promise;
    expect(runner.log).not.toContain('end 0');
    slow.resolve();
    expect(await done).toBeUndefined();
  });

  test('that is empty is done', async () => {
    const { run, journal } = planRunner({ after: [] });
    expect(await run()).toBeUndefined();
    expect(journal).toEqual(['closed']);
  });

  test('whose steps wait for each other, or for nobody’s, says so and is undone', async () => {
    for (const after of [
      [[], [1]],
      [[], [2], [1]],
      [[], [8]],
    ]) {
      const { run, log, effects } = planRunner({ after });
      expect(await run()).toMatchObject({ code: 'PluginFailed', message: expect.stringContaining('can never run') });
      expect(log).toEqual(['start 0', 'end 0', 'undo 0']);
      expect(effects.size).toBe(0);
    }
  });
});

describe('a create that fails', () => {
  test('is undone in the reverse order of the plan once nothing runs any more, goes on past errors and reports them all', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), broken, async (s, { cautious: _, ...options }) => {
        const { log, effects, error, journal } = await scheduled(s, options);
        if (options.failing.size === 0) return expect(error).toBeUndefined();
        const [firstFailure = 0] = those(log, 'fail');
        expect(error?.message).toBe(`no ${firstFailure}`);
        expect(error?.details.resource).toBe('cell main/default/default/web');
        const begun = those(log, 'start');
        const undone = those(log, 'undo');
        expect(undone).toEqual(begun.toSorted((a, b) => b - a));
        const lastRun = Math.max(...begun.map(index => Math.max(at(log, `end ${index}`), at(log, `fail ${index}`))));
        expect(lastRun).toBeLessThan(at(log, `undo ${undone[0]}`));
        const stuck = begun.filter(index => options.stubborn.has(index));
        expect(error?.also.map(({ code, message }) => `${code} ${message}`)).toEqual(
          expect.arrayContaining(stuck.map(index => `UndoFailed stays ${index}`)),
        );
        expect([...effects].filter(index => !stuck.includes(index))).toEqual([]);
        expect(journal.includes('closed')).toBe(stuck.length === 0);
      }),
    );
  });

  test('starts nothing new after the failure', async () => {
    const { log, run } = planRunner({ after: [[], [], [1], [2]], failing: new Set([0]) });
    await run();
    expect(those(log, 'start')).toEqual([0, 1]);
  });
});

describe.each<OnFailure>(['finish', 'goOn'])('a plan (%s) that fails', onFailure => {
  test('does all that does not hang on the failure, undoes nothing, and reports every failure', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), broken, async (s, { cautious, ...options }) => {
        const { log, error } = await scheduled(s, { ...options, onFailure, cautious });
        const all = options.after.map((_, index) => index);
        const spoilt = below(options.after, options.failing);
        const held = all.filter(index => {
          const waits = (options.after[index] ?? []).some(one => spoilt.has(one));
          return onFailure === 'finish' ? waits : waits && cautious.has(index);
        });
        // In a delete what is held back spoils nothing but what is cautious as well.
        const ran = those(log, 'start').toSorted();
        if (onFailure === 'finish') expect(ran).toEqual(all.filter(index => !held.includes(index)));
        else for (const index of all) if (!cautious.has(index)) expect(ran).toContain(index);
        expect(those(log, 'undo')).toEqual([]);
        const failed = ran.filter(index => options.failing.has(index)).map(index => `no ${index}`);
        const told = error === undefined ? [] : [error, ...error.also].map(({ message }) => message);
        expect(told.toSorted()).toEqual(failed.toSorted());
      }),
    );
  });

  test('and a step that only comes after success does not', async () => {
    const options = { onFailure, after: [[], [], [0, 1]], cautious: new Set([2]) };
    const failing = planRunner({ ...options, failing: new Set([0]) });
    await failing.run();
    expect(failing.log).not.toContain('start 2');
    const well = planRunner(options);
    await well.run();
    expect(well.log).toContain('end 2');
  });
});

describe('Ctrl-C', () => {
  const interrupted = fc.record({ after: dag, moment: fc.nat({ max: 12 }), heedful: fc.boolean() });

  async function cancelled(s: fc.Scheduler, options: RunnerOptions, moment: number) {
    let turns = 0;
    const runner = planRunner({
      ...options,
      async turn(label) {
        await s.schedule(Promise.resolve(), label);
        if (turns++ === moment) runner.abort();
      },
    });
    const error = await s.waitFor(runner.run());
    return { ...runner, error };
  }

  test('at any step leaves nothing of a create', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), interrupted, async (s, { after, moment, heedful }) => {
        const { effects, error, journal, log } = await cancelled(s, { after, heedful }, moment);
        if (moment >= after.length) return expect(effects.size).toBe(after.length);
        expect(error?.code).toBe('Cancelled');
        expect([...effects]).toEqual([]);
        expect(journal.at(-1)).toBe('closed');
        const firstUndo = log.findIndex(entry => entry.startsWith('undo'));
        expect(log.slice(firstUndo).filter(entry => !entry.startsWith('undo'))).toEqual([]);
      }),
    );
  });

  test('before the first step does nothing at all', async () => {
    const runner = planRunner({ after: [[], []] });
    runner.abort();
    expect(await runner.run()).toMatchObject({ code: 'Cancelled' });
    expect(runner.log).toEqual([]);
    expect(runner.journal).toEqual(['closed']);
  });

  test('says what has been undone, and what has not', async () => {
    for (const stubborn of [new Set<number>(), new Set([0])]) {
      const runner = planRunner({
        after: [[], [0]],
        stubborn,
        turn: async label => void (label === 'step 0' && runner.abort()),
      });
      const isUndone = stubborn.size === 0;
      expect(await runner.run()).toMatchObject({
        code: 'Cancelled',
        remedy: isUndone ? 'what was made has been undone' : 'the next command undoes the rest of what was made',
        also: isUndone ? [] : [{ message: 'stays 0' }],
      });
      expect(runner.journal.includes('closed')).toBe(isUndone);
    }
  });

  test('after the last step of a delete comes too late to be a failure', async () => {
    const runner = planRunner({ after: [[]], onFailure: 'goOn', turn: async () => runner.abort() });
    expect(await runner.run()).toBeUndefined();
    const midway = planRunner({ after: [[], [0]], onFailure: 'goOn', turn: async () => midway.abort() });
    expect(await midway.run()).toMatchObject({ code: 'Cancelled', remedy: 'try again to finish it' });
  });
});
