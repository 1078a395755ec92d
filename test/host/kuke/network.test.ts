// containerd: once, since who reaches whom is kuke's; containerd-shim/runtime-spec.test.ts joins namespaces on each version.
/** Who reaches whom, and how the network looks from inside a cell and from the host (spec.md §2, §4). */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { all, echo, expectWays, makeOutside, NOTHING, OUTSIDE, UPLINK, type Way } from '../cni-bridge/packets.ts';
import { output } from '../observe/command.ts';
import { type Inventory, inventory } from '../observe/inventory.ts';
import { addresses, links, ruleset } from '../observe/network.ts';
import {
  addressesOf,
  cell,
  container,
  fileIn,
  getCell,
  inContainer,
  manifest,
  pidsOf,
  shell,
  stateOf,
} from './cells.ts';
import { apply, applyFailing, failing, get, kuke } from './kuke.ts';
import { leaks, type ReadyHost, readyHost } from './ready-host.ts';

let host: ReadyHost;
let before: Inventory;

interface Seen {
  /** As `ip netns` has it. */
  netns: string;
  /** One a network. */
  at: string[];
}

async function seen(name: string, ...flags: string[]): Promise<Seen> {
  const [pid = 0] = Object.values(await pidsOf(name, ...flags));
  const netns = (await output('ip', 'netns', 'identify', `${pid}`)).trim();
  return { netns, at: await addressesOf(name, ...flags) };
}

const front = { spaceId: 'front' };
let a: Seen;
let b: Seen;
let far: Seen;
let joined: Seen;
const gateways = { home: '', front: '' };
const servers: Disposable[] = [];

beforeAll(async () => {
  await makeOutside();
  host = await readyHost();
  await kuke('create', 'space', 'front');
  await kuke('create', 'stack', 'default', '--space', 'front');
  before = await inventory();
  await apply(
    cell('a', [
      container('main', { networksAliases: ['alias-of-a'] }),
      shell('side', 'trap "exit 0" TERM; httpd -f -p 127.0.0.1:8080 -h /srv & wait'),
    ]),
    cell('b'),
    cell('far', [container('main')], front),
    cell('joined', [container('main', { networks: ['front'] })]),
  );
  [a, b, far, joined] = await Promise.all([seen('a'), seen('b'), seen('far', '--space', 'front'), seen('joined')]);
  gateways.home = (await getCell('a')).status.attachments[0]?.gateway ?? '';
  gateways.front = (await getCell('far', '--space', 'front')).status.attachments[0]?.gateway ?? '';
  const netns = [a, b, far, joined].map(one => echo(one.netns));
  servers.push(...(await Promise.all([...netns, echo('outside'), echo(undefined, Object.values(gateways))])));
});
afterAll(async () => {
  for (const server of servers) server[Symbol.dispose]();
  await host.containerd.stop();
});

const way = ({ netns: from }: Seen, to: string | undefined, gets: Way['gets']): Way => ({ from, to: to ?? '', gets });

/** All gets through, and the other side sees the cell's first address. */
const everything = ({ at: [source = ''] }: Seen) => all(source);

/** All that should be open and all that should be shut, tried at once. */
const tryWays = () =>
  expectWays({
    'a to b, in one space': way(a, b.at[0], everything(a)),
    'b to a': way(b, a.at[0], everything(b)),
    'a to its own gateway': way(a, gateways.home, everything(a)),
    'the host to a': { from: undefined, to: a.at[0] ?? '', gets: all(gateways.home) },
    'a to the outside': way(a, OUTSIDE, all(UPLINK)),
    'far to the outside': way(far, OUTSIDE, all(UPLINK)),
    'a to another space': way(a, far.at[0], NOTHING),
    'another space to a': way(far, a.at[0], NOTHING),
    'a to the other’s gateway': way(a, gateways.front, NOTHING),
    'another space to a’s gateway': way(far, gateways.home, NOTHING),
    'joined to its own space': way(joined, b.at[0], everything(joined)),
    'joined to the other space': way(joined, far.at[0], all(joined.at[1] ?? '')),
    'its own space to joined': way(b, joined.at[0], everything(b)),
    'the other space to joined': way(far, joined.at[1], everything(far)),
    'its own space to the other address of joined': way(b, joined.at[1], NOTHING),
  });

test('the four inspection commands of the contract, word for word', async () => {
  const [ROOT_PID = 0] = Object.values(await pidsOf('a'));
  const typed = (command: string) => output('env', `ROOT_PID=${ROOT_PID}`, 'bash', '-c', command);
  const { status } = await get<{ status: { network: { bridge: string } } }>('space', 'default');
  expect(await typed('ip link show type bridge | grep kuke')).toContain(`${status.network.bridge}:`);
  expect(JSON.parse(await typed('cat /etc/cni/net.d/main-default.conflist'))).toMatchObject({ name: 'main-default' });
  expect(await typed(`ctr -n kukeon-main tasks ls | awk '/a_root/ {print $2}'`)).toBe(`${ROOT_PID}\n`);
  expect(await typed('nsenter -t "$ROOT_PID" -n ip -4 addr')).toContain(`inet ${a.at[0]}/16`);
});

test('one address a cell and space, one network namespace and localhost for all of its containers', async () => {
  const pids = Object.values(await pidsOf('a'));
  expect(pids).toHaveLength(2);
  expect(new Set(pids.map(pid => readlinkSync(`/proc/${pid}/ns/net`))).size).toBe(1);
  const own = (await addresses(a.netns)).filter(({ ifname, family }) => ifname !== 'lo' && family === 'inet');
  expect(own).toEqual([{ ifname: 'eth0', family: 'inet', local: a.at[0] ?? '', prefixlen: 16, scope: 'global' }]);
  const [main = 0] = pids;
  expect(await inContainer(main, 'wget -q -O - http://127.0.0.1:8080/file')).toBe('from the image\n');
  expect(new Set([a, b, far, joined].flatMap(({ at }) => at)).size).toBe(5);
  expect(joined.at).toEqual([expect.stringMatching(/^10\.88\./), expect.stringMatching(/^10\.89\./)]);
});

test('cells reach those of their spaces and nobody of another’s, by ICMP, TCP and UDP', tryWays);

test('a cell in two spaces forwards nothing between them', async () => {
  await output('ip', '-n', a.netns, 'route', 'add', `${far.at[0]}/32`, 'via', joined.at[0] ?? '');
  await output('ip', '-n', far.netns, 'route', 'add', `${a.at[0]}/32`, 'via', joined.at[1] ?? '');
  await expectWays({
    'a by way of joined': way(a, far.at[0], NOTHING),
    'far by way of joined': way(far, a.at[0], NOTHING),
  });
  await output('ip', '-n', a.netns, 'route', 'del', `${far.at[0]}/32`);
  await output('ip', '-n', far.netns, 'route', 'del', `${a.at[0]}/32`);
  for (const { netns } of [a, joined]) {
    expect((await output('ip', 'netns', 'exec', netns, 'cat', '/proc/sys/net/ipv4/ip_forward')).trim()).toBe('0');
  }
});

describe('a host whose FORWARD policy is DROP', () => {
  const bridged = '/proc/sys/net/bridge/bridge-nf-call-iptables';
  beforeAll(async () => {
    await output('iptables', '-P', 'FORWARD', 'DROP');
    if (existsSync(bridged)) writeFileSync(bridged, '1');
    // The next command that changes something notices.
    await kuke('create', 'stack', 'notices');
  });
  afterAll(async () => {
    if (existsSync(bridged)) writeFileSync(bridged, '0');
    await output('iptables', '-P', 'FORWARD', 'ACCEPT');
    await kuke('delete', 'stack', 'notices');
  });

  test('changes nothing for the cells', tryWays);
});

test('a space stays while a cell of another has joined it', async () => {
  const there = await inventory();
  for (const flags of [[], ['--cascade']]) {
    const refused = await failing(4, 'delete', 'space', 'front', ...flags);
    if (flags.length > 0) expect(refused).toContain('it is referred to by cell main/default/default/joined');
  }
  expect(await leaks(there)).toEqual([]);
  expect((await seen('joined')).at).toEqual(joined.at);
  await tryWays();
});

test('a cell that lost an interface says so, until it is applied', async () => {
  const pids = await pidsOf('joined');
  await output('ip', '-n', joined.netns, 'link', 'delete', 'eth1');
  const { state, reason, message } = (await getCell('joined')).status;
  expect({ state, reason }).toEqual({ state: 'Degraded', reason: 'NetworkMissing' });
  expect(message).toContain('eth1 in space main/front');
  expect(await apply(cell('joined', [container('main', { networks: ['front'] })]))).toContain('joined updated');
  expect(await stateOf('joined')).toBe('Ready');
  expect(await pidsOf('joined')).toEqual(pids);
  joined = await seen('joined');
  expect((await addresses(joined.netns)).map(({ ifname, local }) => `${ifname} ${local}`)).toContain(
    `eth1 ${joined.at[1]}`,
  );
  await tryWays();
});

test('rules that somebody flushed are missed by get, and put back by the next change', async () => {
  const rules = async () => (await ruleset()).filter(entry => JSON.stringify(entry).includes('"kukeon"'));
  const all = (await rules()).length;
  await output('nft', 'flush', 'ruleset');
  expect(await kuke('get', 'space', 'front')).toMatch(/front +Failed/);
  await kuke('create', 'stack', 'another');
  expect(await kuke('get', 'space', 'front')).toMatch(/front +Ready/);
  expect(await rules()).toHaveLength(all);
  await expectWays({ 'a to another space': way(a, far.at[0], NOTHING), 'a to b': way(a, b.at[0], everything(a)) });
  await kuke('delete', 'stack', 'another');
});

test('a conflist that got lost is written again, the same', async () => {
  const path = '/etc/cni/net.d/main-front.conflist';
  const text = readFileSync(path, 'utf8');
  rmSync(path);
  expect(await kuke('get', 'space', 'front')).toMatch(/front +Failed/);
  await kuke('create', 'stack', 'another');
  expect(readFileSync(path, 'utf8')).toBe(text);
  await kuke('delete', 'stack', 'another');
});

describe('/etc', () => {
  test('hosts has the cell’s name, its address and its aliases; hostname the name', async () => {
    for (const pid of Object.values(await pidsOf('a'))) {
      expect(fileIn(pid, '/etc/hosts')).toBe(
        `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${a.at[0]}\ta alias-of-a\n`,
      );
      expect(fileIn(pid, '/etc/hostname')).toBe('a\n');
      expect(await inContainer(pid, 'hostname')).toBe('a\n');
    }
    const [pid = 0] = Object.values(await pidsOf('joined'));
    for (const address of joined.at) expect(fileIn(pid, '/etc/hosts')).toContain(`${address}\tjoined\n`);
  });

  test('a new address reaches the file that processes have open', async () => {
    await kuke('stop', 'cell', 'a');
    await kuke('start', 'cell', 'a');
    a = await seen('a');
    for (const pid of Object.values(await pidsOf('a')))
      expect(fileIn(pid, '/etc/hosts')).toContain(`${a.at[0]}\ta alias-of-a\n`);
  });

  test('resolv.conf is the host’s, its loopback resolver replaced by those behind it', async () => {
    const own = readFileSync('/etc/resolv.conf', 'utf8');
    rmSync('/etc/resolv.conf');
    writeFileSync('/etc/resolv.conf', '# the host\nnameserver 192.0.2.53\nsearch example.org\noptions ndots:2\n');
    await apply(cell('resolving'));
    const resolv = async () => fileIn((await pidsOf('resolving')).main ?? 0, '/etc/resolv.conf');
    expect(await resolv()).toBe('nameserver 192.0.2.53\nsearch example.org\noptions ndots:2\n');
    writeFileSync('/etc/resolv.conf', 'nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n');
    mkdirSync('/run/systemd/resolve', { recursive: true });
    writeFileSync(
      '/run/systemd/resolve/resolv.conf',
      'nameserver 192.0.2.54\nnameserver 192.0.2.55\nsearch example.net\n',
    );
    expect(await apply(cell('resolving'))).toContain('resolving');
    await kuke('stop', 'cell', 'resolving');
    await kuke('start', 'cell', 'resolving');
    expect(await resolv()).toBe('nameserver 192.0.2.54\nnameserver 192.0.2.55\nsearch example.net\n');
    writeFileSync('/etc/resolv.conf', own);
    rmSync('/run/systemd', { recursive: true });
    await kuke('delete', 'cell', 'resolving', '--cascade');
  });
});

test('networks come and go while the cell runs', async () => {
  const pids = await pidsOf('b');
  expect(await apply(cell('b', [container('main', { networks: ['front'] })]))).toContain(
    'spec.containers[main].networks: added ["front"]',
  );
  const [first, second] = await addressesOf('b');
  expect(first).toBe(b.at[0] ?? '');
  expect((await addresses(b.netns)).map(({ ifname, local }) => `${ifname} ${local}`)).toContain(`eth1 ${second}`);
  expect(fileIn(pids.main ?? 0, '/etc/hosts')).toContain(`${second}\tb\n`);
  await expectWays({ 'b to the other space': way(b, far.at[0], all(second ?? '')) });
  await apply(cell('b'));
  expect(await addressesOf('b')).toEqual([first ?? '']);
  expect((await links(b.netns)).map(({ ifname }) => ifname)).toEqual(['lo', 'eth0']);
  expect(fileIn(pids.main ?? 0, '/etc/hosts')).not.toContain(`${second}`);
  await expectWays({ 'b to the other space': way(b, far.at[0], NOTHING) });
  expect(await pidsOf('b')).toEqual(pids);
  expect(await applyFailing(3, cell('b', [container('main', { networks: ['nowhere'] })]))).toContain(
    'space main/nowhere',
  );
});

test('hostNetwork: the cell is on the host’s network and has no address of its own', async () => {
  await apply(cell('hosted', [container('main', { root: true, hostNetwork: true }), container('side')]));
  const { status } = await getCell('hosted');
  expect(status.attachments).toEqual([]);
  for (const { pid } of status.containers)
    expect(readlinkSync(`/proc/${pid}/ns/net`)).toBe(readlinkSync('/proc/self/ns/net'));
  // The host's names, and the cell's own.
  const names = `${readFileSync('/etc/hosts', 'utf8').trimEnd()}\n127.0.1.1\thosted\n`;
  expect(fileIn(status.containers[1]?.pid ?? 0, '/etc/hosts')).toBe(names);
  expect(await stateOf('hosted')).toBe('Ready');
  expect(await apply(cell('hosted', [container('main', { root: true }), container('side')]))).toContain(
    'hostNetwork: removed',
  );
  expect(await addressesOf('hosted')).toHaveLength(1);
  await kuke('delete', 'cell', 'hosted', '--cascade');
});

test('ranges: the next free one, the one that is asked for, and none that is taken', async () => {
  const subnetOf = async (name: string) =>
    (await get<{ status: { network: { subnet: string } } }>('space', name)).status.network.subnet;
  expect([await subnetOf('default'), await subnetOf('front')]).toEqual(['10.88.0.0/16', '10.89.0.0/20']);
  await output('ip', 'link', 'add', 'taken', 'type', 'bridge');
  await output('ip', 'addr', 'add', '10.89.16.1/24', 'dev', 'taken');
  await apply(manifest('Space', 'third'), manifest('Space', 'asked', { network: { subnet: '10.200.0.0/24' } }));
  expect([await subnetOf('third'), await subnetOf('asked')]).toEqual(['10.89.32.0/20', '10.200.0.0/24']);
  expect(await applyFailing(4, manifest('Space', 'fifth', { network: { subnet: '10.200.0.128/25' } }))).toContain(
    '10.200.0.0/24',
  );
  expect(await applyFailing(4, manifest('Space', 'fifth', { network: { subnet: '10.89.16.0/24' } }))).toContain(
    '10.89.16.',
  );
  await output('ip', 'link', 'delete', 'taken');
  for (const name of ['third', 'asked']) await kuke('delete', 'space', name);
});

test('nothing stays of the cells', async () => {
  for (const server of servers.splice(0)) server[Symbol.dispose]();
  for (const name of ['a', 'b', 'joined']) await kuke('delete', 'cell', name, '--cascade');
  await kuke('delete', 'cell', 'far', '--space', 'front', '--cascade');
  expect(await leaks(before)).toEqual([]);
});

test('where the first range is another’s, main/default takes the next, and says why', async () => {
  await kuke('uninstall', '--yes');
  mkdirSync('/etc/cni/net.d', { recursive: true });
  const podman = {
    cniVersion: '0.4.0',
    name: 'podman',
    plugins: [
      { type: 'bridge', bridge: 'cni-podman0', ipam: { type: 'host-local', ranges: [[{ subnet: '10.88.0.0/16' }]] } },
    ],
  };
  writeFileSync('/etc/cni/net.d/87-podman-bridge.conflist', JSON.stringify(podman));
  const said = await kuke('init');
  expect(said).toMatch(/main\/default takes 10\.89\.0\.0\/20: .*10\.88\.0\.0\/16.*podman/);
  expect(await kuke('get', 'spaces')).toContain('10.89.0.0/20');
});
