// containerd: once, since what a shim's and containerd's own death brings is asked of each elsewhere
/**
 * kukeond is killed (-9) before and after steps of the plans that it makes by itself: a restart, and all that comes back after a reboot. The next one brings
 * it to its end, and nothing is there twice, or left. CI takes some of the moments; KUKE_TEST_POINTS=all takes all.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { Containerd } from '../containerd.ts';
import { type Kukeond, startKukeond, statusWhen } from '../daemon/kukeond.ts';
import { reboot } from '../daemon/reboot.ts';
import { cell, container, pidsOf } from '../kuke/cells.ts';
import { apply, kuke } from '../kuke/kuke.ts';
import { at, comparable, installKiller } from '../kuke-faults/killer.ts';
import { warmHost } from '../kuke-faults/warm-host.ts';
import { difference } from '../observe/inventory.ts';
import { type Coverage, momentsOf, tell } from './moments.ts';

let containerd: Containerd;
beforeAll(async () => {
  containerd = await warmHost();
  installKiller();
});
afterAll(() => containerd.stop());

const always = { restartPolicy: 'always' };
/** What kukeond has seen is kept. */
const EVENTS = /^file \/opt\/kukeon\/\.kuke\/events\.jsonl$/;
const isBack = () =>
  statusWhen(
    'web',
    ({ state, containers }) => state === 'Ready' && containers.every(one => one.state === 'Running'),
    60_000,
  );

/** Whether it was killed before all was well. */
async function isKilledAt(moment: number): Promise<boolean> {
  let doomed: Kukeond;
  try {
    doomed = await startKukeond(at(moment));
  } catch {
    return true; // before it was ready
  }
  const isKilled = await Promise.race([doomed.program.exited.then(() => true), isBack().then(() => false)]);
  if (!isKilled) await doomed.kill();
  return isKilled;
}

/** kukeond does not run when it `befalls`. */
async function atMoments(name: string, moments: Generator<number>, befalls: () => Promise<void>): Promise<Coverage> {
  const covered = { name, killed: 0, last: 0 };
  const expected = await comparable();
  for (const moment of moments) {
    await befalls();
    const isKilled = await isKilledAt(moment);
    const next = await startKukeond();
    await isBack();
    expect(await next.end()).toBe(0);
    expect({ moment, different: difference(expected, await comparable(), [EVENTS]) }).toEqual({
      moment,
      different: [],
    });
    if (!isKilled) break;
    covered.killed++;
    covered.last = moment;
  }
  return covered;
}

test('a restart, and a reboot', async () => {
  await apply(cell('web', [container('main', always), container('side', always)]));
  const restart = await atMoments('restart', momentsOf(1, 3), async () => {
    // Who starts it by hand begins anew, without pauses.
    await kuke('stop', 'cell', 'web');
    await kuke('start', 'cell', 'web');
    process.kill((await pidsOf('web')).main ?? 0, 'SIGKILL');
  });
  const back = await atMoments('reboot', momentsOf(2, 15), () => reboot(containerd));
  tell([restart, back]);
  for (const { killed } of [restart, back]) expect(killed).toBeGreaterThan(0);
}, 600_000);
