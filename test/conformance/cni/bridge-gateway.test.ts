/** bridge: gateways on the bridge, default routes, forwarding, one family and both. */
import { expect } from 'bun:test';
import { cases, expectMatch, internal, type Made } from './case.ts';
import { bridge, DEFAULT_ROUTE, V4, V6 } from './configs.ts';
import type { Host } from './host.ts';
import { addressesOf, link, routesOf, setSysctl, sysctl } from './views.ts';

const IPAM_FILES = /^file ipam\/(?:net\/(?:lock|last_reserved_ip.0)?)?$/;
const V4_FORWARDING = 'net.ipv4.ip_forward';
const V6_FORWARDING = 'net.ipv6.conf.all.forwarding';
async function forwardingOff(host: Host) {
  for (const name of [V4_FORWARDING, V6_FORWARDING]) await setSysctl(host.name, name, 0);
}
const forwarding = async ({ host }: Made) => [
  await sysctl(host.name, V4_FORWARDING),
  await sysctl(host.name, V6_FORWARDING),
];
/** A bridge with another address of the same range. */
async function otherAddress(host: Host) {
  await host.ip('link', 'add', 'br0', 'type', 'bridge');
  await host.ip('addr', 'add', '10.77.0.9/24', 'dev', 'br0');
}

cases('bridge as gateway', [
  {
    name: 'isGateway: the bridge has the gateway’s address, forwarding of that family is turned on, no default route is made',
    plugins: host => [bridge(host, { isGateway: true })],
    prepare: forwardingOff,
    async state(made) {
      expect(await addressesOf(made.host.name, 'br0')).toEqual(['10.77.0.1/24']);
      expect(await routesOf(made.container.name, 'eth0')).toEqual([V4]);
      expect(await forwarding(made)).toEqual(['1', '0']);
    },
  },
  {
    name: 'without isGateway nothing of the host is turned on',
    plugins: host => [bridge(host, {}, DEFAULT_ROUTE)],
    prepare: forwardingOff,
    state: async made => void expect(await forwarding(made)).toEqual(['0', '0']),
  },
  {
    name: 'the routes of IPAM go into the container, by the gateway where they name none',
    plugins: host => [
      bridge(host, { isGateway: true }, { routes: [{ dst: '0.0.0.0/0' }, { dst: '192.0.2.0/24', gw: '10.77.0.200' }] }),
    ],
    result: { routes: [{ dst: '0.0.0.0/0' }, { dst: '192.0.2.0/24', gw: '10.77.0.200' }] },
    async state({ container }) {
      const found = await routesOf(container.name, 'eth0');
      expect(found).toEqual([V4, '192.0.2.0/24 via 10.77.0.200', 'default via 10.77.0.1']);
    },
  },
  {
    name: 'isDefaultGateway: a gateway, and the default route by it',
    plugins: host => [bridge(host, { isDefaultGateway: true })],
    prepare: forwardingOff,
    result: { routes: [{ dst: '0.0.0.0/0', gw: '10.77.0.1' }] },
    async state(made) {
      expect(await addressesOf(made.host.name, 'br0')).toEqual(['10.77.0.1/24']);
      expect(await routesOf(made.container.name, 'eth0')).toEqual([V4, 'default via 10.77.0.1']);
      expect(await forwarding(made)).toEqual(['1', '0']);
    },
  },
  {
    name: 'isDefaultGateway where IPAM gives a default route with a gateway: that one',
    plugins: host => [bridge(host, { isDefaultGateway: true }, { routes: [{ dst: '0.0.0.0/0', gw: '10.77.0.200' }] })],
    state: async ({ container }) =>
      void expect(await routesOf(container.name, 'eth0')).toEqual([V4, 'default via 10.77.0.200']),
  },
  {
    name: 'isDefaultGateway where IPAM gives a default route without a gateway: there is one',
    plugins: host => [bridge(host, { isDefaultGateway: true }, DEFAULT_ROUTE)],
    state: async ({ container }) =>
      void expect(await routesOf(container.name, 'eth0')).toEqual([V4, 'default via 10.77.0.1']),
    unless: {
      'default route twice': {
        error: { code: 999, msg: /file exists/ },
        leaves: [/^container .* eth0/, /^link (?:br0|veth\w+ br0) up$/, IPAM_FILES],
      },
    },
  },
  {
    name: 'the gateway that IPAM names',
    plugins: host => [bridge(host, { isDefaultGateway: true }, { ranges: [[{ subnet: V4, gateway: '10.77.0.254' }]] })],
    result: { ips: [{ address: '10.77.0.1/24', gateway: '10.77.0.254' }] },
    async state({ host, container }) {
      expect(await addressesOf(host.name, 'br0')).toEqual(['10.77.0.254/24']);
      expect(await routesOf(container.name, 'eth0')).toEqual([V4, 'default via 10.77.0.254']);
    },
  },
  {
    name: 'another IPv4 address on the bridge is refused',
    plugins: host => [bridge(host, { isGateway: true })],
    prepare: otherAddress,
    error: { code: 999, msg: /br0/ },
    leaves: [/^link br0( up)?$/, /^route 10.77.0.0\/24 br0$/, IPAM_FILES],
    unless: {
      'failed ADD leaves interfaces': {
        error: { code: 999, msg: /br0/ },
        leaves: [
          /^container .* eth0/,
          /^link br0( up)?$/,
          /^link veth\w+ br0 up$/,
          /^route 10.77.0.0\/24 br0$/,
          IPAM_FILES,
        ],
      },
    },
  },
  {
    name: 'forceAddress: another address of the range goes',
    plugins: host => [bridge(host, { isGateway: true, forceAddress: true })],
    prepare: otherAddress,
    state: async ({ host }) => void expect(await addressesOf(host.name, 'br0')).toEqual(['10.77.0.1/24']),
    leaves: [/^link br0$/],
  },
  {
    name: 'an IPv6 address of another range stays on the bridge',
    plugins: host => [bridge(host, { isGateway: true }, {}, [V6])],
    prepare: async host => {
      await host.ip('link', 'add', 'br0', 'type', 'bridge');
      await host.ip('addr', 'add', 'fd78::1/64', 'dev', 'br0');
    },
    state: async ({ host }) =>
      void expect((await addressesOf(host.name, 'br0')).sort()).toEqual(['fd77::1/64', 'fd78::1/64']),
    leaves: [/^link br0$/],
  },
  {
    name: 'IPv6',
    plugins: host => [bridge(host, { isDefaultGateway: true }, {}, [V6])],
    prepare: forwardingOff,
    result: {
      ips: [{ interface: 2, address: 'fd77::2/64', gateway: 'fd77::1' }],
      routes: [{ dst: '::/0', gw: 'fd77::1' }],
    },
    async state(made) {
      expect(await addressesOf(made.container.name, 'eth0')).toEqual(['fd77::2/64']);
      expect(await routesOf(made.container.name, 'eth0')).toEqual(['default via fd77::1', V6]);
      expect(await addressesOf(made.host.name, 'br0')).toEqual(['fd77::1/64']);
      expect(await forwarding(made)).toEqual(['0', '1']);
      expect(await sysctl(made.container.name, 'net.ipv6.conf.eth0.accept_dad')).toBe('0');
    },
  },
  {
    name: 'both families',
    plugins: host => [bridge(host, { isDefaultGateway: true }, {}, [V4, V6])],
    prepare: forwardingOff,
    result: {
      ips: [
        { interface: 2, address: '10.77.0.2/24', gateway: '10.77.0.1' },
        { interface: 2, address: 'fd77::2/64', gateway: 'fd77::1' },
      ],
    },
    async state(made) {
      expect(await addressesOf(made.container.name, 'eth0')).toEqual(['10.77.0.2/24', 'fd77::2/64']);
      expect(await routesOf(made.container.name, 'eth0')).toEqual([
        V4,
        'default via 10.77.0.1',
        'default via fd77::1',
        V6,
      ]);
      expect(await addressesOf(made.host.name, 'br0')).toEqual(['10.77.0.1/24', 'fd77::1/64']);
      expect(await forwarding(made)).toEqual(['1', '1']);
    },
  },
  {
    name: 'enabledad: duplicate addresses are looked for',
    plugins: host => [bridge(host, { enabledad: true }, {}, [V6])],
    state: async ({ container }) =>
      void expect(await sysctl(container.name, 'net.ipv6.conf.eth0.accept_dad')).toBe('1'),
  },
  {
    name: 'who had the address before is told of its new MAC (gratuitous ARP)',
    plugins: host => [bridge(host)],
    async prepare(host) {
      await host.ip('link', 'add', 'br0', 'address', '0e:00:00:00:00:01', 'up', 'type', 'bridge');
      // Without a port it has no carrier, and who has none forgets its neighbours, some time later.
      await host.ip('link', 'add', 'other', 'up', 'master', 'br0', 'type', 'veth', 'peer', 'name', 'end');
      await host.ip('link', 'set', 'end', 'up');
      while ((await link(host.name, 'br0')).operstate !== 'UP') await Bun.sleep(5);
      await host.ip('addr', 'add', '10.77.0.200/24', 'dev', 'br0');
      await setSysctl(host.name, 'net.ipv4.neigh.br0.locktime', 0);
      await host.ip('neigh', 'add', '10.77.0.2', 'dev', 'br0', 'lladdr', '0e:00:00:00:00:99', 'nud', 'stale');
    },
    async state({ host, container }) {
      const [entry] = JSON.parse(await host.ip('-j', 'neigh', 'show', '10.77.0.2', 'dev', 'br0'));
      expectMatch(entry, { lladdr: (await link(container.name, 'eth0')).address });
    },
    unless: { 'gratuitous ARP may be lost': { state: undefined } },
  },
  ...[
    ['isGateway', 'yes'],
    ['mtu', 'large'],
    ['bridge', 5],
    ['ipMasq', 1],
    ['hairpinMode', []],
  ].map(([key, value]) => ({
    name: `${key} of the wrong type: ${JSON.stringify(value)}`,
    plugins: (host: Host) => [bridge(host, { [`${key}`]: value })],
    error: { code: 7, msg: new RegExp(`${key}`) },
    unless: internal(new RegExp(`json: cannot unmarshal .*${key}`)),
  })),
]);
