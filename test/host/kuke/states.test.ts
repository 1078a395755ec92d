/** start, stop, kill, and what `get` says of a cell in every state (spec.md §6). */
// containerd: the oldest and the newest, since what differs between versions is asked of each by the tests of containerd-shim.
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { eventually } from '../../suites/contract.ts';
import { ctr, tasks } from '../observe/containerd.ts';
import { type Inventory, inventory } from '../observe/inventory.ts';
import { networkNamespaces } from '../observe/network.ts';
import { processes } from '../observe/system.ts';
import {
  addressesOf,
  cell,
  container,
  getCell,
  inContainer,
  loadImage,
  log,
  logged,
  pidsOf,
  shell,
  stateOf,
  untilState,
} from './cells.ts';
import { apply, kuke } from './kuke.ts';
import { leaks, type ReadyHost, readyHost, removeCells } from './ready-host.ts';

const USR1_IMAGE = 'docker.io/library/usr1:1';
const SHARED = '/var/tmp/shared';

let host: ReadyHost;
let before: Inventory;
beforeAll(async () => {
  host = await readyHost();
  await loadImage({ name: USR1_IMAGE, config: { StopSignal: 'SIGUSR1', Env: ['PATH=/bin'] } });
  mkdirSync(SHARED);
  before = await inventory();
});
afterEach(removeCells);
afterAll(() => host.containerd.stop());

test('with containerd away nobody says what containers do', async () => {
  await apply(cell('web'));
  await host.containerd.kill();
  const { status } = await getCell('web');
  expect(status).toMatchObject({ state: 'Unknown', containers: [{ id: 'main', state: 'Unknown' }] });
  expect(status.containers[0]?.pid).toBeUndefined();
  expect(await kuke('get', 'containers')).toMatch(/web +main +Unknown/);
  expect(await kuke('get', 'cells')).toMatch(/web +Unknown +\?\/1/);
  await host.containerd.start();
  expect(await stateOf('web')).toBe('Ready');
});

/** All that runs in the cell is gone, and its place in the network; its containers are still there. */
async function expectDown(name: string): Promise<void> {
  const { status } = await getCell(name);
  expect(status.attachments).toEqual([]);
  expect(await pidsOf(name)).toEqual({});
  expect(await networkNamespaces()).toEqual([]);
  expect((await tasks('kukeon-main')).filter(task => task.status !== 'STOPPED')).toEqual([]);
}

async function expectNothingLeft(...names: string[]): Promise<void> {
  for (const name of names) await kuke('delete', 'cell', name, '--cascade');
  expect(await leaks(before)).toEqual([]);
}

test('stop and start: the writable layer survives, the network comes anew; both say what is so already', async () => {
  await apply(cell('web', [container('main'), container('side')]));
  const pids = await pidsOf('web');
  for (const pid of Object.values(pids)) await inContainer(pid, 'echo kept > /root/kept');
  expect(await kuke('start', 'cell', 'web')).toMatch(/web (?:started|unchanged)\n$/);
  expect(await pidsOf('web')).toEqual(pids);

  await Promise.all(['main', 'side'].map(id => logged('web', id, /ready/)));
  expect(await kuke('stop', 'cell', 'web')).toBe('cell main/default/default/web stopped\n');
  const { spec, status } = await getCell('web');
  expect(status).toMatchObject({ state: 'Stopped', reason: 'Requested' });
  expect(status.containers.map(({ state, exitCode, finishedAt }) => [state, exitCode, typeof finishedAt])).toEqual([
    ['Exited', 0, 'string'],
    ['Exited', 0, 'string'],
  ]);
  expect(spec.desiredState).toBe('stopped');
  await expectDown('web');
  expect(await kuke('stop', 'cell', 'web')).toBe('cell main/default/default/web unchanged\n');

  expect(await kuke('start', 'cell', 'web')).toBe('cell main/default/default/web started\n');
  expect(await stateOf('web')).toBe('Ready');
  expect(await addressesOf('web')).toHaveLength(1);
  for (const pid of Object.values(await pidsOf('web'))) expect(await inContainer(pid, 'cat /root/kept')).toBe('kept\n');
  expect(await kuke('start', 'cell', 'web')).toBe('cell main/default/default/web unchanged\n');
  await expectNothingLeft('web');
});

test('stop: the image’s STOPSIGNAL to all but the root at once, then to the root', async () => {
  const volumes = [{ kind: 'bind', source: SHARED, target: '/shared' }];
  // Each of the two waits for the other to have its signal; the root notes whom it has outlived.
  const others = ['a', 'b'].map(id =>
    shell(
      id,
      `trap 'touch /shared/${id}; while ! [ -e /shared/a -a -e /shared/b ]; do sleep 0.02; done; exit 0' USR1; echo ready; while :; do sleep 0.02; done`,
      { image: USR1_IMAGE, volumes },
    ),
  );
  const root = shell(
    'main',
    'trap "ls /shared > /shared/outlived; exit 0" TERM; echo ready; while :; do sleep 0.02; done',
    { root: true, volumes },
  );
  await apply(cell('ordered', [...others, root]));
  await Promise.all(['main', 'a', 'b'].map(id => logged('ordered', id, /ready/)));
  await kuke('stop', 'cell', 'ordered', '--timeout', '60s');
  expect(readFileSync(`${SHARED}/outlived`, 'utf8')).toMatch(/^a\nb\n/);
  expect((await getCell('ordered')).status.containers.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
  await expectNothingLeft('ordered');
});

/** Hears SIGTERM, and goes on. */
const STUBBORN = 'trap "echo no" TERM; echo ready; while :; do sleep 0.05; done';

async function stubborn(): Promise<void> {
  await apply(cell('stubborn', [shell('main', STUBBORN), container('side')]));
  await logged('stubborn', 'main', /ready/);
  await logged('stubborn', 'side', /ready/);
}

const exitCodes = async (name: string) => (await getCell(name)).status.containers.map(({ exitCode }) => exitCode);

test('what ignores its signal is killed when its time is up, and the cell counts as stopped', async () => {
  await stubborn();
  await kuke('stop', 'cell', 'stubborn', '--timeout', '500ms');
  expect(log('stubborn', 'main')).toContain('no');
  expect(await stateOf('stubborn')).toBe('Stopped Requested');
  expect(await exitCodes('stubborn')).toEqual([137, 0]);
  await expectDown('stubborn');
  await expectNothingLeft('stubborn');
});

test('kill is SIGKILL to all of them', async () => {
  await stubborn();
  expect(await kuke('kill', 'cell', 'stubborn')).toBe('cell main/default/default/stubborn killed\n');
  expect(await stateOf('stubborn')).toBe('Stopped Requested');
  expect(await exitCodes('stubborn')).toEqual([137, 137]);
  expect((await getCell('stubborn')).spec.desiredState).toBe('stopped');
  expect(log('stubborn', 'main')).not.toContain('no');
  await expectDown('stubborn');
  expect(await kuke('kill', 'cell', 'stubborn')).toContain('unchanged');
  await expectNothingLeft('stubborn');
});

test('delete --force asks nobody to end', async () => {
  const volumes = [{ kind: 'bind', source: SHARED, target: '/shared' }];
  await apply(
    cell('stubborn', [
      shell('main', `trap 'echo no > /shared/heard' TERM; ${STUBBORN.replace(/^.*?; /, '')}`, { volumes }),
    ]),
  );
  await logged('stubborn', 'main', /ready/);
  await kuke('delete', 'cell', 'stubborn', '--cascade', '--force');
  expect(existsSync(`${SHARED}/heard`)).toBe(false);
  await expectNothingLeft();
});

test('Ready, Degraded: what ended with 0 counts as done, anything else does not', async () => {
  await apply(
    cell('mixed', [
      container('main'),
      shell('done', 'exit 0'),
      shell('todo', 'while ! [ -e /tmp/end ]; do sleep 0.02; done; exit 4'),
    ]),
  );
  await eventually(async () => ((await getCell('mixed')).status.containers[1]?.state === 'Exited' ? true : undefined));
  expect(await stateOf('mixed')).toBe('Ready');
  expect(await kuke('get', 'cell', 'mixed')).toMatch(/mixed +Ready +2\/3/);
  const { todo = 0 } = await pidsOf('mixed');
  await inContainer(todo, 'touch /tmp/end');
  expect((await untilState('mixed', 'Degraded')).message).toContain('`todo` (exit code 4)');
  // apply leaves what has ended; start starts it.
  expect(
    await apply(
      cell('mixed', [
        container('main'),
        shell('done', 'exit 0'),
        shell('todo', 'while ! [ -e /tmp/end ]; do sleep 0.02; done; exit 4'),
      ]),
    ),
  ).toContain('unchanged');
  await inContainer((await pidsOf('mixed')).main ?? 0, 'true');
  expect(await kuke('start', 'cell', 'mixed')).toContain('started');
  await untilState('mixed', 'Degraded'); // /tmp/end is in its writable layer
  await expectNothingLeft('mixed');
});

test.each([
  [0, 'Stopped', 'Completed'],
  [7, 'Failed', 'RootExited'],
])(
  'the root ends with %d: get says so at once, and the next command that takes the lock takes its network down',
  async (code, state, reason) => {
    await apply(
      cell('ending', [shell('main', `while ! [ -e /tmp/end ]; do sleep 0.02; done; exit ${code}`), container('side')]),
    );
    const pids = await pidsOf('ending');
    await inContainer(pids.main ?? 0, 'touch /tmp/end');
    const seen = await untilState('ending', state);
    expect(seen).toMatchObject({ state, reason });
    expect(seen.message).toContain('`side` is still running');
    expect(seen.containers[0]).toMatchObject({ state: 'Exited', exitCode: code });
    // Nobody has taken the lock yet.
    expect(await networkNamespaces()).toHaveLength(1);
    await kuke('create', 'stack', 'another');
    expect(await stateOf('ending')).toBe(`${state} ${reason}`);
    expect((await getCell('ending')).spec.desiredState).toBeUndefined();
    await expectDown('ending');
    expect(
      await apply(
        cell('ending', [
          shell('main', `while ! [ -e /tmp/end ]; do sleep 0.02; done; exit ${code}`),
          container('side'),
        ]),
      ),
    ).toContain('unchanged');
    await kuke('delete', 'stack', 'another');
    await expectNothingLeft('ending');
  },
);

test('RootGone: the shim died, and apply brings the cell back', async () => {
  await apply(cell('orphan', [container('main'), container('side')]));
  const [shim] = processes().filter(({ command }) => command[0]?.endsWith('containerd-shim-runc-v2'));
  process.kill(shim?.pid ?? 0, 'SIGKILL');
  await eventually(async () => ((await tasks('kukeon-main')).length === 0 ? true : undefined));
  expect(await stateOf('orphan')).toBe('Failed RootGone');
  const back = await apply(cell('orphan', [container('main'), container('side')]));
  expect(back).toMatch(/orphan updated\n {2}put right: .*network\.attach.*runtime\.start/);
  expect(await stateOf('orphan')).toBe('Ready');
  await kuke('delete', 'cell', 'orphan', '--cascade');
  // Its socket is of the shim that was killed, and containerd's to remove.
  expect((await leaks(before)).filter(line => !line.startsWith('+ file /run/containerd/s/'))).toEqual([]);
  before = await inventory();
});

test('a paused cell is said to be so, and can be stopped', async () => {
  await apply(cell('frozen', [container('main'), container('side')]));
  for (const id of ['root', 'side']) await ctr('kukeon-main', ['tasks', 'pause', `default_default_frozen_${id}`]);
  expect(await stateOf('frozen')).toBe('Unknown RootPaused');
  expect(await apply(cell('frozen', [container('main'), container('side')]))).toContain('unchanged');
  await kuke('stop', 'cell', 'frozen');
  expect(await stateOf('frozen')).toBe('Stopped Requested');
  await expectDown('frozen');
  await expectNothingLeft('frozen');
});
