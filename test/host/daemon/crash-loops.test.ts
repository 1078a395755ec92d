// containerd: once, since what dies and what is looked at are the same with each
/** Fifty cells that crash again and again: kukeond answers, the pauses hold, what is well is kept, and all can be stopped and deleted. */
process.env.KUKE_NO_DAEMON = '0';

import { afterAll, beforeAll, expect, test } from 'bun:test';
import { eventually } from '../../suites/contract.ts';
import type { Containerd } from '../containerd.ts';
import { type Cell, cell, container, pidsOf, shell, stateOf } from '../kuke/cells.ts';
import { apply, kuke, run } from '../kuke/kuke.ts';
import { leaks } from '../kuke/ready-host.ts';
import { warmHost } from '../kuke-faults/warm-host.ts';
import { type Inventory, inventory } from '../observe/inventory.ts';
import { ask } from './kukeond.ts';

const COUNT = 50;

let containerd: Containerd;
let before: Inventory;
beforeAll(async () => {
  containerd = await warmHost();
  before = await inventory();
});
afterAll(async () => {
  await kuke('daemon', 'stop');
  await containerd.stop();
});

const loops = Array.from({ length: COUNT }, (_, index) =>
  cell(`loop-${index}`, [shell('main', 'exit 1', { restartPolicy: 'always' })]),
);

/** How often each of those that crash has been started again, by what the API says. */
async function restarts(): Promise<number[]> {
  await ask('/healthz');
  const { items } = JSON.parse(await ask('/v1beta1/cells')) as { items: Cell[] };
  return items
    .filter(({ metadata }) => metadata.name !== 'well')
    .map(({ status }) => status.containers[0]?.restarts ?? 0);
}

/** As many as fit: at once, then after 1, 2, 4 s and so on. */
const atMost = (seconds: number): number => 1 + Math.floor(Math.log2(seconds + 1));

test('fifty at once', async () => {
  const began = performance.now();
  await apply(cell('well', [container('main', { restartPolicy: 'always' })]), ...loops);
  const { main = 0 } = await pidsOf('well');
  process.kill(main, 'SIGKILL');
  await eventually(async () => {
    const now = await restarts();
    expect(now).toHaveLength(COUNT);
    expect(Math.max(...now)).toBeLessThanOrEqual(atMost((performance.now() - began) / 1000));
    return now.includes(0) || Math.max(...now) === 1 ? undefined : true;
  }, 60_000);
  expect(await pidsOf('well')).toEqual({ main: expect.any(Number) });
  expect((await pidsOf('well')).main).not.toBe(main);
  await kuke('stop', 'cell', 'loop-0');
  expect(await stateOf('loop-0')).toBe('Stopped Requested');
  const stdin = [cell('well'), ...loops].map(one => JSON.stringify(one)).join('\n---\n');
  expect(await run(['delete', '-f', '-', '--cascade', '--force'], { stdin })).toMatchObject({ status: 0 });
  expect(await leaks(before)).toEqual([]);
}, 300_000);
