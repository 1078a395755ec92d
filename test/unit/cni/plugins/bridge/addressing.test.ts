import { describe, expect, test } from 'bun:test';
import { addressingOf, broadcastOf, gatewayOf } from '../../../../../src/cni/plugins/bridge/addressing.ts';

const plain = { isGateway: false, isDefaultGateway: false };
const gateway = { isGateway: true, isDefaultGateway: false };
const defaultGateway = { isGateway: true, isDefaultGateway: true };

const dual = { ips: [{ address: '10.88.7.9/16' }, { address: 'fd00:88::9/64' }], routes: [] };

describe('addresses', () => {
  test('are the third interface’s, and have no gateway that nobody asked for', () => {
    expect(addressingOf(plain, dual)).toEqual({
      ips: dual.ips.map(ip => ({ ...ip, interface: 2 })),
      routes: [],
      gateways: [],
    });
  });

  test('have the first of their subnet as gateway where IPAM gave none, and the bridge has that', () => {
    const given = { ips: [...dual.ips, { address: '10.99.0.5/24', gateway: '10.99.0.254' }], routes: [] };
    const { ips, gateways, routes } = addressingOf(gateway, given);
    expect(ips.map(ip => ip.gateway)).toEqual(['10.88.0.1', 'fd00:88::1', '10.99.0.254']);
    expect(gateways).toEqual(['10.88.0.1/16', 'fd00:88::1/64', '10.99.0.254/24']);
    expect(routes).toEqual([]);
  });

  test('of one subnet have one gateway', () => {
    const ips = [{ address: '10.88.0.5/16' }, { address: '10.88.0.6/16' }];
    expect(addressingOf(gateway, { ips, routes: [] }).gateways).toEqual(['10.88.0.1/16']);
  });

  test('the last address of a subnet is the next one’s neighbour', () => {
    const ips = [{ address: '10.88.0.255/32' }, { address: 'fd00::ffff/128' }];
    expect(addressingOf(gateway, { ips, routes: [] }).gateways).toEqual(['10.88.1.0/32', 'fd00::1:0/128']);
  });

  test('of the bridge are written as the kernel writes them', () => {
    const ips = [{ address: 'FD00:0::9/64', gateway: 'FD00:0::0001' }];
    expect(addressingOf(gateway, { ips, routes: [] }).gateways).toEqual(['fd00::1/64']);
  });

  test('none at all is an error', () => {
    expect(() => addressingOf(plain, { ips: [], routes: [] })).toThrow('the IPAM plugin has given no address');
  });
});

describe('default routes', () => {
  test('are added, one a family, by the first gateway', () => {
    const ips = [...dual.ips, { address: '10.99.0.5/24' }];
    expect(addressingOf(defaultGateway, { ips, routes: [{ dst: '10.1.0.0/16' }] }).routes).toEqual([
      { dst: '10.1.0.0/16' },
      { dst: '0.0.0.0/0', gw: '10.88.0.1' },
      { dst: '::/0', gw: 'fd00:88::1' },
    ]);
  });

  test('are added where IPAM gave none of that family, however it wrote it', () => {
    const { routes } = addressingOf(defaultGateway, { ...dual, routes: [{ dst: '0:0::/0' }] });
    expect(routes).toEqual([{ dst: '0:0::/0' }, { dst: '0.0.0.0/0', gw: '10.88.0.1' }]);
  });

  test('go by the family’s first gateway where they have none', () => {
    const { ips } = addressingOf(gateway, dual);
    expect(gatewayOf({ dst: '0.0.0.0/0' }, ips)).toBe('10.88.0.1');
    expect(gatewayOf({ dst: 'fd99::/64' }, ips)).toBe('fd00:88::1');
    expect(gatewayOf({ dst: 'fd99::/64', gw: 'fd00:88::5' }, ips)).toBe('fd00:88::5');
    expect(gatewayOf({ dst: '0.0.0.0/0' }, dual.ips)).toBeUndefined();
    expect(gatewayOf({ dst: '10.2.0.0/16', scope: 253 }, ips)).toBeUndefined();
  });
});

test('a broadcast address is that of an IPv4 subnet with more than two addresses', () => {
  expect(broadcastOf('10.88.7.9/20')).toBe('10.88.15.255');
  expect(broadcastOf('10.88.7.9/30')).toBe('10.88.7.11');
  expect(broadcastOf('10.88.7.9/31')).toBeUndefined();
  expect(broadcastOf('fd00::9/64')).toBeUndefined();
});
