/** host-local: both forms of its configuration, ranges, requested addresses, its files on disk. */
import { expect } from 'bun:test';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cases, internal, type Made } from './case.ts';
import { hostLocal, V4, V6 } from './configs.ts';
import type { Host } from './host.ts';

const alone =
  (ipam: object, more: object = {}) =>
  (host: Host) => [{ type: 'host-local', ipam: { ...hostLocal(host), ...ipam }, ...more }];
const files = ({ host }: Made) =>
  readdirSync(`${host.folder}/ipam/net`)
    .filter(name => name !== '.by-id')
    .sort();
const read = ({ host }: Made, name: string) => readFileSync(`${host.folder}/ipam/net/${name}`, 'utf8');
/** Of an ADD's result, without its version: IPAM plugins name no interfaces. */
const ips = (...all: [address: string, gateway: string][]) => ({
  ips: all.map(([address, gateway]) => ({ address, gateway })),
});
const requested = { capabilities: { ips: true } };

cases('host-local', [
  {
    name: 'one range: the first address after the gateway, and what is on disk',
    plugins: alone({}),
    result: ips(['10.77.0.2/24', '10.77.0.1']),
    async state(made) {
      const { container, result } = made;
      expect(result.interfaces).toBeUndefined();
      expect(files(made)).toEqual(['10.77.0.2', 'last_reserved_ip.0', 'lock']);
      expect(read(made, '10.77.0.2')).toBe(`${container.name}\r\neth0`);
      expect(read(made, 'last_reserved_ip.0')).toBe('10.77.0.2');
    },
  },
  {
    name: 'the form with one subnet',
    plugins: host => [
      {
        type: 'host-local',
        ipam: {
          type: 'host-local',
          dataDir: `${host.folder}/ipam`,
          subnet: V4,
          rangeStart: '10.77.0.50',
          rangeEnd: '10.77.0.60',
          gateway: '10.77.0.254',
        },
      },
    ],
    result: ips(['10.77.0.50/24', '10.77.0.254']),
  },
  {
    name: 'one subnet and ranges: the subnet comes first',
    plugins: alone({ subnet: '10.78.0.0/24' }),
    result: ips(['10.78.0.2/24', '10.78.0.1'], ['10.77.0.2/24', '10.77.0.1']),
  },
  {
    name: 'an address of each set of ranges, both families',
    plugins: alone({ ranges: [[{ subnet: V4 }], [{ subnet: V6 }]] }),
    result: ips(['10.77.0.2/24', '10.77.0.1'], ['fd77::2/64', 'fd77::1']),
    state: async made =>
      void expect(files(made)).toEqual(['10.77.0.2', 'fd77::2', 'last_reserved_ip.0', 'last_reserved_ip.1', 'lock']),
  },
  {
    name: 'rangeStart and rangeEnd',
    plugins: alone({ ranges: [[{ subnet: V4, rangeStart: '10.77.0.100', rangeEnd: '10.77.0.100' }]] }),
    result: ips(['10.77.0.100/24', '10.77.0.1']),
  },
  {
    name: 'a set of two ranges is gone through in order',
    plugins: alone({
      ranges: [
        [
          { subnet: V4, rangeStart: '10.77.0.10', rangeEnd: '10.77.0.10' },
          { subnet: '10.78.0.0/24', rangeStart: '10.78.0.20' },
        ],
      ],
    }),
    prepare: reserve('10.77.0.10'),
    result: ips(['10.78.0.20/24', '10.78.0.1']),
    leaves: [/(?:10\.77\.0\.10|\.by-id\/\w+\.0)$/],
  },
  {
    name: 'addresses are given in turn: the one after the last',
    plugins: alone({}),
    prepare: reserve('last_reserved_ip.0', '10.77.0.9'),
    result: ips(['10.77.0.10/24', '10.77.0.1']),
  },
  {
    name: 'at the end of the range it begins anew',
    plugins: alone({ ranges: [[{ subnet: V4, rangeEnd: '10.77.0.9' }]] }),
    prepare: reserve('last_reserved_ip.0', '10.77.0.9'),
    result: ips(['10.77.0.2/24', '10.77.0.1']),
  },
  {
    name: 'a last address that is out of the range, or no address',
    plugins: alone({}),
    prepare: reserve('last_reserved_ip.0', 'rubbish'),
    result: ips(['10.77.0.2/24', '10.77.0.1']),
  },
  {
    name: 'addresses that are reserved are passed over, and so is the gateway',
    plugins: alone({ ranges: [[{ subnet: V4, gateway: '10.77.0.3' }]] }),
    async prepare(host) {
      await reserve('10.77.0.1')(host);
      await reserve('10.77.0.2')(host);
    },
    result: ips(['10.77.0.4/24', '10.77.0.3']),
    leaves: [/(?:10\.77\.0\.[12]|\.by-id\/\w+\.[01])$/],
  },
  {
    name: 'routes, dns of resolvConf',
    plugins: host => [
      {
        type: 'host-local',
        ipam: hostLocal(host, {
          routes: [{ dst: '0.0.0.0/0' }, { dst: '192.0.2.0/24', gw: '10.77.0.9' }],
          resolvConf: `${host.folder}/resolv.conf`,
        }),
      },
    ],
    prepare: async host =>
      writeFileSync(
        `${host.folder}/resolv.conf`,
        '# one\nnameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch a.example b.example\noptions ndots:5 timeout:1\ndomain c.example\n',
      ),
    result: {
      routes: [{ dst: '0.0.0.0/0' }, { dst: '192.0.2.0/24', gw: '10.77.0.9' }],
      dns: {
        nameservers: ['192.0.2.53', '2001:db8::53'],
        domain: 'c.example',
        search: ['a.example', 'b.example'],
        options: ['ndots:5', 'timeout:1'],
      },
    },
    leaves: [/resolv\.conf/],
  },
  {
    name: 'an address asked for through runtimeConfig',
    plugins: alone({}, requested),
    runtimeConfig: { ips: ['10.77.0.200/24'] },
    result: ips(['10.77.0.200/24', '10.77.0.1']),
  },
  {
    name: 'addresses of both families, asked for without a length',
    plugins: alone({ ranges: [[{ subnet: V4 }], [{ subnet: V6 }]] }, requested),
    runtimeConfig: { ips: ['fd77::99', '10.77.0.99'] },
    result: ips(['10.77.0.99/24', '10.77.0.1'], ['fd77::99/64', 'fd77::1']),
  },
  {
    name: 'an address asked for through CNI_ARGS',
    plugins: alone({}),
    args: 'IgnoreUnknown=1;IP=10.77.0.77',
    result: ips(['10.77.0.77/24', '10.77.0.1']),
  },
  {
    name: 'an address asked for through args in the configuration',
    plugins: alone({}, { args: { cni: { ips: ['10.77.0.66'] } } }),
    result: ips(['10.77.0.66/24', '10.77.0.1']),
  },
  {
    name: 'ranges of runtimeConfig come first',
    plugins: alone({}, { capabilities: { ipRanges: true } }),
    runtimeConfig: { ipRanges: [[{ subnet: '10.79.0.0/24', rangeStart: '10.79.0.7' }]] },
    result: ips(['10.79.0.7/24', '10.79.0.1'], ['10.77.0.2/24', '10.77.0.1']),
  },
  {
    name: 'a requested address that is taken',
    plugins: alone({}, requested),
    prepare: reserve('10.77.0.200'),
    runtimeConfig: { ips: ['10.77.0.200'] },
    error: { code: 999, msg: /10\.77\.0\.200/ },
    leaves: [/lock$/],
    unless: { 'host-local: an index': { leaves: [/lock$/, /\.by-id\/\w+\.0$/] } },
  },
  {
    name: 'a requested address that is in no range',
    plugins: alone({}, requested),
    runtimeConfig: { ips: ['10.99.0.1'] },
    error: { code: 7, msg: /10\.99\.0\.1/ },
    leaves: [/(?:lock|\/)$/],
    unless: internal(/10\.99\.0\.1/, [/(?:lock|\/|last_reserved_ip\.0)$/]),
  },
  {
    name: 'the gateway, asked for as an address',
    plugins: alone({}, requested),
    runtimeConfig: { ips: ['10.77.0.1'] },
    error: { code: 7, msg: /10\.77\.0\.1\b.*gateway/ },
    leaves: [/(?:lock|\/)$/],
    unless: internal(/gateway/, [/(?:lock|\/)$/]),
  },
  {
    name: 'no address is left',
    plugins: alone({ ranges: [[{ subnet: '10.77.0.0/30' }]] }),
    prepare: reserve('10.77.0.2'),
    error: { code: 999, msg: /no IP addresses available/ },
    leaves: [/lock$/],
    unless: { 'host-local: an index': { leaves: [/lock$/, /\.by-id\/\w+\.0$/] } },
  },
  {
    name: 'no address is left in the second set: that of the first is given back',
    plugins: alone({ ranges: [[{ subnet: V4 }], [{ subnet: '10.78.0.0/30' }]] }),
    prepare: reserve('10.78.0.2'),
    error: { code: 999, msg: /no IP addresses available/ },
    leaves: [/(?:lock|last_reserved_ip\.0)$/],
    unless: { 'host-local: an index': { leaves: [/(?:lock|last_reserved_ip\.0)$/, /\.by-id\/\w+\.0$/] } },
  },
  {
    name: 'a second address for the same interface',
    plugins: alone({}),
    prepare: (host, { name }) => reserve('10.77.0.5', `${name}\r\neth0`)(host),
    error: { code: 999, msg: /10\.77\.0\.5/ },
    leaves: [/lock$/],
    unless: { 'host-local: an index': { leaves: [/lock$/, /\.by-id\/\w+\.0$/] } },
  },
  {
    name: 'a reservation as versions before 0.8 wrote it, of the container’s id alone, is released too',
    plugins: alone({}),
    state: async ({ host, container }) => writeFileSync(`${host.folder}/ipam/net/10.77.0.2`, container.name),
  },
  {
    name: 'names of networks with dots and dashes',
    plugins: alone({}),
    network: 'my_net-1.x',
    state: async ({ host }) => void expect(readdirSync(`${host.folder}/ipam/my_net-1.x`)).toContain('10.77.0.2'),
  },
]);

/** A reservation, or another file of the network, that is there before. */
function reserve(name: string, content = 'somebody\r\neth0') {
  return async (host: Host) => {
    await Bun.write(`${host.folder}/ipam/net/${name}`, content);
  };
}
