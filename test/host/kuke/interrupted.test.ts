/** Ctrl-C and SIGKILL in the middle of a command: what is begun is undone or finished, by itself or by the next command. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { existsSync, readdirSync } from 'node:fs';
import { containerdVersions } from '../../runner/plan.ts';
import { versionIndex } from '../containerd.ts';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';
import { cell, container, pidsOf, stateOf } from './cells.ts';
import { apply, kuke, type RunOptions, run, start } from './kuke.ts';
import { leaks, type ReadyHost, readyHost } from './ready-host.ts';

let host: ReadyHost;
let before: Inventory;
/** How long an undisturbed apply takes here and now, in milliseconds. */
let takes: number;
beforeAll(async () => {
  host = await readyHost();
  await apply(cells[0] ?? {}); // what is slow only once
  await kuke('delete', 'cell', 'one', '--cascade');
  before = await inventory();
  const started = performance.now();
  await apply(...cells);
  takes = performance.now() - started;
  await removeBoth();
});
afterEach(() => removeBoth());
afterAll(() => host.containerd.stop());

const cells = ['one', 'two'].map(name => cell(name, [container('main'), container('side')]));
const stdin = cells.map(one => JSON.stringify(one)).join('\n---\n');
const APPLY = ['apply', '-f', '-'];

const removeBoth = async (): Promise<void> => {
  const ran = await run(['delete', '-f', '-', '--cascade', '--ignore-not-found'], { stdin });
  expect(ran).toMatchObject({ status: 0 });
};

/** Ends a command by a signal at a moment within the time that an apply takes. */
async function interrupt(signal: 'SIGINT' | 'SIGKILL', moment: number, args: string[], options: RunOptions = {}) {
  const program = start(args, options);
  await Bun.sleep(moment * takes);
  program.kill(signal);
  const [stdout, stderr] = await Promise.all([program.stdout.text(), program.stderr.text(), program.exited]);
  return { status: program.exitCode, signal: program.signalCode, stdout, stderr };
}

const JOURNAL = '/opt/kukeon/.kuke/journal';
/** What is left to undo or to finish. */
const journal = () => (existsSync(JOURNAL) ? readdirSync(JOURNAL) : []);

// Evenly spread over the versions of containerd, each with some chance in it; over many runs all moments have their turn.
const MOMENTS = 6;
const moments = Array.from({ length: MOMENTS }, (_, index) =>
  Number(((index + Math.random()) / MOMENTS).toFixed(3)),
).filter((_, index) => index % containerdVersions.length === versionIndex);

test.each(moments)('Ctrl-C in an apply, at %d of its time, undoes what was not done', async moment => {
  const { status, stdout, stderr } = await interrupt('SIGINT', moment, APPLY, { stdin });
  const created = [...stdout.matchAll(/^cell main\/default\/default\/(\w+) created$/gm)].map(([, name = '']) => name);
  // Null: it had not begun to listen for signals, nor anything else.
  if (status === 1) expect(stderr).toMatch(/cancelled|called off/);
  expect(status).toBeOneOf(created.length === 2 ? [0] : [1, null]);
  expect(journal()).toEqual([]);
  expect<string[]>((await kuke('get', 'cells', '-o', 'name')).match(/\w+$/gm) ?? []).toEqual(created.toSorted());
  for (const name of created) expect(await stateOf(name)).toBe('Ready');
  await removeBoth();
  expect(await leaks(before)).toEqual([]);
});

test.each(moments)(
  'SIGKILL in an apply, at %d of its time: the next command undoes it, and apply brings it about',
  async moment => {
    await interrupt('SIGKILL', moment, APPLY, { stdin });
    await kuke('create', 'stack', 'next');
    expect(journal()).toEqual([]);
    // What is there is whole.
    for (const name of (await kuke('get', 'cells', '-o', 'name')).match(/\w+$/gm) ?? [])
      expect(await stateOf(name)).toBe('Ready');
    await apply(...cells);
    for (const name of ['one', 'two']) {
      expect(await stateOf(name)).toBe('Ready');
      expect(Object.keys(await pidsOf(name))).toEqual(['main', 'side']);
    }
    await kuke('delete', 'stack', 'next');
    await removeBoth();
    expect(await leaks(before)).toEqual([]);
  },
);

test.each(moments)(
  'SIGKILL in an update, a stop and a delete, at %d of an apply’s time: they are finished',
  async moment => {
    await apply(...cells);
    const changed = cells.map(one => ({
      ...one,
      spec: { containers: [container('main', { env: ['A=1'] }), container('side')] },
    }));
    await interrupt('SIGKILL', moment, APPLY, { stdin: changed.map(one => JSON.stringify(one)).join('\n---\n') });
    await apply(...changed);
    expect([await stateOf('one'), await stateOf('two')]).toEqual(['Ready', 'Ready']);
    expect(await apply(...changed)).toMatch(/unchanged\n.*unchanged\n/);

    await interrupt('SIGKILL', moment / 2, ['stop', 'cell', 'one']);
    await kuke('stop', 'cell', 'one');
    expect(await stateOf('one')).toBe('Stopped Requested');
    await interrupt('SIGKILL', moment / 2, ['start', 'cell', 'one']);
    await kuke('start', 'cell', 'one');
    expect(await stateOf('one')).toBe('Ready');

    await interrupt('SIGKILL', moment / 2, ['delete', '-f', '-', '--cascade'], { stdin });
    await removeBoth();
    expect(journal()).toEqual([]);
    expect(await leaks(before)).toEqual([]);
  },
);

test('killed in init and in uninstall: the next one does the rest', async () => {
  await kuke('uninstall', '--yes');
  const clean = await inventory();
  for (const moment of moments) {
    await interrupt('SIGKILL', moment / 2, ['init']);
    await kuke('init');
    expect(await kuke('init')).toMatch(/^(?:\S+ \S+ unchanged\n){3}$/);
    await interrupt('SIGKILL', moment / 2, ['uninstall', '--yes']);
    await kuke('uninstall', '--yes');
    expect(difference(clean, await inventory())).toEqual([]);
  }
});
