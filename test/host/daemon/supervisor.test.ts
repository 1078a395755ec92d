/** What is kept running, whatever dies: a container, its root, its shim, containerd, the supervisor itself. */
// containerd: the oldest and the newest, since what differs between versions is asked of each by the tests of containerd-shim.
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { eventually } from '../../suites/contract.ts';
import { cell, container, inContainer, pidsOf, shell } from '../kuke/cells.ts';
import { apply, get, kuke } from '../kuke/kuke.ts';
import { leaks, type ReadyHost, readyHost, removeCells } from '../kuke/ready-host.ts';
import { output } from '../observe/command.ts';
import { containerIn, isNotKukeond, type Kukeond, type Status, startKukeond, statusWhen } from './kukeond.ts';

let host: ReadyHost;
let kukeond: Kukeond;

beforeAll(async () => {
  host = await readyHost();
  kukeond = await startKukeond();
});

afterEach(async () => {
  await removeCells();
  expect((await leaks(host.before)).filter(isNotKukeond)).toEqual([]);
});

afterAll(async () => {
  await kukeond.kill();
  await host.containerd.stop();
});

const always = { restartPolicy: 'always' };
const three = [container('main', always), container('side', always), container('once')];

const netnsOf = (status: Status) => {
  const [attachment] = status.attachments;
  return { address: attachment?.addresses, id: attachment?.attachmentId };
};

const isRunning = (status: Status, id: string, not: number | undefined): boolean => {
  const { pid, state } = containerIn(status, id);
  return state === 'Running' && pid !== not;
};

const shimOf = (pid: number): number => {
  const [, ppid = ''] = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(ppid);
};

const kill = (pid: number | undefined): void => {
  if (pid === undefined || pid < 2) throw new Error('nothing to kill');
  process.kill(pid, 'SIGKILL');
};

test('a container comes back alone; a root with the address, the network namespace and the others as they were', async () => {
  await apply(cell('web', three));
  const before = await statusWhen('web', ({ state }) => state === 'Ready');
  const pids = await pidsOf('web');
  const namespace = statSync(`/proc/${pids.main}/ns/net`).ino;
  for (const id of ['side', 'main']) {
    const pid = containerIn(before, id).pid;
    kill(pid);
    const status = await statusWhen('web', now => isRunning(now, id, pid) && containerIn(now, id).restarts === 1);
    expect(status.state).toBe('Ready');
    expect(containerIn(status, id)).toMatchObject({ lastTermination: { exitCode: 137, reason: 'Error' } });
    expect(netnsOf(status)).toEqual(netnsOf(before));
  }
  const after = await pidsOf('web');
  expect(after.once).toBe(pids.once);
  expect(statSync(`/proc/${after.main}/ns/net`).ino).toBe(namespace);
  expect(await inContainer(after.main ?? 0, 'ip addr show eth0')).toContain(netnsOf(before).address?.[0] ?? 'nothing');
  expect(await kuke('get', 'cells')).toMatch(/RESTARTS[\s\S]*web +Ready +3\/3 +2 /);
  // What ends by itself and is not to come back stays away.
  kill(after.once);
  const status = await statusWhen('web', now => containerIn(now, 'once').state === 'Exited');
  expect(status).toMatchObject({ state: 'Degraded', reason: 'ContainersNotRunning' });
});

test('all containers come back when their shim dies, and when containerd is killed with one of them', async () => {
  await apply(cell('web', [container('main', always), container('side', always)]));
  const before = await statusWhen('web', ({ state }) => state === 'Ready');
  const first = await pidsOf('web');
  kill(shimOf(first.main ?? 0));
  const risen = (of: Record<string, number>) => (now: Status) =>
    now.state === 'Ready' && ['main', 'side'].every(id => isRunning(now, id, of[id]));
  expect(netnsOf(await statusWhen('web', risen(first)))).toEqual(netnsOf(before));
  const second = await pidsOf('web');
  const from = kukeond.said.length;
  await host.containerd.kill();
  kill(second.main);
  kill(second.side);
  await host.containerd.start();
  expect(netnsOf(await statusWhen('web', risen(second)))).toEqual(netnsOf(before));
  const said = () => kukeond.said.slice(from).filter(({ message }) => message.startsWith('containerd is '));
  await eventually(async () => (said().length > 1 ? true : undefined));
  expect(said()).toMatchObject([
    { level: 'warn', message: expect.stringContaining('away') },
    { level: 'info', message: 'containerd is back', runtime: expect.stringMatching(/^containerd \d/) },
  ]);
});

test('containers go on while the supervisor is killed; the next one brings back what ended meanwhile, and goes on counting', async () => {
  await apply(cell('web', three), cell('off', [container('main', always)]));
  await kuke('stop', 'cell', 'off');
  const pids = await pidsOf('web');
  kill(pids.side);
  await statusWhen('web', now => isRunning(now, 'side', pids.side) && containerIn(now, 'side').restarts === 1);
  await kukeond.kill();
  const { side } = await pidsOf('web');
  expect(await pidsOf('web')).toMatchObject({ main: pids.main, once: pids.once });
  kill(side);
  await statusWhen('web', now => containerIn(now, 'side').state === 'Exited');
  kukeond = await startKukeond();
  const status = await statusWhen(
    'web',
    now => isRunning(now, 'side', side) && containerIn(now, 'side').restarts === 2,
  );
  expect(containerIn(status, 'main').pid).toBe(pids.main);
  // The user has stopped it.
  expect((await get<{ status: Status }>('cell', 'off')).status).toMatchObject({
    state: 'Stopped',
    reason: 'Requested',
  });
  // Nothing is held up when it is asked to end.
  expect(await kukeond.end()).toBe(0);
  kukeond = await startKukeond();
});

test('a root that ends for good takes the network along; a cell that is deleted on its end leaves nothing', async () => {
  const ends = (id: string, code: number) => shell(id, `sleep 1; exit ${code}`);
  await apply(cell('bad', [ends('main', 3), container('side')]), cell('gone', [ends('main', 0)], { autoDelete: true }));
  const status = await statusWhen('bad', now => now.attachments.length === 0);
  expect(status).toMatchObject({ state: 'Failed', reason: 'RootExited' });
  expect(containerIn(status, 'side').state).toBe('Exited');
  await eventually(
    async () => ((await kuke('get', 'cells', '-o', 'name')).includes('gone') ? undefined : true),
    60_000,
  );
  expect(existsSync('/opt/kukeon/main/default/default/gone')).toBe(false);
});

test('rules that somebody flushes and links that somebody removes come back by themselves, the cell with its address and processes', async () => {
  await apply(cell('web', [container('main')]));
  const before = await statusWhen('web', ({ state }) => state === 'Ready');
  const pids = await pidsOf('web');
  await output('nft', 'flush', 'ruleset');
  const rules = async () => ((await output('nft', 'list', 'ruleset')).includes('space_forward') ? true : undefined);
  await eventually(rules);
  const links = JSON.parse(await output('ip', '-j', 'link', 'show', 'type', 'veth')) as { ifname: string }[];
  for (const { ifname } of links) await output('ip', 'link', 'del', ifname);
  const bridges = JSON.parse(await output('ip', '-j', 'link', 'show', 'type', 'bridge')) as { ifname: string }[];
  for (const { ifname } of bridges) await output('ip', 'link', 'del', ifname);
  const isNew = (now: Status) => now.state === 'Ready' && now.attachments[0]?.attachmentId !== netnsOf(before).id;
  expect(netnsOf(await statusWhen('web', isNew)).address).toEqual(netnsOf(before).address);
  const { main = 0 } = await pidsOf('web');
  expect(main).toBe(pids.main ?? 0);
  expect(await inContainer(main, 'ip addr show eth0')).toContain(netnsOf(before).address?.[0] ?? 'nothing');
  await kuke('doctor'); // finds nothing
});
