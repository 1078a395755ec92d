/** What is not kuke's, in the way of what would be: an error that names it, exit 4, and it stays as it was. */
import { afterEach, beforeAll, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { NetworkDefinition } from '../../../src/kernel/backends/index.ts';
import { context, failure } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';
import { CONFIG_PATH, cleanHost, cniFolders, defined, type TestBackend, testBackend } from './backend.ts';

let t: TestBackend;
let before: Inventory;
const conflist = (name: string) => `${CONFIG_PATH}/${name}.conflist`;
const chosen = async (space = 'x'): Promise<NetworkDefinition> => {
  const { notes: _, ...definition } = await t.backend.choose({ realm: 'main', space });
  return definition;
};

beforeAll(async () => {
  await output('ip', 'netns', 'add', 'warm-up'); // makes /run/netns a mount, for good
  await output('ip', 'netns', 'delete', 'warm-up');
});
beforeEach(() => {
  t = testBackend();
});
afterEach(cleanHost);

const untouched = async () => expect(difference(before, await inventory(), [cniFolders])).toEqual([]);

test('a conflist of that name, or another file with a network of that name', async () => {
  const theirs = { cniVersion: '1.0.0', name: 'main-x', plugins: [{ type: 'bridge', bridge: 'cni0' }] };
  for (const file of [conflist('main-x'), `${CONFIG_PATH}/10-theirs.conf`]) {
    writeFileSync(file, JSON.stringify(theirs));
    before = await inventory();
    const error = await failure(t.backend.choose({ realm: 'main', space: 'x' }), 'Conflict');
    expect(error.message).toContain(file);
    expect(error.exitCode).toBe(4);
    await untouched();
    await output('rm', file);
  }
  writeFileSync(conflist('main-x'), 'not JSON');
  await failure(t.backend.choose({ realm: 'main', space: 'x' }), 'Conflict');
});

test('a space whose ports would be in the group of those of another one', async () => {
  const there = await defined(t.backend, 's13gk');
  const error = await failure(t.backend.choose({ realm: 'main', space: 's13qj' }), 'Conflict');
  expect(error.message).toContain(there.bridge);
  await t.backend.remove(there, context());
  expect((await chosen('s13qj')).bridge).toBe('kuke-main-s13qj');
});

test("another installation's network, with its bridge", async () => {
  const other = testBackend({ instance: '00000000-0000-4000-8000-000000000002' });
  const theirs = await defined(other.backend, 'x');
  await failure(t.backend.choose({ realm: 'main', space: 'x' }), 'Conflict');
  const { networks } = await t.backend.observe({ configPaths: [CONFIG_PATH] });
  expect(networks).toMatchObject([{ name: 'main-x', ours: false, enforced: false }]);
  before = await inventory();
  await t.backend.remove(theirs, context());
  await untouched();
  // Its range is in use as well, and so is the table.
  const mine = await chosen('y');
  expect(mine.subnet).not.toBe(theirs.subnet);
  const error = await failure(t.backend.define(mine, context()), 'Conflict');
  expect(error.message).toContain('inet kukeon');
  await t.backend.remove(mine, context());
  await untouched();
});

test('a file in the place of our conflist: what carries our mark goes, what carries only the name stays', async () => {
  before = await inventory();
  const mine = await defined(t.backend, 'x');
  await t.backend.open({ path: '/run/netns/kuke-cell' }, context());
  const request = { ...mine, attachmentId: 'cell-1', netns: '/run/netns/kuke-cell', interface: 'eth0' };
  await t.backend.attach(request, context());
  await t.backend.close({ path: '/run/netns/kuke-cell' }, context());
  await output('mkdir', '-p', '/var/lib/cni/networks/main-x');
  writeFileSync('/var/lib/cni/networks/main-x/10.9.9.9', 'theirs\r\neth0');
  const theirs = { cniVersion: '1.0.0', name: 'main-x', plugins: [{ type: 'bridge', bridge: 'cni0' }] };
  writeFileSync(conflist('main-x'), JSON.stringify(theirs));
  await t.backend.remove(mine, context());
  // host-local's index of who has which address is as good for theirs.
  expect(difference(before, await inventory(), [cniFolders, /\/networks\/main-x\/\.by-id\//])).toEqual([
    `+ file ${conflist('main-x')}`,
    '+ file /var/lib/cni/networks/main-x/',
    '+ file /var/lib/cni/networks/main-x/10.9.9.9',
    '+ file /var/lib/cni/networks/main-x/last_reserved_ip.0',
    '+ file /var/lib/cni/networks/main-x/lock',
  ]);
});

test('a link with the name of the bridge, of whatever kind', async () => {
  const mine = await chosen();
  for (const kind of [['bridge'], ['veth', 'peer', 'name', 'other-end']]) {
    await output('ip', 'link', 'add', mine.bridge, 'type', ...kind);
    before = await inventory();
    const error = await failure(t.backend.define(mine, context()), 'Conflict');
    expect(error.message).toContain(mine.bridge);
    await t.backend.remove(mine, context());
    await untouched();
    await output('ip', 'link', 'delete', mine.bridge);
  }
});

test('a link that took the name before the first cell came', async () => {
  const mine = await defined(t.backend, 'x');
  await output('ip', 'link', 'add', mine.bridge, 'type', 'bridge');
  await output('ip', 'addr', 'add', '192.168.5.1/24', 'dev', mine.bridge);
  await t.backend.open({ path: '/run/netns/kuke-cell' }, context());
  before = await inventory();
  const request = { ...mine, attachmentId: 'cell-1', netns: '/run/netns/kuke-cell', interface: 'eth0' };
  await failure(t.backend.attach(request, context()), 'Conflict');
  await untouched();
  await t.backend.remove(mine, context());
  expect(await output('ip', 'addr', 'show', mine.bridge)).toContain('192.168.5.1/24');
});

test('a bridge that another runtime has made from our conflist is the space’s', async () => {
  const mine = await defined(t.backend, 'x');
  await output('ip', 'link', 'add', mine.bridge, 'type', 'bridge');
  await output('ip', 'addr', 'add', `${mine.gateway}/20`, 'dev', mine.bridge);
  await t.backend.open({ path: '/run/netns/kuke-cell' }, context());
  const request = { ...mine, attachmentId: 'cell-1', netns: '/run/netns/kuke-cell', interface: 'eth0' };
  await t.backend.attach(request, context());
  expect(await output('ip', 'link', 'show', mine.bridge)).toContain('alias kukeon ');
  await t.backend.detach(request, context());
  await t.backend.remove(mine, context());
  expect(await output('ip', 'link')).not.toContain(mine.bridge);
});

test('a bridge with a port of somebody else’s stays until that is taken out', async () => {
  const mine = await defined(t.backend, 'x');
  await t.backend.open({ path: '/run/netns/kuke-cell' }, context());
  const request = { ...mine, attachmentId: 'cell-1', netns: '/run/netns/kuke-cell', interface: 'eth0' };
  await t.backend.attach(request, context());
  await output('ip', 'link', 'add', 'theirs', 'type', 'veth', 'peer', 'name', 'theirs-end');
  await output('ip', 'link', 'set', 'theirs', 'master', mine.bridge);
  await t.backend.detach(request, context());
  const { message, remedy } = await failure(t.backend.remove(mine, context()), 'Conflict');
  expect(message).toContain("ports that are not kuke's: theirs");
  expect(remedy).toContain('ip link set theirs nomaster');
  expect(await output('ip', 'link')).toContain(mine.bridge);
  await output('ip', 'link', 'delete', 'theirs');
  await t.backend.remove(mine, context());
  expect(await output('ip', 'link')).not.toContain(mine.bridge);
});

test('chains of that name in an nftables table of that name', async () => {
  const chain = '{ type filter hook forward priority 0; }';
  await output('nft', `add table inet kukeon; add chain inet kukeon space_forward ${chain}`);
  before = await inventory();
  const mine = await chosen();
  const error = await failure(t.backend.define(mine, context()), 'Conflict');
  expect(error.message).toContain('inet kukeon');
  await t.backend.remove(mine, context());
  await untouched();
});

test('other chains in an nftables table of that name stay as they are', async () => {
  await output('nft', 'add table inet kukeon; add chain inet kukeon theirs; add rule inet kukeon theirs accept');
  before = await inventory();
  const mine = await defined(t.backend, 'x');
  const { networks } = await t.backend.observe({ configPaths: [CONFIG_PATH] });
  expect(networks).toMatchObject([{ name: 'main-x', enforced: true }]);
  await t.backend.remove(mine, context());
  await untouched();
});

test('a file where a namespace should be', async () => {
  writeFileSync('/run/netns/kuke-cell', 'theirs');
  before = await inventory();
  await failure(t.backend.open({ path: '/run/netns/kuke-cell' }, context()), 'Conflict');
  await failure(t.backend.close({ path: '/run/netns/kuke-cell' }, context()), 'Conflict');
  await untouched();
  await output('rm', '/run/netns/kuke-cell');
});

test('ranges of conflists, of podman’s networks and of routes are never handed out', async () => {
  const bridge = (subnet: string) => ({ type: 'bridge', ipam: { type: 'host-local', ranges: [[{ subnet }]] } });
  const podman = { cniVersion: '0.4.0', name: 'podman', plugins: [bridge('10.88.0.0/16'), { type: 'portmap' }] };
  writeFileSync(`${CONFIG_PATH}/87-podman-bridge.conflist`, JSON.stringify(podman));
  const old = { cniVersion: '0.3.1', name: 'old', type: 'ptp', ipam: { type: 'host-local', subnet: '10.89.0.0/20' } };
  writeFileSync(`${CONFIG_PATH}/old.conf`, JSON.stringify(old));
  mkdirSync('/etc/containers/networks', { recursive: true });
  const netavark = { name: 'web', driver: 'bridge', subnets: [{ subnet: '10.89.16.0/24', gateway: '10.89.16.1' }] };
  writeFileSync('/etc/containers/networks/web.json', JSON.stringify(netavark));
  await output('ip', 'link', 'add', 'uplink', 'type', 'bridge');
  await output('ip', 'link', 'set', 'uplink', 'up');
  await output('ip', 'addr', 'add', '10.89.33.7/24', 'dev', 'uplink');
  await output('ip', 'route', 'add', '10.89.48.0/22', 'via', '10.89.33.1', 'table', '100');
  await output('ip', 'route', 'add', 'blackhole', '10.89.64.0/18');
  await output('ip', 'route', 'add', 'default', 'via', '10.89.33.1');

  const first = await t.backend.choose({ realm: 'main', space: 'default' });
  expect(first.subnet).toBe('10.89.128.0/20');
  expect(first.notes).toEqual([
    `main/default takes 10.89.128.0/20: 10.88.0.0/16 overlaps 10.88.0.0/16, in use: ${CONFIG_PATH}/87-podman-bridge.conflist`,
  ]);
  for (const [subnet, by] of [
    ['10.89.15.0/24', 'old.conf'],
    ['10.89.16.128/25', 'web.json'],
    ['10.89.33.0/28', 'address 10.89.33.7/24 of uplink'],
    ['10.89.48.0/20', 'route 10.89.48.0/22 via uplink'],
    ['10.89.127.0/24', 'route 10.89.64.0/18'],
  ]) {
    const error = await failure(t.backend.choose({ realm: 'main', space: 'y', subnets: [`${subnet}`] }), 'Conflict');
    expect(error.message).toContain(`${by}`);
  }
  await output('rm', '/etc/containers/networks/web.json');
  await output('ip', 'route', 'add', '10.0.0.0/8', 'via', '10.89.33.1');
  const none = await failure(t.backend.choose({ realm: 'main', space: 'default' }), 'NetworkFailed');
  expect(none.message).toContain('no range of 10.89.0.0-10.127.255.255 is free');
  await output('ip', 'route', 'flush', 'table', '100');
  await output('ip', 'route', 'del', 'blackhole', '10.89.64.0/18');
});
