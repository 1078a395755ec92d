import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  createBridge,
  createVeth,
  deleteLink,
  getLink,
  linkIndex,
  listLinks,
  requireLink,
  setLink,
} from '../../../src/host/netlink/link.ts';
import { NetlinkSocket } from '../../../src/host/netlink/socket.ts';
import { ip, ipJson, run } from './outside.ts';

let socket: NetlinkSocket;
beforeEach(() => {
  socket = new NetlinkSocket('route');
});
afterEach(() => socket.close());

interface IpLink {
  ifname: string;
  ifindex: number;
  link?: string;
  link_netnsid?: number;
  master?: string;
  mtu: number;
  address: string;
  flags: string[];
  linkinfo?: { info_kind: string; info_data?: Record<string, unknown> };
}
const shown = (name: string, ...netns: string[]): IpLink | undefined =>
  ipJson<IpLink>(...netns, '-d', 'link', 'show', 'dev', name)[0];

describe('bridges', () => {
  test('are made with what was asked for, and go', () => {
    createBridge(socket, { name: 'br-a', mac: '02:00:00:00:00:0a', mtu: 1400, up: true, multicastSnooping: false });
    const link = shown('br-a');
    expect(link).toMatchObject({ address: '02:00:00:00:00:0a', mtu: 1400, linkinfo: { info_kind: 'bridge' } });
    expect(link?.flags).toContain('UP');
    expect(link?.linkinfo?.info_data).toMatchObject({ mcast_snooping: 0 });
    expect(getLink(socket, 'br-a')).toEqual({
      index: link?.ifindex ?? 0,
      name: 'br-a',
      kind: 'bridge',
      up: true,
      lowerUp: false,
      running: false,
      promiscuous: false,
      loopback: false,
      mtu: 1400,
      mac: '02:00:00:00:00:0a',
      altNames: [],
    });

    deleteLink(socket, 'br-a');
    expect(getLink(socket, 'br-a')).toBeUndefined();
    expect(listLinks(socket).map(l => l.name)).not.toContain('br-a');
    expect(shown('br-a')).toBeUndefined();
  });

  test('errors name the step, the link and the cause', () => {
    createBridge(socket, { name: 'br-twice' });
    expect(() => createBridge(socket, { name: 'br-twice' })).toThrow('create bridge br-twice: File exists (EEXIST)');
    deleteLink(socket, 'br-twice');
    expect(() => deleteLink(socket, 'br-twice')).toThrow('delete link br-twice: No such device (ENODEV)');
    expect(() => requireLink(socket, 999)).toThrow('get link 999: No such device (ENODEV)');
    expect(() => setLink(socket, 'lo', { mac: 'nonsense' })).toThrow('not a MAC address: "nonsense"');
    expect(() => createBridge(socket, { name: 'br-mtu', mtu: 65536 })).toThrow(
      'create bridge br-mtu: mtu greater than device maximum: Invalid argument (EINVAL)',
    );
    expect(shown('br-mtu')).toBeUndefined();
  });

  test('a name the kernel would answer ERANGE to is refused before', () => {
    const name = 'kukeon-123456789';
    expect(() => createBridge(socket, { name })).toThrow(`interface name "${name}" has 16 characters; 15 is the most`);
    expect(() => createBridge(socket, { name: 'a/b' })).toThrow('not an interface name: "a/b"');
    for (const name of ['all', 'default']) {
      expect(Bun.spawnSync(['ip', 'link', 'add', name, 'type', 'bridge']).exitCode).not.toBe(0);
      expect(() => createBridge(socket, { name })).toThrow(`not an interface name: "${name}"`);
    }
    createBridge(socket, { name: 'kukeon-12345678' });
    expect(shown('kukeon-12345678')).toBeDefined();
    deleteLink(socket, 'kukeon-12345678');
  });
});

describe('veth pairs', () => {
  beforeEach(() => run('ip', 'netns', 'add', 'cell'));
  afterEach(() => run('ip', 'netns', 'del', 'cell'));

  test('one message makes both ends, one enslaved, the other in its namespace', () => {
    createBridge(socket, { name: 'br-v', up: true });
    createVeth(socket, {
      name: 'veth-host',
      master: 'br-v',
      up: true,
      mtu: 1450,
      peer: { name: 'eth0', netns: '/run/netns/cell', mac: '02:00:00:00:00:02', mtu: 1450 },
    });

    run('ip', '-n', 'cell', 'link', 'set', 'eth0', 'up');

    const host = shown('veth-host');
    expect(host).toMatchObject({ master: 'br-v', mtu: 1450, linkinfo: { info_kind: 'veth' } });
    const inside = shown('eth0', '-n', 'cell');
    expect(inside).toMatchObject({ address: '02:00:00:00:00:02', mtu: 1450, linkinfo: { info_kind: 'veth' } });
    expect(inside?.flags).toContain('LOWER_UP');
    expect(requireLink(socket, 'veth-host')).toMatchObject({
      kind: 'veth',
      master: linkIndex(socket, 'br-v'),
      linkNetnsId: 0,
      peer: inside?.ifindex ?? -1,
      lowerUp: true,
    });

    deleteLink(socket, 'veth-host');
    expect(shown('veth-host')).toBeUndefined();
    expect(shown('eth0', '-n', 'cell')).toBeUndefined();
    deleteLink(socket, 'br-v');
  });

  test('a pair that cannot be made whole leaves nothing', () => {
    const before = ip('link');
    const peer = { name: 'eth0', netns: '/run/netns/cell' };
    expect(() => createVeth(socket, { name: 'veth-x', master: 'no-such', peer })).toThrow(
      'get link no-such: No such device (ENODEV)',
    );
    expect(() => createVeth(socket, { name: 'veth-x', master: 1, peer })).toThrow(
      /^create veth veth-x: .*\(E[A-Z]+\)$/,
    );
    expect(() => createVeth(socket, { name: 'veth-x', peer: { name: 'lo', netns: '/run/netns/cell' } })).toThrow(
      'create veth veth-x: File exists (EEXIST)',
    );
    expect(() => createVeth(socket, { name: 'veth-x', peer: { name: 'eth0', netns: '/etc/passwd' } })).toThrow(
      'create veth veth-x: Invalid argument (EINVAL)',
    );
    expect(() => createVeth(socket, { name: 'veth-x', peer: { name: 'eth0', netns: '/run/netns/gone' } })).toThrow(
      'open /run/netns/gone: No such file or directory (ENOENT)',
    );
    expect(ip('link')).toBe(before);
    expect(ipJson('-n', 'cell', 'link')).toHaveLength(1);
  });
});

describe('changes', () => {
  test('rename, set up and down, mtu, mac, master', () => {
    createBridge(socket, { name: 'br-c' });
    createVeth(socket, { name: 'one', peer: { name: 'two' } });
    const { ifindex } = shown('one') ?? { ifindex: 0 };

    setLink(socket, 'one', { name: 'uno', master: 'br-c', mtu: 1300, mac: '02:00:00:00:00:11' });
    expect(shown('uno')).toMatchObject({ ifindex, master: 'br-c', mtu: 1300, address: '02:00:00:00:00:11' });
    setLink(socket, 'uno', { up: true });
    expect(shown('uno')?.flags).toContain('UP');
    setLink(socket, ifindex, { up: false, master: 0 });
    expect(shown('uno')?.flags).not.toContain('UP');
    expect(shown('uno')?.master).toBeUndefined();

    deleteLink(socket, ifindex);
    deleteLink(socket, 'br-c');
  });

  test('a link moves to another namespace', () => {
    run('ip', 'netns', 'add', 'other');
    createVeth(socket, { name: 'stay', peer: { name: 'go' } });
    setLink(socket, 'go', { netns: '/run/netns/other', name: 'gone' });
    expect(shown('go')).toBeUndefined();
    expect(shown('gone', '-n', 'other')).toBeDefined();
    deleteLink(socket, 'stay');
    run('ip', 'netns', 'del', 'other');
  });

  test('an alias is given and read', () => {
    createBridge(socket, { name: 'br-alias' });
    expect(requireLink(socket, 'br-alias')).not.toHaveProperty('alias');
    setLink(socket, 'br-alias', { alias: 'kukeon 0123 main-default' });
    expect(requireLink(socket, 'br-alias').alias).toBe('kukeon 0123 main-default');
    expect(ip('link', 'show', 'br-alias')).toContain('alias kukeon 0123 main-default');
    deleteLink(socket, 'br-alias');
  });

  test('alternative names are listed', () => {
    createBridge(socket, { name: 'br-alt' });
    run('ip', 'link', 'property', 'add', 'dev', 'br-alt', 'altname', 'a-rather-long-other-name', 'altname', 'second');
    expect(requireLink(socket, 'br-alt').altNames).toEqual(['a-rather-long-other-name', 'second']);
    deleteLink(socket, 'br-alt');
  });
});

test('lists of more than one datagram are read whole', () => {
  const names = Array.from({ length: 100 }, (_, i) => `many${i}`);
  for (const name of names) createBridge(socket, { name });
  const listed = listLinks(socket);
  expect(listed.map(l => l.name).filter(name => name.startsWith('many'))).toEqual(names);
  expect(listed.find(l => l.loopback)?.name).toBe('lo');
  expect(ipJson<IpLink>('link').map(l => l.ifindex)).toEqual(listed.map(l => l.index));
});

test('a list that changes while it is read is read anew, and whole', async () => {
  const names = Array.from({ length: 60 }, (_, i) => `stay${i}`);
  for (const name of names) createBridge(socket, { name });
  const script = 'while :; do ip link add noise type bridge; ip link del noise; done';
  const noise = Bun.spawn(['sh', '-c', script], { stderr: 'ignore' });
  try {
    // Until it was there and gone a few times.
    for (let rounds = 0, seen = false; rounds < 6; ) {
      const listed = listLinks(socket).map(link => link.name);
      expect(listed.filter(name => name.startsWith('stay'))).toEqual(names);
      if (listed.includes('noise') !== seen) {
        seen = !seen;
        rounds++;
      }
    }
  } finally {
    noise.kill();
    await noise.exited;
  }
});
