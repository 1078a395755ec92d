import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { addAddress, deleteAddress, listAddresses } from '../../../src/host/netlink/address.ts';
import { createBridge, createVeth, deleteLink, linkIndex, setLink } from '../../../src/host/netlink/link.ts';
import { addRoute, listRoutes } from '../../../src/host/netlink/route.ts';
import { Group, NetlinkSocket } from '../../../src/host/netlink/socket.ts';
import { ipJson, run } from './outside.ts';

let socket: NetlinkSocket;
beforeEach(() => {
  socket = new NetlinkSocket('route');
  createBridge(socket, { name: 'br0', up: true });
});
afterEach(() => {
  deleteLink(socket, 'br0');
  socket.close();
});

interface IpAddress {
  addr_info: { local: string; prefixlen: number; broadcast?: string; scope: string; tentative?: boolean }[];
}
const addresses = (name: string) =>
  ipJson<IpAddress>('address', 'show', 'dev', name).flatMap(link =>
    link.addr_info.map(a => `${a.local}/${a.prefixlen}${a.tentative ? ' tentative' : ''}`),
  );
interface IpRoute {
  dst: string;
  gateway?: string;
  dev: string;
  prefsrc?: string;
  scope?: string;
  metric?: number;
  metrics?: { mtu?: number; advmss?: number }[];
}
const routes = (...args: string[]) => ipJson<IpRoute>(...args);

describe('addresses', () => {
  test('IPv4 comes, is listed, goes', () => {
    addAddress(socket, { link: 'br0', address: '10.88.0.1/16', broadcast: '10.88.255.255' });
    expect(addresses('br0')).toContain('10.88.0.1/16');
    expect(listAddresses(socket, { link: 'br0', family: 2 })).toEqual([
      {
        address: '10.88.0.1/16',
        link: linkIndex(socket, 'br0'),
        scope: 'global',
        broadcast: '10.88.255.255',
        tentative: false,
        duplicate: false,
      },
    ]);
    expect(() => addAddress(socket, { link: 'br0', address: '10.88.0.1/16' })).toThrow(
      /^add address 10\.88\.0\.1\/16 to br0: .*File exists \(EEXIST\)$/,
    );

    deleteAddress(socket, { link: 'br0', address: '10.88.0.1/16' });
    expect(addresses('br0').filter(a => a.startsWith('10.'))).toEqual([]);
    expect(() => deleteAddress(socket, { link: 'br0', address: '10.88.0.1/16' })).toThrow('(EADDRNOTAVAIL)');
  });

  test('IPv6 with nodad is usable at once', () => {
    createVeth(socket, { name: 'v0', up: true, peer: { name: 'v1' } });
    setLink(socket, 'v1', { up: true });
    addAddress(socket, { link: 'v0', address: 'fd00:88::1/64', noDad: true });
    addAddress(socket, { link: 'v0', address: 'fd00:88::2/64' });
    expect(addresses('v0')).toContain('fd00:88::1/64');
    const listed = listAddresses(socket, { link: 'v0' });
    expect(listed.find(a => a.address === 'fd00:88::1/64')).toMatchObject({ tentative: false, scope: 'global' });
    expect(listed.find(a => a.address === 'fd00:88::2/64')).toMatchObject({ tentative: true });
    deleteAddress(socket, { link: 'v0', address: 'fd00:88::1/64' });
    expect(addresses('v0')).not.toContain('fd00:88::1/64');
    deleteLink(socket, 'v0');
  });

  test('of one link come without those of others', () => {
    const all = listAddresses(socket).map(({ address }) => address);
    addAddress(socket, { link: 'br0', address: '10.88.0.1/16' });
    addAddress(socket, { link: 'br0', address: 'fd00:88::1/64', noDad: true });
    const listed = listAddresses(socket, { link: 'br0' }).map(({ address }) => address);
    expect(listed).toEqual(expect.arrayContaining(['10.88.0.1/16', 'fd00:88::1/64']));
    expect(listed).not.toContain('127.0.0.1/8');
    expect(all).toContain('127.0.0.1/8');
    expect(listAddresses(socket).length).toBeGreaterThan(listed.length);
  });

  test('that are tentative are waited for without asking again and again', async () => {
    createVeth(socket, { name: 'v0', up: true, peer: { name: 'v1' } });
    using news = new NetlinkSocket('route');
    news.subscribe(Group.ipv6Address);
    setLink(socket, 'v1', { up: true });
    addAddress(socket, { link: 'v0', address: 'fd00:88::2/64' });
    const isTentative = () => listAddresses(socket, { link: 'v0' }).some(({ tentative }) => tentative);
    expect(isTentative()).toBe(true);
    while (isTentative()) await news.notified(AbortSignal.timeout(10_000));
    expect(addresses('v0')).toContain('fd00:88::2/64');
    const never = news.notified(AbortSignal.timeout(50));
    expect(never).rejects.toThrow('timed out');
    await never.catch(() => {});
    deleteLink(socket, 'v0');
  });

  test('bad ones are refused before the kernel is asked', () => {
    expect(() => addAddress(socket, { link: 'br0', address: '10.88.0.300/16' })).toThrow('not an IP address');
    expect(() => addAddress(socket, { link: 'br9', address: '10.88.0.1/16' })).toThrow('get link br9: No such device');
  });
});

describe('routes', () => {
  beforeEach(() => addAddress(socket, { link: 'br0', address: '10.88.0.1/16' }));

  test('default, by gateway and by link', () => {
    addRoute(socket, { destination: '0.0.0.0/0', gateway: '10.88.0.254' });
    addRoute(socket, { destination: '10.99.0.0/16', link: 'br0', source: '10.88.0.1', metric: 7 });
    expect(routes('route')).toContainEqual(
      expect.objectContaining({ dst: 'default', gateway: '10.88.0.254', dev: 'br0' }),
    );
    expect(routes('route')).toContainEqual(
      expect.objectContaining({ dst: '10.99.0.0/16', dev: 'br0', prefsrc: '10.88.0.1', scope: 'link', metric: 7 }),
    );
    const link = linkIndex(socket, 'br0');
    expect(listRoutes(socket, { family: 2 })).toEqual([
      { destination: '0.0.0.0/0', gateway: '10.88.0.254', link, scope: 'global', table: 254 },
      { destination: '10.88.0.0/16', link, source: '10.88.0.1', scope: 'link', table: 254 },
      { destination: '10.99.0.0/16', link, source: '10.88.0.1', scope: 'link', metric: 7, table: 254 },
    ]);
  });

  test('IPv6', () => {
    addAddress(socket, { link: 'br0', address: 'fd00:88::1/64', noDad: true });
    addRoute(socket, { destination: '::/0', gateway: 'fd00:88::ff', link: 'br0' });
    addRoute(socket, { destination: 'fd00:99::/64', link: 'br0' });
    const shown = routes('-6', 'route');
    expect(shown).toContainEqual(expect.objectContaining({ dst: 'default', gateway: 'fd00:88::ff', dev: 'br0' }));
    expect(shown).toContainEqual(expect.objectContaining({ dst: 'fd00:99::/64', dev: 'br0' }));
    expect(listRoutes(socket, { family: 10 }).map(r => r.destination)).toEqual(
      expect.arrayContaining(['::/0', 'fd00:99::/64', 'fd00:88::/64']),
    );
  });

  test('with sizes, a scope by number, and one after another to the same destination', () => {
    addRoute(socket, { destination: '10.66.0.0/16', link: 'br0', scope: 254, mtu: 1400, advertisedMss: 1360 });
    expect(routes('route', 'show', '10.66.0.0/16')).toMatchObject([
      { dst: '10.66.0.0/16', dev: 'br0', scope: 'host', metrics: [{ mtu: 1400, advmss: 1360 }] },
    ]);
    expect(listRoutes(socket).find(route => route.destination === '10.66.0.0/16')).toMatchObject({
      scope: 'host',
      mtu: 1400,
      advertisedMss: 1360,
    });
    addRoute(socket, { destination: '10.55.0.0/16', gateway: '10.88.0.2', append: true });
    addRoute(socket, { destination: '10.55.0.0/16', gateway: '10.88.0.3', append: true });
    expect(routes('route', 'show', '10.55.0.0/16')).toMatchObject([{ gateway: '10.88.0.2' }, { gateway: '10.88.0.3' }]);
    expect(() => addRoute(socket, { destination: '10.55.0.0/16', gateway: '10.88.0.3', append: true })).toThrow(
      '(EEXIST)',
    );
  });

  test('other tables are kept apart', () => {
    addRoute(socket, { destination: '10.77.0.0/16', link: 'br0', table: 1000 });
    expect(listRoutes(socket).map(r => r.destination)).not.toContain('10.77.0.0/16');
    expect(listRoutes(socket, { table: 1000 })).toMatchObject([{ destination: '10.77.0.0/16', table: 1000 }]);
    expect(listRoutes(socket, { table: 'all' }).map(r => r.table)).toContain(1000);
    expect(routes('route', 'show', 'table', '1000')).toMatchObject([{ dst: '10.77.0.0/16' }]);
  });

  test('errors say what and why', () => {
    expect(() => addRoute(socket, { destination: '0.0.0.0/0', gateway: '192.0.2.1' })).toThrow(
      'add route 0.0.0.0/0 via 192.0.2.1: Nexthop has invalid gateway: Network is unreachable (ENETUNREACH)',
    );
    addRoute(socket, { destination: '10.99.0.0/16', link: 'br0' });
    expect(() => addRoute(socket, { destination: '10.99.0.0/16', link: 'br0' })).toThrow(
      'add route 10.99.0.0/16 dev br0: File exists (EEXIST)',
    );
  });
});

test('a packet goes through what was made', () => {
  run('ip', 'netns', 'add', 'cell');
  setLink(socket, 'lo', { up: true });
  addAddress(socket, { link: 'br0', address: '10.88.0.1/16' });
  const peer = { name: 'eth0', netns: '/run/netns/cell' };
  createVeth(socket, { name: 'veth0', master: 'br0', up: true, peer });
  run('ip', '-n', 'cell', 'link', 'set', 'eth0', 'up');
  run('ip', '-n', 'cell', 'address', 'add', '10.88.0.2/16', 'dev', 'eth0');
  expect(run('busybox', 'ping', '-c1', '-W2', '10.88.0.2')).toContain('1 packets received');
  run('ip', 'netns', 'del', 'cell');
});
