import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { type Containerd, startContainerd } from '../containerd.ts';
import { busybox, dockerArchive, ociArchive } from '../image.ts';
import { output } from '../observe/command.ts';
import { containers, content, ctr, images, labels, leases, snapshots, tasks } from '../observe/containerd.ts';
import { difference, inventory } from '../observe/inventory.ts';
import { addresses, links, networkNamespaces, routes, ruleset } from '../observe/network.ts';
import { cgroups, filesBelow, mounts, processes } from '../observe/system.ts';

let containerd: Containerd;
beforeAll(async () => {
  containerd = await startContainerd();
});
afterAll(() => containerd.stop());

/** Changes to the network that each leave a line, and how to take them back. */
async function script(commands: string): Promise<void> {
  await output('sh', '-ec', commands);
}

test('the network is seen from both sides, and a leak of each sort is named', async () => {
  const before = await inventory();
  await script(`ip netns add cell; ip link add br0 type bridge; ip link add veth0 type veth peer name eth0 netns cell
    ip link set veth0 master br0 up; ip link set br0 up; ip addr add 10.7.0.1/24 dev br0
    ip -n cell addr add 10.7.0.2/24 dev eth0; ip -n cell link set eth0 up; ip -n cell route add default via 10.7.0.1
    nft 'add table inet kukeon; add chain inet kukeon forward { type filter hook forward priority 0; }; add rule inet kukeon forward counter drop'`);
  expect((await links()).find(({ ifname }) => ifname === 'veth0')).toMatchObject({
    master: 'br0',
    linkinfo: { info_kind: 'veth' },
  });
  expect(await addresses('cell')).toContainEqual({
    ifname: 'eth0',
    family: 'inet',
    local: '10.7.0.2',
    prefixlen: 24,
    scope: 'global',
  });
  expect(await routes('cell')).toContainEqual(
    expect.objectContaining({ dst: 'default', gateway: '10.7.0.1', dev: 'eth0' }),
  );
  expect(await networkNamespaces()).toEqual(['cell']);
  expect(await ruleset()).toContainEqual({ rule: expect.objectContaining({ table: 'kukeon', chain: 'forward' }) });
  const leaks = difference(before, await inventory(), [/^nft/]);
  expect(leaks).toEqual([
    '+ address 10.7.0.1/24 br0',
    '+ file /run/netns/cell',
    '+ link br0 bridge',
    '+ link veth0 veth br0',
    '+ mount /run/netns tmpfs',
    '+ mount /run/netns/cell nsfs',
    '+ netns cell',
    '+ route 10.7.0.0/24 br0',
  ]);
  // A namespace ends, and the veth with it, in the kernel's own time: here the veth goes first.
  await script(
    'ip link delete veth0; ip netns delete cell; ip link delete br0; nft delete table inet kukeon; umount /run/netns',
  );
  expect(difference(before, await inventory())).toEqual([]);
});

test('rules that iptables leaves count, its empty scaffold does not', async () => {
  const before = await inventory();
  await script('iptables-nft -t nat -A POSTROUTING -s 10.7.0.0/24 -j MASQUERADE');
  expect(difference(before, await inventory())).toEqual([expect.stringContaining('+ nft ip nat rule POSTROUTING')]);
  await script('iptables-nft -t nat -F');
  expect(difference(before, await inventory())).toEqual([]);
});

test('cgroups, mounts, files and processes are seen', async () => {
  const before = await inventory();
  mkdirSync('/sys/fs/cgroup/kukeon/main', { recursive: true });
  mkdirSync('/run/kukeon');
  writeFileSync('/run/kukeon/left', '');
  await script('mkdir "/tmp/a b"; mount -t tmpfs x "/tmp/a b"');
  const command = ['sh', '-c', 'echo started; read line'];
  const waiter = Bun.spawn(command, { stdin: 'pipe', stdout: 'pipe' });
  await waiter.stdout.getReader().read();
  expect(cgroups()).toContain('kukeon/main');
  expect(mounts().at(-1)).toMatchObject({ target: '/tmp/a b', type: 'tmpfs', source: 'x' });
  expect(filesBelow('/run/kukeon')).toEqual(['/run/kukeon/left']);
  expect(filesBelow('/nowhere')).toEqual([]);
  expect(processes()).toContainEqual({ pid: waiter.pid, parent: process.pid, command });
  expect(difference(before, await inventory())).toEqual([
    '+ cgroup kukeon',
    '+ cgroup kukeon/main',
    '+ file /run/kukeon/left',
    '+ mount /tmp/a b tmpfs',
    `+ process ${command.join(' ')}`,
  ]);
  waiter.kill();
  await waiter.exited;
  rmdirSync('/sys/fs/cgroup/kukeon/main');
  rmdirSync('/sys/fs/cgroup/kukeon');
  await script('umount "/tmp/a b"; rm -r /run/kukeon');
  expect(difference(before, await inventory())).toEqual([]);
});

test.each([
  ['Docker archive', dockerArchive],
  ['OCI layout', ociArchive],
])('ctr imports and runs an image from our %s, and each object of it is listed', async (_, archive) => {
  const before = await inventory();
  const image = {
    name: 'docker.io/library/tiny:1',
    layers: [busybox(), { 'greeting.txt': 'hello', 'gone.txt': 'x' }, { '.wh.gone.txt': '' }],
    config: {
      Env: ['PATH=/bin', 'WHO=world'],
      WorkingDir: '/home',
      User: 'user',
      Labels: { a: 'b' },
      Cmd: ['sh', '-c', 'id -u; pwd; cat /greeting.txt; echo $WHO; ls /gone.txt'],
    },
  };
  await Bun.write('/tmp/tiny.tar', archive(image));
  await ctr('tiny', ['images', 'import', '/tmp/tiny.tar']);
  expect(await images('tiny')).toEqual([image.name]);
  // Three layers, configuration, manifest; newer versions of ctr add an index.
  expect((await content('tiny')).length).toBeGreaterThanOrEqual(5);
  expect(await snapshots('tiny')).toEqual(Array(3).fill(expect.objectContaining({ kind: 'Committed' })));
  await ctr('tiny', ['run', '--detach', '--cpu-shares', '0', image.name, 'one', 'sleep', '600']);
  expect(await containers('tiny')).toEqual(['one']);
  expect(await tasks('tiny')).toEqual([{ id: 'one', pid: expect.any(Number), status: 'RUNNING' }]);
  expect(await labels('containers', 'one', 'tiny')).toContain('a=b');
  expect(await leases('tiny')).toEqual([]);
  const ran = Bun.spawnSync(['ctr', '--namespace', 'tiny', 'run', '--rm', '--cpu-shares', '0', image.name, 'two']);
  expect(ran.stdout.toString()).toBe('1000\n/home\nhelloworld\n');
  expect(ran.stderr.toString()).toContain('/gone.txt');

  await ctr('tiny', ['tasks', 'delete', '--force', 'one']);
  await ctr('tiny', ['containers', 'delete', 'one']);
  await ctr('tiny', ['images', 'delete', '--sync', image.name]);
  await ctr('tiny', ['namespaces', 'remove', 'tiny']);
  // runc and containerd keep an empty folder, and the parent of a container's cgroup, for a namespace that they once saw.
  const scaffold = [/^cgroup tiny$/, /^file \/run\/containerd\/[^/]+\/tiny\/$/];
  expect(difference(before, await inventory(), scaffold)).toEqual([]);
});
