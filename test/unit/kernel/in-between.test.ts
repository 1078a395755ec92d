/** Who watches is not told of a fault that is the work of a command, and at once of any other. */
import { beforeEach, expect, test } from 'bun:test';
import { comparable, type Seen } from '../../../src/kernel/changes.ts';
import { withoutInBetween } from '../../../src/kernel/in-between.ts';
import { makeJournal } from '../../../src/kernel/journal.ts';
import { keyOf } from '../../../src/kernel/resource.ts';
import { publish } from '../../fakes/index.ts';
import { cellRef, cellYaml, kernelOnFakes, type TestKernel } from './kernel-on-fakes.ts';

let kuke: TestKernel;
beforeEach(async () => {
  kuke = await kernelOnFakes();
  await kuke.init();
  publish(kuke.host, { name: 'busybox', cmd: ['sleep', '1000'] });
  await kuke.apply([cellYaml('web'), cellYaml('other')].join('---'));
});

type All = ReadonlyMap<string, Seen>;

async function looked(...names: string[]): Promise<Map<string, Seen>> {
  const seen = new Map<string, Seen>();
  for (const name of names) {
    const resource = await kuke.get('Cell', ...cellRef(name).path);
    seen.set(keyOf(resource.ref), { resource, text: comparable(resource) });
  }
  return seen;
}

const told = (known: All | undefined, seen: All) =>
  withoutInBetween(kuke.kernel, makeJournal(kuke.kernel.settings.runPath), known, seen);
const states = (all: All) => [...all.values()].map(({ resource }) => resource.manifest.status?.state);

async function restarting() {
  const pause = kuke.host.faults.pause('runtime.start');
  const restart = kuke.change(cellRef('web'), spec => spec, { verb: 'restart', stopTimeoutMs: 1000 });
  await pause.reached;
  return {
    async end() {
      pause.resume();
      await restart;
    },
  };
}

test('in the middle of a restart a cell is as it was; another one that fails is told at once', async () => {
  const known = await looked('web', 'other');
  const restart = await restarting();
  kuke.host.exit('kukeon-main', 'default_default_other_root', 1);
  const middle = await looked('web', 'other');
  expect(states(middle)).toEqual(['Failed', 'Failed']);
  const { told: now, isHeld } = await told(known, middle);
  expect([states(now), isHeld]).toEqual([['Ready', 'Failed'], true]);
  expect(now.get(keyOf(cellRef('web')))).toBe(known.get(keyOf(cellRef('web'))));
  await restart.end();
  // What was seen in the middle is of the past.
  const after = await told(now, middle);
  expect([states(after.told), after.isHeld]).toEqual([['Ready', 'Failed'], false]);
  expect(after.told.get(keyOf(cellRef('web')))?.text).toBe((await looked('web')).values().next().value?.text ?? '');
});

test('one that nobody knows yet is pending', async () => {
  const restart = await restarting();
  const { told: now, isHeld } = await told(undefined, await looked('web'));
  expect([states(now), isHeld]).toEqual([['Pending'], true]);
  await restart.end();
});

test('what a command that was killed has left is told', async () => {
  const known = await looked('web');
  const restart = await restarting();
  const { holder } = kuke.host.store;
  delete kuke.host.store.holder;
  const { told: now, isHeld } = await told(known, await looked('web'));
  expect([states(now), isHeld]).toEqual([['Failed'], false]);
  if (holder) kuke.host.store.holder = holder;
  await restart.end();
});

test('one that is deleted is told of no more than that', async () => {
  const known = await looked('web');
  const pause = kuke.host.faults.pause('network.detach');
  const removing = kuke.remove([cellRef('web')]);
  await pause.reached;
  const middle = await looked('web');
  expect(states((await told(known, middle)).told)).toEqual(['Ready']);
  pause.resume();
  await removing;
  expect(states((await told(known, middle)).told)).toEqual(['Ready']);
});
