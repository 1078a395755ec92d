// through kukeond, too
/** apply: what it prints, what it changes, and what it leaves alone (spec.md §3, §7). */
// containerd: the oldest and the newest, since what differs between versions is asked of each by the tests of containerd-shim.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { containers, labels, tasks } from '../observe/containerd.ts';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';
import { cgroups, filesBelow } from '../observe/system.ts';
import {
  addressesOf,
  cell,
  container,
  fileIn,
  getCell,
  IMAGE,
  inContainer,
  loadImage,
  logged,
  manifest,
  pidsOf,
  shell,
  stateOf,
} from './cells.ts';
import { apply, applyFailing, kuke, run, tryApply } from './kuke.ts';
import { leaks, type ReadyHost, readyHost } from './ready-host.ts';

const OTHER_IMAGE = 'docker.io/library/other:2';

let host: ReadyHost;
let before: Inventory;
beforeAll(async () => {
  host = await readyHost();
  await loadImage({ name: OTHER_IMAGE });
  before = await inventory();
});
afterAll(() => host.containerd.stop());

const main = container('main', { root: true });
const side = container('side');
const web = 'cell main/default/default/web';

test('a cell is created; applied again it is unchanged, down to its processes', async () => {
  expect(await apply(cell('web', [main, side]))).toBe(`${web} created\n`);
  const pids = await pidsOf('web');
  const there = await inventory();
  expect(await apply(cell('web', [main, side]))).toBe(`${web} unchanged\n`);
  expect(await pidsOf('web')).toEqual(pids);
  expect(difference(there, await inventory())).toEqual([]);
});

test('a change of a side container recreates it alone, and is told field by field', async () => {
  const [pids, addresses] = [await pidsOf('web'), await addressesOf('web')];
  const changed = { ...side, image: OTHER_IMAGE, env: ['A=1'] };
  expect(await apply(cell('web', [main, changed]))).toBe(
    `${web} updated\n  spec.containers[side].image: ${IMAGE} → ${OTHER_IMAGE}\n  spec.containers[side].env: added ["A=1"]\n`,
  );
  const now = await pidsOf('web');
  expect(now.main).toBe(pids.main as number);
  expect(now.side).not.toBe(pids.side as number);
  expect(await addressesOf('web')).toEqual(addresses);
  expect(fileIn(now.side ?? 0, '/proc/1/environ')).toContain('A=1');
  expect(await apply(cell('web', [main, changed]))).toBe(`${web} unchanged\n`);
  expect(await apply(cell('web', [main, side]))).toContain('spec.containers[side].env: removed (was ["A=1"])');
});

test('a container that is added or taken out comes and goes alone', async () => {
  const pids = await pidsOf('web');
  expect(await apply(cell('web', [main, side, container('third')]))).toMatch(
    /^.* updated\n {2}spec\.containers\[third\]: added \{.*\}\n$/,
  );
  expect(await pidsOf('web')).toEqual({ ...pids, third: expect.any(Number) });
  expect(await apply(cell('web', [main, side]))).toMatch(/^.* updated\n {2}spec\.containers\[third\]: removed .*\n$/);
  expect(await pidsOf('web')).toEqual(pids);
  expect(await containers('kukeon-main')).toEqual(['default_default_web_root', 'default_default_web_side']);
  expect(cgroups().filter(path => path.endsWith('/third'))).toEqual([]);
});

test('a change of the root is a new cell: all of its containers, its network', async () => {
  const pids = await pidsOf('web');
  await inContainer(pids.side ?? 0, 'echo old > /tmp/old');
  expect(await apply(cell('web', [{ ...main, workingDir: '/srv' }, side]))).toBe(
    `${web} updated\n  spec.containers[main].workingDir: added /srv\n`,
  );
  const now = await pidsOf('web');
  expect([now.main, now.side]).not.toContain(pids.main as number);
  expect([now.main, now.side]).not.toContain(pids.side as number);
  expect(await inContainer(now.side ?? 0, 'ls /tmp')).toBe('');
  expect(await addressesOf('web')).toHaveLength(1);
  expect(await stateOf('web')).toBe('Ready');
});

test('another root takes new containers, under the names that they have then', async () => {
  expect(await apply(cell('web', [main, side], { rootContainerId: 'main' }))).toContain(
    'spec.rootContainerId: added main',
  );
  expect(await apply(cell('web', [container('main'), side], { rootContainerId: 'side' }))).toContain('updated');
  expect(await containers('kukeon-main')).toEqual(['default_default_web_main', 'default_default_web_root']);
  expect(await labels('containers', 'default_default_web_root', 'kukeon-main')).toContain('kukeon.io/container=side');
  expect(await stateOf('web')).toBe('Ready');
  expect((await tasks('kukeon-main')).map(({ status }) => status)).toEqual(['RUNNING', 'RUNNING']);
  await apply(cell('web', [main, side]));
});

test('what changes in place leaves the processes alone', async () => {
  const pids = await pidsOf('web');
  const aliased = cell('web', [{ ...main, networksAliases: ['front'] }, side]);
  expect(await apply(aliased)).toBe(`${web} updated\n  spec.containers[main].networksAliases: added ["front"]\n`);
  expect(fileIn(pids.side ?? 0, '/etc/hosts')).toMatch(/^10\.88\.\d+\.\d+\tweb front$/m);
  const labelled = { ...aliased, metadata: { name: 'web', labels: { app: 'shop' } } };
  expect(await apply(labelled)).toBe(`${web} updated\n  metadata.labels: {} → {"app":"shop"}\n`);
  expect(await pidsOf('web')).toEqual(pids);
  await apply(cell('web', [main, side]));
});

test('what get prints can be applied, and says unchanged', async () => {
  for (const [kind, name] of [
    ['realm', 'main'],
    ['space', 'default'],
    ['stack', 'default'],
    ['cell', 'web'],
  ] as const) {
    for (const format of ['yaml', 'json']) {
      expect(await apply(await kuke('get', kind, name, '-o', format))).toMatch(/^\S+ \S+ unchanged\n$/);
    }
  }
  const lists = await Promise.all(
    ['realms', 'spaces', 'stacks', 'cells'].map(kind => kuke('get', kind, '-A', '-o', 'yaml')),
  );
  expect(await apply(...lists)).toMatch(/^(?:\S+ \S+ unchanged\n){4}$/);
});

test('documents may come in any order, in several files and with a status; they are answered in theirs', async () => {
  const there = await inventory();
  const place = { realmId: 'lab', spaceId: 'dmz', stackId: 'blog' };
  const cells = [cell('one', [], place), cell('two', [], place)];
  await Bun.write(
    '/tmp/cells.yaml',
    cells.map(one => Bun.YAML.stringify({ ...one, status: { state: 'Ready' } })).join('\n---\n'),
  );
  await Bun.write(
    '/tmp/rest.json',
    JSON.stringify({
      apiVersion: 'v1beta1',
      kind: 'List',
      items: [manifest('Space', 'dmz', { realmId: 'lab' }), manifest('Realm', 'lab')],
    }),
  );
  const stack = manifest('Stack', 'blog', { realmId: 'lab', spaceId: 'dmz' });
  const { stdout } = await run(['apply', '-f', '/tmp/cells.yaml', '-f', '-', '-f', '/tmp/rest.json'], {
    stdin: JSON.stringify(stack),
  });
  expect(stdout).toBe(
    ['cell lab/dmz/blog/one', 'cell lab/dmz/blog/two', 'stack lab/dmz/blog', 'space lab/dmz', 'realm lab']
      .map(line => `${line} created\n`)
      .join(''),
  );
  expect(await stateOf('one', '--realm', 'lab', '--space', 'dmz', '--stack', 'blog')).toBe('Pending');
  await kuke('delete', 'realm', 'lab', '--cascade');
  expect(await leaks(there)).toEqual([]);
});

test('one invalid document, and nothing is applied; every fault is told with its place', async () => {
  const there = await inventory();
  await Bun.write(
    '/tmp/faulty.yaml',
    'apiVersion: v1beta1\nkind: Cell\nmetadata:\n  name: bad\nspec:\n  containers:\n    - id: main\n      imgae: busybox\n',
  );
  const { status, stdout, stderr } = await run(['apply', '-f', '-', '-f', '/tmp/faulty.yaml'], {
    stdin: JSON.stringify(manifest('Realm', 'lab')),
  });
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toContain('/tmp/faulty.yaml:8:7');
  expect(stderr).toMatch(/spec\.containers\[0\]\.imgae.*image/);
  expect(difference(there, await inventory())).toEqual([]);
});

test.each([
  ['malformed', 'a: [1\nb: 2', /stdin:\d+:\d+/],
  ['of an unknown kind', manifest('Cel', 'x'), /Cell/],
  ['of another apiVersion', { ...cell('x'), apiVersion: 'v2' }, /v1beta1/],
  ['with two roots', cell('x', [main, { ...side, root: true }]), /one root/],
  [
    'with a field that nothing acts on yet',
    cell('x', [{ ...main, volumes: [{ kind: 'volume', target: '/x' }] }]),
    /volumes\[0\]\.kind/,
  ],
  ['with a wrong type', cell('x', [{ ...main, env: 'A=1' }]), /spec\.containers\[0\]\.env/],
  ['of a container', manifest('Container', 'x', main), /[Cc]ell/],
])('a document %s is refused and leaves nothing', async (_, document, words) => {
  const there = await inventory();
  expect(await applyFailing(2, document)).toMatch(words);
  expect(difference(there, await inventory())).toEqual([]);
});

test('a failure fails what depends on it, not the rest, and leaves nothing of itself', async () => {
  const pids = await pidsOf('web');
  const { status, stdout, stderr } = await tryApply(
    cell('no-image', [container('main', { image: 'nowhere:1', imagePullPolicy: 'Never' })]),
    cell('no-stack', [main], { stackId: 'nowhere' }),
    manifest('Realm', 'twin', { namespace: 'kukeon-main' }),
    manifest('Space', 'inner', { realmId: 'twin' }),
    cell('good'),
    cell('no-command', [main, container('side', { command: '/no/such' })]),
  );
  expect(stdout.trim().split('\n')).toEqual([
    'cell main/default/default/no-image failed',
    'cell main/default/nowhere/no-stack failed',
    'realm twin failed',
    'space twin/inner failed',
    'cell main/default/default/good created',
    'cell main/default/default/no-command failed',
  ]);
  expect(status).toBe(3);
  const faults = stderr.trim().split('\n');
  expect(faults).toEqual([
    expect.stringMatching(/no-image.*nowhere:1.*image load/),
    expect.stringMatching(/no stack main\/default\/nowhere.*kuke create stack nowhere/),
    expect.stringMatching(/kukeon-main is realm main's/),
    expect.stringMatching(/realm twin could not be made/),
    expect.stringMatching(/no-command.*\/no\/such/),
  ]);
  expect(await pidsOf('web')).toEqual(pids);
  expect(await kuke('delete', 'cell', 'good', '--cascade')).toContain('deleted');
  expect(filesBelow('/opt/kukeon').filter(path => /no-|twin|good/.test(path))).toEqual([]);
  expect(filesBelow('/var/log/kukeon').filter(path => /no-|twin|good/.test(path))).toEqual([]);
  await kuke('delete', 'cell', 'web', '--cascade');
  expect(await leaks(before)).toEqual([]);
});

test('a failed update keeps what it wants, says what is wrong, and a later one mends it', async () => {
  await apply(cell('web', [main, side]));
  const { main: pid } = await pidsOf('web');
  expect(await applyFailing(1, cell('web', [main, { ...side, command: '/no/such' }]))).toContain('/no/such');
  expect((await pidsOf('web')).main).toBe(pid as number);
  expect(await stateOf('web')).toBe('Degraded ContainersNotRunning');
  expect((await getCell('web')).spec.containers[1]).toMatchObject({ command: '/no/such' });
  await apply(cell('web', [main, side]));
  expect(await stateOf('web')).toBe('Ready');
  expect((await pidsOf('web')).main).toBe(pid as number);
  expect(
    await applyFailing(3, cell('web', [main, { ...side, image: 'nowhere:1', imagePullPolicy: 'Never' }])),
  ).toContain('nowhere:1');
  expect(await stateOf('web')).toBe('Ready');
});

test('what is fixed at creation is a conflict, and says so', async () => {
  expect(await applyFailing(4, manifest('Realm', 'main', { namespace: 'other' }))).toMatch(
    /spec\.namespace cannot be changed.*kukeon-main/,
  );
  expect(await applyFailing(4, manifest('Space', 'default', { network: { subnet: '10.99.0.0/24' } }))).toContain(
    'spec.network.subnet',
  );
  expect(await applyFailing(4, manifest('Space', 'default', { cniConfigPath: '/etc/other' }))).toContain(
    'spec.cniConfigPath',
  );
  expect(await apply(manifest('Realm', 'main', { namespace: 'kukeon-main' }))).toMatch(/realm main u\w+/);
});

test('a cell that ends at once is created, and its state tells', async () => {
  expect(await apply(cell('brief', [shell('main', 'echo gone; exit 3')]))).toContain('created');
  await logged('brief', 'main', /gone/);
  expect(await stateOf('brief')).toBe('Failed RootExited');
  expect((await getCell('brief')).status.message).toContain('exit code 3');
  await kuke('delete', 'cell', 'brief', '--cascade');
  await kuke('delete', 'cell', 'web', '--cascade');
  expect(await leaks(before)).toEqual([]);
});
