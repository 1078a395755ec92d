/** bridge: the gateway's address, forwarding, and what neighbours learn of a new container. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { ip, ipJson, run } from '../netlink/outside.ts';
import {
  add,
  addContainer,
  addresses,
  answers,
  check,
  clear,
  del,
  link,
  netnsOf,
  network,
  refusal,
  routes,
  traces,
  V4,
  V6,
} from './bridged.ts';

beforeEach(() => {
  clear();
  addContainer('a');
  addContainer('b');
});
afterEach(clear);

const sysctl = (...names: string[]) =>
  run('sysctl', '-n', ...names)
    .split('\n')
    .filter(Boolean);
const staticIpam = (...given: string[]) => ({ type: 'static', addresses: given.map(address => ({ address })) });

describe('the address of the bridge', () => {
  test('is refused beside another one, which stays, and nothing is left', async () => {
    run('ip', 'link', 'add', 'br0', 'type', 'bridge');
    run('ip', 'address', 'add', '10.66.0.1/24', 'dev', 'br0');
    const before = traces();
    const error = await refusal(add(network({ isGateway: true }, [V4]), { id: 'a' }));
    expect(error).toMatchObject({ code: 999, details: expect.stringContaining('"forceAddress": true') });
    expect(error.msg).toBe(
      "bridge br0 has the address 10.66.0.1/24 already, and the network's gateway is 10.77.0.1/24",
    );
    expect(traces()).toEqual(before);
    expect(addresses('br0')).toEqual(['10.66.0.1/24']);
  });

  test('replaces others where it is forced, of its own family alone', async () => {
    run('ip', 'link', 'add', 'br0', 'type', 'bridge');
    for (const one of ['10.66.0.1/24', '10.77.0.1/16', 'fd66::1/64']) run('ip', 'addr', 'add', one, 'dev', 'br0');
    await add(network({ isGateway: true, forceAddress: true }, [V4]), { id: 'a' });
    expect(addresses('br0').map(one => one.split(' ')[0])).toEqual(['10.77.0.1/24', 'fd66::1/64']);
  });

  test('of IPv6 stands beside those of other subnets, but not in one of them', async () => {
    run('ip', 'link', 'add', 'br0', 'type', 'bridge');
    run('ip', 'addr', 'add', 'fd66::1/64', 'dev', 'br0', 'nodad');
    await add(network({ isGateway: true }, [V6]), { id: 'a' });
    expect(addresses('br0')).toEqual(['fd77::1/64', 'fd66::1/64']);
    const ranges = { isGateway: true, ipam: { type: 'static', addresses: [{ address: 'fd66::5/48' }] } };
    expect((await refusal(add(network(ranges), { id: 'b' }))).msg).toContain('has the address fd66::1/64 already');
    await add(network({ ...ranges, forceAddress: true }), { id: 'b' });
    expect(addresses('br0')).toEqual(['fd66::1/48', 'fd77::1/64']);
  });

  test('is the same however it is written', async () => {
    const addresses6 = [{ address: 'FD77:0::9/64', gateway: 'fd77:0:0::0001' }];
    const config = network({ isGateway: true, ipam: { type: 'static', addresses: addresses6 } });
    await add(config, { id: 'a' });
    expect(addresses('br0')).toEqual(['fd77::1/64']);
    await del(config, { id: 'a' });
    const result = await add(config, { id: 'b' });
    await check(config, { id: 'b' }, result);
  });

  test('is IPAM’s where it names one', async () => {
    const ipam = { type: 'static', addresses: [{ address: '10.77.0.9/24', gateway: '10.77.0.254' }] };
    await add(network({ isDefaultGateway: true, ipam }), { id: 'a' });
    expect(addresses('br0')).toEqual(['10.77.0.254/24']);
    expect(routes('a')).toEqual(['default via 10.77.0.254']);
  });
});

describe('routes', () => {
  test('of IPAM go by its gateway, with all that the specification gives them', async () => {
    const given = { dst: '10.1.0.0/16', mtu: 1300, advmss: 1200, priority: 50, table: 100 };
    const ipam = {
      ...staticIpam('10.77.0.9/24'),
      routes: [{ dst: '0.0.0.0/0' }, given, { dst: '10.2.0.0/16', scope: 253 }],
    };
    const result = await add(network({ isGateway: true, ipam }), { id: 'a' });
    expect(routes('a')).toEqual(['default via 10.77.0.1', '10.2.0.0/16']);
    expect(ipJson('-n', 'a', 'route', 'show', 'table', '100')).toMatchObject([
      { dst: '10.1.0.0/16', gateway: '10.77.0.1', metric: 50, metrics: [{ mtu: 1300, advmss: 1200 }] },
    ]);
    expect(result.routes).toEqual(ipam.routes);
  });

  test('a default route of IPAM is the only one of its family', async () => {
    const ipam = { ...staticIpam('10.77.0.9/24', 'fd77::9/64'), routes: [{ dst: '0.0.0.0/0' }] };
    await add(network({ isDefaultGateway: true, ipam }), { id: 'a' });
    expect(routes('a')).toEqual(['default via 10.77.0.1', 'default via fd77::1']);
  });
});

describe('forwarding', () => {
  const V4_FORWARDING = 'net.ipv4.ip_forward';
  const V6_FORWARDING = 'net.ipv6.conf.all.forwarding';

  test('is not turned on for a network that is no gateway, nor for a family that it has not', async () => {
    await add(network({}, [V4, V6]), { id: 'a' });
    expect(sysctl(V4_FORWARDING, V6_FORWARDING)).toEqual(['0', '0']);
    await add(network({ name: 'other', bridge: 'br1', isGateway: true }, [V4]), { id: 'b' });
    expect(sysctl(V4_FORWARDING, V6_FORWARDING)).toEqual(['1', '0']);
  });

  test('of IPv6 leaves uplinks their router advertisements', async () => {
    for (const name of ['up0', 'deaf0', 'own0'])
      run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', `x-${name}`);
    run('ip', 'link', 'add', 'br9', 'type', 'bridge');
    run('ip', 'link', 'set', 'x-own0', 'master', 'br9');
    run('sysctl', '-qw', 'net.ipv6.conf.deaf0.accept_ra=0', 'net.ipv6.conf.own0.forwarding=1');
    const before = run('sysctl', '-n', 'net.ipv6.conf.default.accept_ra', 'net.ipv6.conf.all.accept_ra');
    await add(network({ isGateway: true }, [V6]), { id: 'a' });
    expect(sysctl(V6_FORWARDING)).toEqual(['1']);
    const accepted = ['up0', 'deaf0', 'own0', 'x-own0', 'br0'].map(name => `net.ipv6.conf.${name}.accept_ra`);
    expect(sysctl(...accepted)).toEqual(['2', '0', '1', '1', '0']);
    expect(run('sysctl', '-n', 'net.ipv6.conf.default.accept_ra', 'net.ipv6.conf.all.accept_ra')).toBe(before);
  });
});

describe('duplicate address detection', () => {
  test('is waited for where it is asked for', async () => {
    await add(network({ isGateway: true, enabledad: true }, [V4, V6]), { id: 'a' });
    expect(addresses('eth0', 'a')).toEqual(['10.77.0.2/24', 'fd77::2/64']);
    expect(ip('-n', 'a', '-6', 'address')).not.toMatch(/tentative|nodad/);
    expect(await answers('a', 'fd77::1')).toBe(true);
  });

  test('finds another host with the address, and nothing is left', async () => {
    const ipam = staticIpam('fd77::9/64');
    await add(network({ ipam }), { id: 'b' });
    const before = traces();
    const error = await refusal(add(network({ ipam, enabledad: true }), { id: 'a' }));
    expect(error.msg).toContain('another host has fd77::9/64');
    expect(traces()).toEqual(before);
    expect(link('eth0', 'a')).toBeUndefined();
  });

  test('of a runtime that has turned IPv6 off in the container comes to nothing: it is turned on', async () => {
    run(
      'nsenter',
      `--net=${netnsOf('a')}`,
      'sysctl',
      '-qw',
      'net.ipv6.conf.all.disable_ipv6=1',
      'net.ipv6.conf.default.disable_ipv6=1',
    );
    await add(network({ isGateway: true }, [V6]), { id: 'a' });
    expect(addresses('eth0', 'a')).toEqual(['fd77::2/64']);
    expect(await answers('a', 'fd77::1')).toBe(true);
  });
});

test('neighbours who had the address in mind with another MAC learn the new one', async () => {
  await add(network({ ipam: staticIpam('10.77.0.8/24', 'fd77::8/64') }), { id: 'b' });
  // Over and over, as the bridge forwards from a new port at once only now and then.
  for (let round = 0; round < 10; round++) {
    for (const address of ['10.77.0.9', 'fd77::9']) {
      run('ip', '-n', 'b', 'neigh', 'replace', address, 'lladdr', '02:00:00:00:00:99', 'dev', 'eth0', 'nud', 'stale');
    }
    const config = network({ ipam: staticIpam('10.77.0.9/24', 'fd77::9/64') });
    const { interfaces } = await add(config, { id: 'a' });
    interface Neighbour {
      dst: string;
      lladdr: string;
    }
    const known = ipJson<Neighbour>('-n', 'b', 'neigh', 'show', 'dev', 'eth0').filter(({ dst }) => /9$/.test(dst));
    expect(known.map(({ lladdr }) => lladdr)).toEqual([interfaces[2]?.mac ?? '', interfaces[2]?.mac ?? '']);
    await del(config, { id: 'a' });
  }
});
