import { afterAll, afterEach, beforeAll, describe, expect, spyOn, test } from 'bun:test';
import type { JsonObject } from '../../../src/cni/json.ts';
import { PluginError } from '../../../src/cni/plugins/plugin-error.ts';
import { portmap } from '../../../src/cni/plugins/portmap/portmap.ts';
import type { Trace } from '../../../src/cni/plugins/trace.ts';
import { checked, libc } from '../../../src/host/libc.ts';
import { NetlinkSocket } from '../../../src/host/netlink/socket.ts';
import { within } from '../../../src/host/netns.ts';
import { nft, nftList, run } from '../netlink/outside.ts';
import { CELLS, type CellName, callFor, gcFor, makeRoutedHost, resultOf, UPLINK } from './routed-host.ts';

let host: Disposable;
beforeAll(async () => {
  host = await makeRoutedHost();
});
afterAll(() => host[Symbol.dispose]());
afterEach(() => {
  run('nft', 'flush', 'ruleset');
  run('sysctl', '-qw', 'net.ipv4.conf.br-a.route_localnet=0', 'net.ipv4.conf.br-b.route_localnet=0');
});

const web = { hostPort: 8080, containerPort: 80, protocol: 'tcp' };
const dns = { hostPort: 53, containerPort: 53, protocol: 'udp' };
const on = (hostIP: string) => ({ ...web, hostIP });
const published = (name: CellName, ...portMappings: JsonObject[]) => callFor(name, {}, { portMappings });
const add = (name: CellName, ...portMappings: JsonObject[]) => portmap.add(published(name, ...portMappings));
const bare = (name: CellName) => ({ ...callFor(name), netns: '', prevResult: undefined });
const del = (name: CellName) => portmap.del(bare(name));
const ruleset = () => nftList('ruleset');

async function refusal(of: Promise<unknown>): Promise<Pick<PluginError, 'code' | 'msg'>> {
  const error: unknown = await of.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof PluginError)) throw error ?? new Error('nothing was refused');
  return { code: error.code, msg: error.msg };
}

describe('ADD', () => {
  test('passes the result on; without ports nothing is made', async () => {
    expect(await portmap.add(callFor('a1'))).toEqual(resultOf('a1'));
    expect(await portmap.add({ ...published('a1'), prevResult: { ...resultOf('a1'), ips: [] } })).toMatchObject({
      ips: [],
    });
    expect(ruleset()).toBe('');
    expect(await add('a1', web, dns)).toEqual(resultOf('a1'));
    expect(ruleset()).toContain('tcp . 8080 comment "net-br-a a1/eth0" : 10.88.0.11 . 80');
  });

  test('takes the address of its own interface, and one family where there is one', async () => {
    const { interfaces, ips } = resultOf('a1');
    const other = [...interfaces, { name: 'net1', sandbox: '/run/netns/a1' }];
    const mixed = [
      { address: '10.99.0.1/24', interface: 0 },
      { address: '10.99.0.2/24', interface: 3 },
      ...ips.slice(0, 1),
    ];
    await portmap.add({ ...published('a1', web), prevResult: { ...resultOf('a1'), interfaces: other, ips: mixed } });
    expect(ruleset()).toContain(' : 10.88.0.11 . 80');
    expect(ruleset()).not.toContain('ports6');
    expect(ruleset()).not.toContain('10.99');
  });

  test('what cannot be done is refused, and leaves nothing', async () => {
    const { prevResult: _, ...first } = published('a1', web);
    expect(await refusal(portmap.add({ ...first, prevResult: undefined }))).toEqual({
      code: 7,
      msg: 'prevResult is missing: portmap comes after the plugin that makes the interface',
    });
    const without = (ips: string[], ...mappings: JsonObject[]) =>
      portmap.add({
        ...published('a1', ...mappings),
        prevResult: { ...resultOf('a1'), ips: ips.map(address => ({ address, interface: 2 })) },
      });
    expect(await refusal(without([], web))).toEqual({
      code: 7,
      msg: 'prevResult: eth0 has no address that ports could lead to',
    });
    const { msg } = await refusal(without(['10.88.0.11/16'], on('2001:db8::1')));
    expect(msg).toBe('port [2001:db8::1]:8080/tcp: the attachment has no address of IPv6');
    for (const name of ['nowhere', 'all', 'default', '../all', 'sixteen-letters-']) {
      const interfaces = [{ name }, ...resultOf('a1').interfaces.slice(1)];
      const failing = portmap.add({ ...published('a1', web), prevResult: { ...resultOf('a1'), interfaces } });
      expect(await refusal(failing)).toMatchObject({ code: 7, msg: expect.stringContaining(name) });
    }
    expect(run('sysctl', '-n', 'net.ipv4.conf.all.route_localnet')).toBe('0\n');
    expect(ruleset()).toBe('');
  });

  test('says what a person would type', async () => {
    const commands: string[] = [];
    const trace: Trace = (command, effect) => {
      commands.push(command);
      return effect();
    };
    const mapped = {
      a1: [web, { ...web, hostPort: 81 }, dns],
      a2: [on('192.0.2.1'), on('2001:db8::1')].map(one => ({ ...one, hostPort: 9 })),
    };
    for (const name of ['a1', 'a2'] as const) await portmap.add({ ...published(name, ...mapped[name]), trace });
    const made = ruleset();
    run('nft', 'flush', 'ruleset');
    run('sysctl', '-qw', 'net.ipv4.conf.br-a.route_localnet=0');
    const typed = commands.filter(command => !command.startsWith('conntrack'));
    for (const command of typed) run('bash', '-c', command);
    expect(ruleset()).toBe(made);
    expect(run('sysctl', '-n', 'net.ipv4.conf.br-a.route_localnet')).toBe('2\n');
    expect(commands.filter(command => command.startsWith('conntrack'))).toEqual([
      'conntrack -D -f ipv4 -p udp --orig-port-dst 53',
      'conntrack -D -f ipv6 -p udp --orig-port-dst 53',
    ]);
    commands.length = 0;
    for (const name of ['a1', 'a2'] as const) await portmap.del({ ...bare(name), trace });
    expect(commands).toContain('sysctl -w net/ipv4/conf/br-a/route_localnet=0');
    expect(commands).toContain('nft delete table inet kukeon');
    expect(commands).toContain('conntrack -D -f ipv4 -p udp --orig-port-dst 53 -r 10.88.0.11');
    expect(ruleset()).toBe('');
  });

  test('costs as much with two thousand ports published as with three', async () => {
    let received = 0;
    const { receive } = NetlinkSocket.prototype;
    using spy = spyOn(NetlinkSocket.prototype, 'receive').mockImplementation(function (this: NetlinkSocket) {
      const datagram = receive.call(this);
      received += datagram instanceof Uint8Array ? datagram.length : 0;
      return datagram;
    });
    const cost = async (hostPort: number) => {
      received = 0;
      await add('b1', { ...web, hostPort }, { ...web, hostPort: hostPort + 1, hostIP: UPLINK.v4 });
      return received;
    };
    await add('a1', web);
    await cost(1);
    const few = await cost(3);
    await add('a2', ...Array.from({ length: 2000 }, (_, i) => ({ ...web, hostPort: 10_000 + i })));
    expect(few).toBeGreaterThan(0);
    expect(await cost(5)).toBe(few);
    expect(spy).toHaveBeenCalled();
  });

  test('the flows of a thousand UDP ports are looked for at once, and those of none are not', async () => {
    let looks = 0;
    const { dump } = NetlinkSocket.prototype;
    using _ = spyOn(NetlinkSocket.prototype, 'dump').mockImplementation(function (
      this: NetlinkSocket,
      request,
      decode,
    ) {
      if (request.step.includes('flows')) looks++;
      return dump.call(this, request, decode) as ReturnType<typeof decode>[];
    });
    const looked = async (work: () => Promise<unknown>) => {
      looks = 0;
      await work();
      return looks;
    };
    const many = Array.from({ length: 1000 }, (_, i) => ({ ...dns, hostPort: 10_000 + i }));
    expect(await looked(() => add('a1', web, ...many))).toBe(2);
    expect(await looked(() => add('a1', web, ...many))).toBe(0);
    expect(await looked(() => add('a1', web, ...many, { ...dns, hostPort: 9 }))).toBe(2);
    expect(await looked(() => del('a1'))).toBe(2);
    expect(await looked(() => add('a1', web))).toBe(0);
    expect(await looked(() => del('a1'))).toBe(0);
  });

  test('SCTP is translated as well', async () => {
    run(
      'ip',
      'netns',
      'exec',
      'a1',
      'nft',
      'table inet seen { chain in { type filter hook input priority 0; sctp dport 7 counter; }; }',
    );
    const seen = () => run('ip', 'netns', 'exec', 'a1', 'nft', 'list', 'table', 'inet', 'seen');
    sendInit('outside', UPLINK.v4, 3868);
    expect(seen()).toContain('counter packets 0 ');
    await add('a1', { hostPort: 3868, containerPort: 7, protocol: 'sctp' });
    sendInit('outside', UPLINK.v4, 3868);
    for (let tries = 0; tries < 50 && seen().includes('packets 0 '); tries++) await Bun.sleep(20);
    expect(seen()).toContain('counter packets 1 ');
    run('ip', 'netns', 'exec', 'a1', 'nft', 'flush', 'ruleset');
  });
});

/** The first packet of an SCTP association (RFC 9260, 3.3.2), from a socket of IP's, for not every kernel has SCTP's own. */
function sendInit(netns: string, to: string, port: number): void {
  const packet = Buffer.alloc(32);
  packet.writeUInt16BE(40_000, 0);
  packet.writeUInt16BE(port, 2);
  packet.set([1, 0, 0, 20], 12);
  packet.writeUInt32BE(0x1234_5678, 16);
  packet.writeUInt32BE(65_536, 20);
  packet.set([0, 1, 0, 1], 24);
  packet.writeUInt32LE(crc32c(packet), 8);
  const destination = Uint8Array.from([2, 0, 0, 0, ...to.split('.').map(Number), 0, 0, 0, 0, 0, 0, 0, 0]);
  within(`/run/netns/${netns}`, () => {
    const fd = libc().socket(2, 3, 132);
    checked('connect', libc().connect(fd, destination, destination.length));
    const sent = Number(libc().send(fd, packet, packet.length, 0));
    libc().close(fd);
    if (sent !== packet.length) throw new Error(`sent ${sent} bytes`);
  });
}

function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0);
  }
  return ~crc >>> 0;
}

describe('a port that another attachment has', () => {
  const TAKEN = 100;

  test.each<[JsonObject, JsonObject, string]>([
    [web, web, 'port 8080/tcp of the host is published by a1/eth0 of network net-br-a'],
    [
      on('192.0.2.1'),
      on('192.0.2.1'),
      'port 192.0.2.1:8080/tcp of the host is published by a1/eth0 of network net-br-a',
    ],
    [
      on('2001:db8::1'),
      on('2001:DB8::0:1'),
      'port [2001:db8::1]:8080/tcp of the host is published by a1/eth0 of network net-br-a',
    ],
    [web, on('192.0.2.1'), 'port 192.0.2.1:8080/tcp of the host is published by a1/eth0 of network net-br-a'],
    [on('192.0.2.1'), web, 'port 8080/tcp of the host is published on 192.0.2.1 by a1/eth0 of network net-br-a'],
    [on('2001:db8::1'), web, 'port 8080/tcp of the host is published on 2001:db8::1 by a1/eth0 of network net-br-a'],
    [on('::'), web, 'port 8080/tcp of the host is published by a1/eth0 of network net-br-a'],
  ])('%j, then %j', async (first, second, msg) => {
    await add('a1', first);
    const before = ruleset();
    expect(await refusal(add('b1', dns, second))).toEqual({ code: TAKEN, msg });
    expect(ruleset()).toBe(before);
    await del('a1');
    await add('b1', dns, second);
    await del('b1');
    expect(ruleset()).toBe('');
  });

  test.each<[JsonObject, JsonObject]>([
    [web, { ...web, protocol: 'udp' }],
    [on('192.0.2.1'), on('192.0.2.9')],
    [on('0.0.0.0'), on('::')],
    [on('192.0.2.1'), on('::')],
  ])('%j and %j do not meet', async (first, second) => {
    await add('a1', first);
    await add('b1', second);
    await portmap.check(published('a1', first));
    await portmap.check(published('b1', second));
  });

  test('is its own when ADD comes again, with other ports too', async () => {
    await add('a1', web, dns);
    await add('a1', web, on('192.0.2.1'), { ...dns, containerPort: 5353 });
    await portmap.check(published('a1', web, on('192.0.2.1'), { ...dns, containerPort: 5353 }));
    await del('a1');
    expect(ruleset()).toBe('');
  });

  test('stays with the first network of a container that is in two', async () => {
    const second = { ...published('a1', web), network: 'other', ifName: 'eth1' };
    const { interfaces, ips } = resultOf('b1');
    second.prevResult = {
      ...resultOf('b1'),
      interfaces: [...interfaces.slice(0, 2), { name: 'eth1', sandbox: '/x' }],
      ips,
    };
    await add('a1', web);
    await portmap.add(second);
    await portmap.check(second);
    expect(ruleset()).toContain(' : 10.88.0.11 . 80');
    expect(ruleset()).not.toContain(' : 10.89.0.11 . 80');
    await portmap.del(second);
    await portmap.check(published('a1', web));
    await del('a1');
    expect(ruleset()).toBe('');
  });
});

describe('DEL, CHECK, GC, STATUS', () => {
  test('DEL knows nothing but names, comes twice, and after the bridge has gone', async () => {
    run('ip', 'link', 'add', 'br-x', 'type', 'bridge');
    const prevResult = { ...resultOf('a1'), interfaces: [{ name: 'br-x' }, ...resultOf('a1').interfaces.slice(1)] };
    await portmap.add({ ...published('a1', web, dns), prevResult });
    run('ip', 'link', 'del', 'br-x');
    await del('a1');
    await del('a1');
    expect(ruleset()).toBe('');
  });

  test('CHECK tells what is missing, ADD puts it back', async () => {
    const call = published('a1', web, on('192.0.2.1'));
    await portmap.add(call);
    for (const damage of [
      'flush ruleset',
      'flush chain inet kukeon published',
      'flush chain inet kukeon published_back6',
      'delete element inet kukeon ports { tcp . 8080 }',
      'delete element inet kukeon ports_on { 192.0.2.1 . tcp . 8080 }',
      'delete set inet kukeon ports_somewhere',
      'delete element inet kukeon published_next6 { "br-a" . fd00:a::11 }',
    ]) {
      await portmap.check(call);
      nft(damage);
      expect((await refusal(portmap.check(call))).msg).toMatch(
        /^published ports: .* inet kukeon.* is missing or was changed/,
      );
      await portmap.add(call);
    }
    run('sysctl', '-qw', 'net.ipv4.conf.br-a.route_localnet=0');
    expect((await refusal(portmap.check(call))).msg).toContain('route_localnet');
    await portmap.add(call);
    await portmap.check(call);
  });

  test('CHECK of ports that another container took is no success', async () => {
    await add('a1', web);
    expect((await refusal(portmap.check(published('a2', web)))).msg).toContain('ports { tcp . 8080 }');
  });

  test('GC keeps the valid ones and other networks', async () => {
    await add('a1', web, dns);
    await add('a2', { ...web, hostPort: 81 }, { ...on('192.0.2.1'), hostPort: 82 });
    await add('b1', { ...web, hostPort: 83 });
    await portmap.gc(gcFor('br-a', ['a2']));
    expect(ruleset()).not.toContain(CELLS.a1.v4);
    await portmap.check(published('a2', { ...web, hostPort: 81 }, { ...on('192.0.2.1'), hostPort: 82 }));
    await portmap.gc(gcFor('br-a', []));
    expect(run('sysctl', '-n', 'net.ipv4.conf.br-a.route_localnet')).toBe('0\n');
    await portmap.check(published('b1', { ...web, hostPort: 83 }));
    await portmap.gc(gcFor('br-b', []));
    expect(ruleset()).toBe('');
  });

  test('STATUS is well where there is nftables, and refuses what ADD would', async () => {
    await portmap.status(callFor('a1'));
    expect(await refusal(portmap.status(callFor('a1', { backend: 'iptables' })))).toMatchObject({ code: 2 });
  });
});
