/** What init makes and where (spec.md §2), and that uninstall leaves the host as it was. */
// containerd: the oldest and the newest, since what differs between versions is asked of each by the tests of containerd-shim.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { type Containerd, startContainerd } from '../containerd.ts';
import { containers, labels, namespaces } from '../observe/containerd.ts';
import { difference, type Inventory } from '../observe/inventory.ts';
import { links, networkNamespaces } from '../observe/network.ts';
import { cgroups } from '../observe/system.ts';
import { cell, container, getCell, loadImage, logged, manifest } from './cells.ts';
import { footprint, scaffold } from './footprint.ts';
import { apply, applyFailing, failing, get, kuke, run } from './kuke.ts';

let containerd: Containerd;
let before: Inventory;
beforeAll(async () => {
  containerd = await startContainerd();
  before = await footprint();
});
afterAll(() => containerd.stop());

const read = (path: string) => readFileSync(path, 'utf8');
const files = [
  '/opt/kukeon/main/realm.yaml',
  '/opt/kukeon/main/default/space.yaml',
  '/etc/cni/net.d/main-default.conflist',
];

test('where nothing was initialised, commands say so and make nothing', async () => {
  expect(await failing(5, 'image', 'ls')).toContain('kuke init');
  expect(await applyFailing(5, cell('web'))).toContain('kuke init');
  expect(await failing(5, 'create', 'realm', 'lab')).toContain('kuke init');
  expect(await failing(3, 'delete', 'cell', 'web')).toContain('realm main: not found');
  expect((await run(['get', 'cells'])).status).toBe(0);
  expect(difference(before, await footprint())).toEqual([]);
});

test('init makes realm, space and stack; the second time it changes nothing', async () => {
  expect(await kuke('init')).toBe(
    'realm main created\nspace main/default created\nstack main/default/default created\n',
  );
  const written = files.map(path => [read(path), statSync(path).ino, statSync(path).mtimeMs]);
  const made = await footprint();
  expect(await kuke('init')).toBe(
    'realm main unchanged\nspace main/default unchanged\nstack main/default/default unchanged\n',
  );
  expect(files.map(path => [read(path), statSync(path).ino, statSync(path).mtimeMs])).toEqual(written);
  expect(difference(made, await footprint())).toEqual([]);
});

test('every level is a primitive of Linux that other tools see', async () => {
  const instance = read('/opt/kukeon/.kuke/instance').trim();
  expect(instance).toMatch(/^[0-9a-f-]{36}$/);
  expect(await namespaces()).toEqual(['kukeon-main']);
  expect(await labels('namespaces', 'kukeon-main', 'default')).toEqual([`kukeon.io/instance=${instance}`]);
  expect(cgroups().filter(path => path.startsWith('kukeon'))).toEqual([
    'kukeon',
    'kukeon/main',
    'kukeon/main/default',
    'kukeon/main/default/default',
  ]);
  const conflist = JSON.parse(read('/etc/cni/net.d/main-default.conflist'));
  expect(conflist.plugins[0].bridge).toMatch(/^kuke-.{1,10}$/);
  expect(conflist).toMatchObject({
    cniVersion: '1.0.0',
    name: 'main-default',
    kukeon: { instance, realm: 'main', space: 'default' },
    plugins: [{ type: 'bridge', isGateway: true, ipMasq: true, ipam: { type: 'host-local' } }, { type: 'portmap' }],
  });
  // The bridge comes with the first cell.
  expect((await links()).map(({ ifname }) => ifname)).toEqual(['lo']);
});

test('the files of state are manifests with their status, for root alone to change', async () => {
  for (const [path, kind, name] of [
    ['/opt/kukeon/main/realm.yaml', 'Realm', 'main'],
    ['/opt/kukeon/main/default/space.yaml', 'Space', 'default'],
    ['/opt/kukeon/main/default/default/stack.yaml', 'Stack', 'default'],
  ] as const) {
    expect(Bun.YAML.parse(read(path))).toMatchObject({
      apiVersion: 'v1beta1',
      kind,
      metadata: { name },
      status: { state: 'Ready', observedAt: expect.any(String) },
    });
    expect(statSync(path).mode & 0o022).toBe(0);
  }
  expect(statSync('/opt/kukeon').mode & 0o022).toBe(0);
});

test('a cell is where the contract says', async () => {
  await loadImage();
  await apply(cell('web', [container('main'), container('side')], { spaceId: 'default' }));
  await logged('web', 'side', /ready/);
  const { status } = await getCell('web');
  expect(Bun.YAML.parse(read('/opt/kukeon/main/default/default/web/cell.yaml'))).toMatchObject({
    kind: 'Cell',
    spec: { containers: [{ id: 'main' }, { id: 'side' }] },
    status: { state: 'Ready', cgroupPath: '/kukeon/main/default/default/web', attachments: status.attachments },
  });
  expect(await containers('kukeon-main')).toEqual(['default_default_web_root', 'default_default_web_side']);
  const [netns] = await networkNamespaces();
  expect(netns).toMatch(/^kuke-[0-9a-f]+$/);
  const [attachment] = status.attachments;
  const address = attachment?.addresses[0]?.split('/')[0];
  expect(readdirSync('/var/lib/cni/results')).toEqual([`main-default-${attachment?.attachmentId}-eth0`]);
  expect(readdirSync('/var/lib/cni/networks/main-default').sort()).toEqual(
    ['.by-id', `${address}`, 'last_reserved_ip.0', 'lock'].sort(),
  );
  expect(cgroups().filter(path => path.startsWith('kukeon/main/default/default/web/'))).toEqual([
    'kukeon/main/default/default/web/side',
    'kukeon/main/default/default/web/web_root',
  ]);
  expect(read('/sys/fs/cgroup/kukeon/main/default/default/web/web_root/cgroup.procs').split('\n')).toContain(
    `${status.containers[0]?.pid}`,
  );
  expect(readdirSync('/var/log/kukeon/main/default/default/web').sort()).toEqual([
    'main.log',
    'main.log.index',
    'side.log',
    'side.log.index',
  ]);
  const hash = new Bun.CryptoHasher('sha256').update('/opt/kukeon').digest('hex').slice(0, 16);
  expect(readdirSync('/run/kukeon')).toEqual([`${hash}.lock`]);
});

test('names that are too long for containerd are shortened, their end kept', async () => {
  const long = 'x'.repeat(63);
  await kuke('create', 'space', `a${long.slice(1)}`);
  await kuke('create', 'stack', `b${long.slice(1)}`, '--space', `a${long.slice(1)}`);
  const scope = { spaceId: `a${long.slice(1)}`, stackId: `b${long.slice(1)}` };
  await apply(cell(`c${long.slice(1)}`, [container('main'), container(`d${long.slice(1)}`)], scope));
  const ids = (await containers('kukeon-main')).filter(id => !id.startsWith('default_'));
  expect(ids).toHaveLength(2);
  for (const id of ids) expect(id.length).toBeLessThanOrEqual(76);
  expect(ids.filter(id => id.endsWith('_root'))).toHaveLength(1);
  expect(await kuke('delete', 'space', `a${long.slice(1)}`, '--cascade', '--force')).toContain('deleted');
  expect((await containers('kukeon-main')).filter(id => !id.startsWith('default_'))).toEqual([]);
});

test.each(['a_b', 'a.b', 'a--b', '-a', 'a-', 'x'.repeat(64), '../up', ''])('%p is no name', async name => {
  const made = await footprint();
  await failing(2, 'create', 'realm', name);
  await applyFailing(2, manifest('Realm', name));
  expect(difference(made, await footprint())).toEqual([]);
});

test('init takes other names, and a name that differs in case only is refused', async () => {
  expect(await kuke('init', '--realm', 'lab', '--space', 'dmz')).toBe(
    'realm lab created\nspace lab/dmz created\nstack lab/dmz/default created\n',
  );
  expect(existsSync('/opt/kukeon/lab/dmz/default/stack.yaml')).toBe(true);
  expect(await failing(4, 'create', 'realm', 'LAB')).toContain('lab');
  expect((await get<{ items: unknown[] }>('realms', '-A')).items).toHaveLength(2);
});

test('a second installation on the host neither takes nor harms what is the first one’s', async () => {
  const made = await footprint();
  const other = { env: { KUKE_RUN_PATH: '/opt/other' } };
  const refused = await run(['init'], other);
  expect(refused).toMatchObject({ status: 4, stdout: expect.stringContaining('realm main failed') });
  await kuke('uninstall', '--yes', '--run-path', '/opt/other');
  expect(difference(made, await footprint())).toEqual([]);
});

test('uninstall asks, and without anybody to ask removes nothing', async () => {
  const made = await footprint();
  expect(await failing(2, 'uninstall')).toContain('--yes');
  expect(difference(made, await footprint())).toEqual([]);
});

test('uninstall leaves nothing but containerd, which was there before', async () => {
  expect(await kuke('uninstall', '--yes')).toContain('kuke has left this host');
  expect(difference(before, await footprint(), scaffold)).toEqual([]);
  expect(await namespaces()).toEqual([]);
  expect(await kuke('uninstall', '--yes')).toContain('there is nothing to remove');
});

test('after an uninstall init begins anew', async () => {
  expect(await kuke('init')).toBe(
    'realm main created\nspace main/default created\nstack main/default/default created\n',
  );
  await kuke('uninstall', '--yes');
  expect(difference(before, await footprint(), scaffold)).toEqual([]);
});

test('changing commands need root, reading ones do not', async () => {
  await kuke('init');
  const asUser = { prefix: ['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups'] };
  for (const command of [['init'], ['create', 'realm', 'x'], ['uninstall', '--yes'], ['image', 'ls']]) {
    const { status, stderr } = await run(command, asUser);
    expect({ command, status }).toEqual({ command, status: 5 });
    expect(stderr).toContain('sudo');
  }
  const { status, stdout } = await run(['get', 'spaces'], asUser);
  expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/default +(?:Ready|Unknown)/) });
  await kuke('uninstall', '--yes');
});
