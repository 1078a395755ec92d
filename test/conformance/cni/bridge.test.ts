/** bridge: which interfaces it makes, and what the keys of its configuration do to them. */
import { expect } from 'bun:test';
import { cases, expectMatch, internal, type Made } from './case.ts';
import { bridge, hostLocal } from './configs.ts';
import { addressesOf, interfaceOf, link, routesOf } from './views.ts';

/** The host's end of the pair, as the kernel has it. */
async function hostEnd({ host, result }: Made) {
  return await link(host.name, interfaceOf(result, 1).name);
}
const inside = ({ container }: Made) => link(container.name, 'eth0');

const MAC = '0e:11:22:33:44:55';
const hasMac = (mac: string) => async (made: Made) => {
  expect((await inside(made)).address).toBe(mac);
  expect(interfaceOf(made.result, 2).mac).toBe(mac);
};

cases('bridge', [
  {
    name: 'makes a bridge and a pair of interfaces, and gives the address of IPAM',
    plugins: host => [bridge(host)],
    result: (_, { netns }) => ({
      interfaces: [{ name: 'br0' }, { name: expect.stringMatching(/^veth/) }, { name: 'eth0', sandbox: netns }],
      ips: [{ interface: 2, address: '10.77.0.2/24', gateway: '10.77.0.1' }],
    }),
    async state(made) {
      const { host, container, result } = made;
      const [outer, inner, br0] = await Promise.all([hostEnd(made), inside(made), link(host.name, 'br0')]);
      expectMatch(br0, { linkinfo: { info_kind: 'bridge' }, address: interfaceOf(result, 0).mac });
      expectMatch(outer, {
        master: 'br0',
        operstate: 'UP',
        link_index: inner.ifindex,
        address: interfaceOf(result, 1).mac,
      });
      expectMatch(inner, { link_index: outer.ifindex, address: interfaceOf(result, 2).mac });
      expectMatch(outer, { linkinfo: { info_slave_data: { hairpin: false, isolated: false, state: 'forwarding' } } });
      expect(await addressesOf(container.name, 'eth0')).toEqual(['10.77.0.2/24']);
      expect(await routesOf(container.name, 'eth0')).toEqual(['10.77.0.0/24']);
      expect(await addressesOf(host.name, 'br0')).toEqual([]);
    },
  },
  {
    name: 'keys are taken in any case, as Go reads them',
    plugins: host => [
      {
        type: 'bridge',
        BRIDGE: 'br0',
        isgateway: true,
        HairpinMode: true,
        ipam: hostLocal(host, { Ranges: [[{ Subnet: '10.79.0.0/24' }]] }, []),
      },
    ],
    result: { interfaces: [{ name: 'br0' }, {}, {}], ips: [{ address: '10.79.0.2/24' }] },
    async state(made) {
      expectMatch(await hostEnd(made), { linkinfo: { info_slave_data: { hairpin: true } } });
      expect(await addressesOf(made.host.name, 'br0')).toEqual(['10.79.0.1/24']);
    },
  },
  {
    name: 'without a name the bridge is cni0',
    plugins: host => [{ type: 'bridge', ipam: hostLocal(host) }],
    result: { interfaces: [{ name: 'cni0' }, {}, {}] },
    state: async made => void expect((await hostEnd(made)).master).toBe('cni0'),
  },
  {
    name: 'a bridge that is there is used as it is',
    plugins: host => [bridge(host)],
    prepare: async host => {
      await host.ip('link', 'add', 'br0', 'address', MAC, 'type', 'bridge');
      await host.ip('addr', 'add', '198.51.100.1/24', 'dev', 'br0');
    },
    async state(made) {
      expectMatch(await link(made.host.name, 'br0'), { address: MAC, flags: expect.arrayContaining(['UP']) });
      expect((await hostEnd(made)).master).toBe('br0');
      expect(await addressesOf(made.host.name, 'br0')).toEqual(['198.51.100.1/24']);
    },
    leaves: [/^link br0$/],
  },
  {
    name: 'another name of the interface',
    plugins: host => [bridge(host)],
    ifName: 'net-1_2.x',
    result: (_, { netns }) => ({ interfaces: [{}, {}, { name: 'net-1_2.x', sandbox: netns }] }),
    state: async ({ container }) =>
      void expect(await addressesOf(container.name, 'net-1_2.x')).toEqual(['10.77.0.2/24']),
  },
  {
    name: 'an interface name of 15 characters',
    plugins: host => [bridge(host)],
    ifName: 'a23456789012345',
    state: async ({ container }) => void expect(await addressesOf(container.name, 'a23456789012345')).toHaveLength(1),
  },
  {
    name: 'without IPAM: no addresses, but the link is up',
    plugins: () => [{ type: 'bridge', bridge: 'br0' }],
    result: (_, { netns }) => ({ interfaces: [{ name: 'br0' }, {}, { name: 'eth0', sandbox: netns }] }),
    async state(made) {
      expect(made.result.ips ?? []).toEqual([]);
      // Whether it works yet (operstate) is the kernel's to say, some time later.
      expect((await inside(made)).flags).toContain('UP');
      expect(await addressesOf(made.container.name, 'eth0')).toEqual([]);
    },
    unless: { 'CHECK needs IPAM': { check: 999 } },
  },
  {
    name: 'mtu',
    plugins: host => [bridge(host, { mtu: 1400 })],
    async state(made) {
      expect((await inside(made)).mtu).toBe(1400);
      expect((await hostEnd(made)).mtu).toBe(1400);
      expect((await link(made.host.name, 'br0')).mtu).toBe(1400);
    },
  },
  {
    name: 'hairpinMode',
    plugins: host => [bridge(host, { hairpinMode: true })],
    state: async made => expectMatch(await hostEnd(made), { linkinfo: { info_slave_data: { hairpin: true } } }),
  },
  {
    name: 'promiscMode',
    plugins: host => [bridge(host, { promiscMode: true })],
    state: async ({ host }) => void expect((await link(host.name, 'br0')).flags).toContain('PROMISC'),
  },
  {
    name: 'hairpinMode and promiscMode exclude each other',
    plugins: host => [bridge(host, { hairpinMode: true, promiscMode: true })],
    error: { code: 7, msg: /hairpin/i },
    unless: internal(/hairpin/),
  },
  {
    name: 'portIsolation',
    plugins: host => [bridge(host, { portIsolation: true })],
    state: async made => expectMatch(await hostEnd(made), { linkinfo: { info_slave_data: { isolated: true } } }),
    unless: { 'no portIsolation': { state: undefined } },
  },
  {
    name: 'MAC of CNI_ARGS',
    plugins: host => [bridge(host)],
    args: `IgnoreUnknown=1;MAC=${MAC}`,
    state: hasMac(MAC),
  },
  {
    name: 'mac of args in the configuration',
    plugins: host => [bridge(host, { args: { cni: { mac: MAC } } })],
    state: hasMac(MAC),
  },
  {
    name: 'mac of runtimeConfig goes before the others',
    plugins: host => [bridge(host, { capabilities: { mac: true }, args: { cni: { mac: '0e:00:00:00:00:01' } } })],
    args: 'IgnoreUnknown=1;MAC=0e:00:00:00:00:02',
    runtimeConfig: { mac: MAC },
    state: hasMac(MAC),
  },
  {
    name: 'a mac that is none',
    plugins: host => [bridge(host, { capabilities: { mac: true } })],
    runtimeConfig: { mac: 'none' },
    error: 7,
    unless: internal(/invalid MAC/, [/^link br0 up$/]),
  },
  {
    name: 'an unknown key of CNI_ARGS',
    plugins: host => [bridge(host)],
    args: 'K8S_POD_NAME=web',
    error: 4,
    unless: internal(/K8S_POD_NAME/),
  },
  {
    name: 'an unknown key of CNI_ARGS with IgnoreUnknown',
    plugins: host => [bridge(host)],
    args: 'IgnoreUnknown=true;K8S_POD_NAME=web;K8S_POD_NAMESPACE=default',
    state: async ({ container }) => void expect(await addressesOf(container.name, 'eth0')).toHaveLength(1),
  },
  {
    name: 'CNI_ARGS that are no pairs',
    plugins: host => [bridge(host)],
    args: 'IgnoreUnknown=1;MAC',
    error: 4,
    unless: internal(/ARGS/),
  },
  {
    name: 'dns of the configuration goes into the result',
    plugins: host => [
      bridge(host, { dns: { nameservers: ['192.0.2.53'], domain: 'a.example', search: ['b.example'] } }),
    ],
    result: { dns: { nameservers: ['192.0.2.53'], domain: 'a.example', search: ['b.example'] } },
  },
  {
    name: 'keys that nobody knows are left alone',
    plugins: host => [bridge(host, { somethingElse: { a: [1] } })],
  },
]);
