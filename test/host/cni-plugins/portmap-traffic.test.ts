/** Who reaches a published port, from where, and under which address; and what the reference plugin does for the same. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import type { JsonObject } from '../../../src/cni/json.ts';
import type { AttachmentCall } from '../../../src/cni/plugins/plugin.ts';
import { portmap } from '../../../src/cni/plugins/portmap/portmap.ts';
import { nft, nftList, run } from '../netlink/outside.ts';
import {
  ask,
  BRIDGES,
  CELLS,
  type CellName,
  callFor,
  makeRoutedHost,
  OUTSIDE,
  reference,
  UPLINK,
} from './routed-host.ts';

let host: Disposable;
beforeAll(async () => {
  host = await makeRoutedHost();
});
afterAll(() => host[Symbol.dispose]());
beforeEach(() => bridgeNetfilter(0));
afterEach(async () => {
  for (const name of ['a1', 'a2', 'b1'] as const) await portmap.del(callFor(name));
  expect(nftList('ruleset')).toBe('');
});

/** With it, who calls itself needs hairpinMode as well: the frame never leaves the bridge. */
function bridgeNetfilter(value: number): void {
  for (const ip of ['ip', 'ip6']) run('sysctl', '-qw', `net.bridge.bridge-nf-call-${ip}tables=${value}`);
  for (const name of ['a1', 'a2']) run('bridge', 'link', 'set', 'dev', `veth-${name}`, 'hairpin', value ? 'on' : 'off');
}

/** Its DEL leaves chains and `route_localnet`. */
function removeReference(call: AttachmentCall): void {
  reference('DEL', call);
  run('nft', 'flush', 'ruleset');
  run('sysctl', '-qw', 'net.ipv4.conf.br-a.route_localnet=0');
}

const both = (hostPort: number, rest: JsonObject = {}) =>
  ['tcp', 'udp'].map(protocol => ({ hostPort, containerPort: 7, protocol, ...rest }));
const publish = (name: CellName, portMappings: JsonObject[], config: JsonObject = {}) =>
  portmap.add(callFor(name, config, { portMappings }));
const localnet = () => run('sysctl', '-n', 'net.ipv4.conf.br-a.route_localnet').trim();

describe.each(['v4', 'v6'] as const)('%s', family => {
  const gateway = BRIDGES['br-a'][family];
  const a1 = CELLS.a1[family];
  describe.each([
    { plugin: 'kuke', bridged: 0, neighbour: gateway },
    { plugin: 'reference', bridged: 0, neighbour: gateway },
    // With br_netfilter the bridge translates its own frames, there and back: a neighbour can keep its address.
    { plugin: 'kuke', bridged: 1, neighbour: CELLS.a2[family] },
    { plugin: 'reference', bridged: 1, neighbour: gateway },
  ])('$plugin, bridge-nf-call-iptables=$bridged', ({ plugin, bridged, neighbour }) => {
    test.each(['tcp', 'udp'] as const)('by %s from everywhere', async protocol => {
      bridgeNetfilter(bridged);
      const call = callFor('a1', {}, { portMappings: both(8080) });
      if (plugin === 'kuke') await portmap.add(call);
      else reference('ADD', call);
      const from = (name: string | undefined, address: string) => ask(name, protocol, address, 8080);
      const seen = await Promise.all([
        from('outside', UPLINK[family]),
        from(undefined, UPLINK[family]),
        from(undefined, gateway),
        from('a2', UPLINK[family]),
        from('a2', gateway),
        from('a1', UPLINK[family]),
        from('b1', UPLINK[family]),
        ask(undefined, protocol, family === 'v4' ? '127.0.0.1' : '::1', 8080, 0.5),
      ]);
      if (plugin === 'reference') removeReference(call);
      expect(seen).toEqual([
        `a1 ${OUTSIDE[family]}`,
        `a1 ${UPLINK[family]}`,
        `a1 ${gateway}`,
        `a1 ${neighbour}`,
        `a1 ${neighbour}`,
        `a1 ${gateway}`,
        `a1 ${CELLS.b1[family]}`,
        family === 'v4' ? `a1 ${gateway}` : '',
      ]);
    });
  });

  test('another port, another protocol and an address that is not the host’s lead nowhere', async () => {
    await publish('a1', [{ hostPort: 8080, containerPort: 7, protocol: 'tcp' }]);
    expect(
      await Promise.all([
        ask('outside', 'tcp', UPLINK[family], 8081, 0.5),
        ask('outside', 'udp', UPLINK[family], 8080, 0.5),
        ask('b1', 'tcp', OUTSIDE[family], 8080, 0.5),
        ask('outside', 'tcp', UPLINK[family], 8080),
      ]),
    ).toEqual(['', '', '', `a1 ${OUTSIDE[family]}`]);
  });

  test('hostIP: on that address alone, and two attachments may share a port so', async () => {
    await publish('a1', both(8080, { hostIP: UPLINK[family] }));
    await publish('a2', both(8080, { hostIP: gateway }));
    const answers = (address: string, from?: string) =>
      Promise.all((['tcp', 'udp'] as const).map(protocol => ask(from, protocol, address, 8080)));
    expect(await answers(UPLINK[family], 'outside')).toEqual([`a1 ${OUTSIDE[family]}`, `a1 ${OUTSIDE[family]}`]);
    expect(await answers(gateway)).toEqual([`a2 ${gateway}`, `a2 ${gateway}`]);
    expect(await ask(undefined, 'tcp', '127.0.0.1', 8080, 0.5)).toBe('');
    expect(nftList('ruleset')).not.toContain(family === 'v4' ? 'ports6' : 'map ports ');
  });

  test('masqAll hides who asks; without snat only what needs no help gets through', async () => {
    await publish('a1', both(8080), { masqAll: true });
    await publish('a2', both(8081), { snat: false });
    expect(
      await Promise.all([
        ask('outside', 'tcp', UPLINK[family], 8080),
        ask('outside', 'tcp', UPLINK[family], 8081),
        ask('a1', 'tcp', UPLINK[family], 8081, 0.5),
        ask('a2', 'tcp', UPLINK[family], 8080),
      ]),
    ).toEqual([`a1 ${gateway}`, `a2 ${OUTSIDE[family]}`, '', `a1 ${gateway}`]);
  });

  test('a direct way to the attachment is left as it is', async () => {
    await publish('a1', both(8080), { masqAll: true });
    expect(await ask('a2', 'tcp', a1, 7)).toBe(`a1 ${CELLS.a2[family]}`);
    expect(await ask('b1', 'tcp', a1, 7)).toBe(`a1 ${CELLS.b1[family]}`);
  });

  test.each([1, 3])('UDP: who keeps sending from one port gets to whoever has the port now, of %i', async count => {
    const ports = [8080, 8081, 8082].slice(0, count).flatMap(port => both(port));
    // One socket for all: a flow that the kernel remembers.
    const asker = Bun.spawn(
      [
        'ip',
        'netns',
        'exec',
        'outside',
        'bash',
        '-c',
        `exec 3<> /dev/udp/${UPLINK[family]}/8080; while read -r; do echo >&3; timeout 0.5 dd bs=128 count=1 status=none <&3 || echo nobody; done`,
      ],
      { stdin: 'pipe', stdout: 'pipe', stderr: 'ignore' },
    );
    const reader = asker.stdout.getReader();
    const next = async () => {
      asker.stdin.write('\n');
      asker.stdin.flush();
      return Buffer.from((await reader.read()).value ?? [])
        .toString()
        .trim();
    };
    const seen = [await next()];
    await publish('a1', ports);
    seen.push(await next());
    await portmap.del(callFor('a1'));
    seen.push(await next());
    await publish('a2', ports);
    seen.push(await next());
    asker.kill('SIGKILL');
    expect(seen).toEqual(['nobody', `a1 ${OUTSIDE[family]}`, 'nobody', `a2 ${OUTSIDE[family]}`]);
  });

  test.each(['as they were', 'flushed'])(
    'UDP: a flow to whoever has the port goes on when ADD comes again, with its rules %s',
    async rules => {
      const flows = () =>
        run('cat', '/proc/net/nf_conntrack')
          .split('\n')
          .filter(line => line.includes(' dport=8080 '));
      const ports = () => flows().map(line => / sport=\d+ dport=8080 /.exec(line)?.[0]);
      await publish('a1', both(8080));
      const earlier = ports();
      expect(await ask('outside', 'udp', UPLINK[family], 8080)).toBe(`a1 ${OUTSIDE[family]}`);
      const [own] = ports().filter(one => !earlier.includes(one));
      if (rules === 'flushed') run('nft', 'flush', 'ruleset');
      await publish('a1', both(8080));
      expect(own).toBeString();
      expect(ports()).toContain(own);
      await portmap.del(callFor('a1'));
      expect(flows().filter(line => line.includes(' udp '))).toEqual([]);
    },
  );
});

describe('the host’s loopback', () => {
  test('route_localnet is on while something is published behind the bridge', async () => {
    expect(localnet()).toBe('0');
    await publish('a1', both(8080));
    await publish('a2', both(8081));
    expect(localnet()).toBe('2');
    await portmap.del(callFor('a1'));
    expect(localnet()).toBe('2');
    await portmap.del(callFor('a2'));
    expect(localnet()).toBe('0');
    await publish('a1', both(8080), { snat: false });
    expect(localnet()).toBe('0');
  });

  test.each(['before', 'meanwhile', 'meanwhile, and all rules were flushed'])(
    'and stays on where another has turned it on: %s',
    async when => {
      const turnOn = () => run('sysctl', '-qw', 'net.ipv4.conf.br-a.route_localnet=1');
      const call = callFor('a1', {}, { portMappings: both(8080) });
      if (when === 'before') turnOn();
      await portmap.add(call);
      if (when !== 'before') turnOn();
      if (when.includes('flushed')) run('nft', 'flush', 'ruleset');
      for (const _ of [1, 2]) await portmap.del(call);
      expect(localnet()).toBe('1');
      run('sysctl', '-qw', 'net.ipv4.conf.br-a.route_localnet=0');
    },
  );

  test('and goes off when somebody has flushed the ruleset', async () => {
    const call = callFor('a1', {}, { portMappings: both(8080) });
    await portmap.add(call);
    run('nft', 'flush', 'ruleset');
    await portmap.del(call);
    expect(localnet()).toBe('0');
  });

  test('is not opened to attachments by that', async () => {
    using _ = Bun.listen({
      hostname: '127.0.0.1',
      port: 9000,
      socket: { open: s => void s.end('own'), data: () => {} },
    });
    run('ip', 'netns', 'exec', 'a1', 'sysctl', '-qw', 'net.ipv4.conf.eth0.route_localnet=1');
    run('ip', '-n', 'a1', 'addr', 'del', '127.0.0.1/8', 'dev', 'lo');
    run('ip', '-n', 'a1', 'route', 'add', '127.0.0.1/32', 'via', BRIDGES['br-a'].v4, 'src', CELLS.a1.v4);
    await publish('a1', both(8080));
    expect(await ask('a1', 'tcp', '127.0.0.1', 9000, 0.5)).toBe('');
    nft('flush chain inet kukeon localnet_guard');
    expect(await ask('a1', 'tcp', '127.0.0.1', 9000)).toBe('own');
  });
});
