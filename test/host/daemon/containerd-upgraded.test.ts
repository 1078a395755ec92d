// containerd: once, since it takes all three, one after the other
/** containerd is upgraded below kukeond, twice: containers go on, and what dies then, in cells of each version, is started again. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { containerdVersions } from '../../runner/plan.ts';
import type { Containerd } from '../containerd.ts';
import { cell, container, getCell, pidsOf, untilState } from '../kuke/cells.ts';
import { apply, kuke } from '../kuke/kuke.ts';
import { leaks } from '../kuke/ready-host.ts';
import { warmHost } from '../kuke-faults/warm-host.ts';
import { output } from '../observe/command.ts';
import { type Inventory, inventory } from '../observe/inventory.ts';
import { chooseContainerd } from './containerd-version.ts';
import { statusWhen } from './kukeond.ts';

let containerd: Containerd;
let before: Inventory;
beforeAll(async () => {
  await chooseContainerd('1.6');
  containerd = await warmHost();
  process.env.KUKE_NO_DAEMON = '0';
  await kuke('daemon', 'start');
  before = await inventory();
});
afterAll(async () => {
  await kuke('daemon', 'stop');
  await containerd.stop();
});

const versionOf = async (): Promise<string> =>
  /^Server:\n {2}Version: +v?(\d+\.\d+)/m.exec(await output('ctr', 'version'))?.[1] ?? 'none';
const both = [container('main', { restartPolicy: 'always' }), container('side', { restartPolicy: 'always' })];

async function dies(name: string, id: string): Promise<void> {
  const pids = await pidsOf(name);
  process.kill(pids[id] ?? 0, 'SIGKILL');
  await statusWhen(name, ({ state, containers }) => {
    const pid = containers.find(one => one.id === id)?.pid;
    return state === 'Ready' && pid !== undefined && pid !== pids[id];
  });
}

test('1.6, 1.7, 2', async () => {
  const made: string[] = [];
  for (const version of containerdVersions) {
    const running = await Promise.all(made.map(name => pidsOf(name)));
    await containerd.stop();
    await chooseContainerd(version);
    await containerd.start();
    expect(await versionOf()).toStartWith(version);
    for (const [index, name] of made.entries()) expect(await pidsOf(name)).toEqual(running[index] ?? {});
    for (const name of made) for (const id of ['side', 'main']) await dies(name, id);
    const name = `of-${version.replace('.', '-')}`;
    await apply(cell(name, both));
    await untilState(name, 'Ready');
    made.push(name);
  }
  for (const name of made) {
    await kuke('stop', 'cell', name);
    await kuke('start', 'cell', name);
    expect((await getCell(name)).status.state).toBe('Ready');
    await kuke('delete', 'cell', name, '--cascade');
  }
  expect(await leaks(before)).toEqual([]);
}, 300_000);
