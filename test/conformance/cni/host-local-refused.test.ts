/** host-local: configurations that make no sense are refused before anything is written. */
import { type Case, cases, internal } from './case.ts';
import { V4, V6 } from './configs.ts';
import type { Host } from './host.ts';

const refused = (name: string, ipam: unknown, msg: RegExp, reference = msg): Case => ({
  name,
  plugins: (host: Host) => [
    { type: 'host-local', ipam: { type: 'host-local', dataDir: `${host.folder}/ipam`, ...(ipam as object) } },
  ],
  error: { code: 7, msg },
  unless: internal(reference, [/^file ipam\//]),
});
const range = (more: object) => ({ ranges: [[{ subnet: V4, ...more }]] });

cases('host-local refuses', [
  refused('no ranges', {}, /ranges/),
  refused('empty ranges', { ranges: [] }, /ranges/),
  refused('an empty set of ranges', { ranges: [[]] }, /range/),
  refused('ranges that are no list', { ranges: 'all' }, /ranges/),
  refused('a set that is no list', { ranges: [{ subnet: V4 }] }, /ranges/),
  refused('a range without a subnet', { ranges: [[{}]] }, /subnet/, /./),
  refused('a subnet that is none', { ranges: [[{ subnet: '10.77.0.0' }]] }, /10\.77\.0\.0/, /invalid CIDR/),
  refused('a subnet with bits of a host', { ranges: [[{ subnet: '10.77.0.5/24' }]] }, /10\.77\.0\.0/),
  refused('a subnet of one address', { ranges: [[{ subnet: '10.77.0.1/32' }]] }, /10\.77\.0\.1\/32/),
  refused('a subnet of two addresses', { ranges: [[{ subnet: '10.77.0.0/31' }]] }, /10\.77\.0\.0\/31/),
  refused('rangeStart out of the subnet', range({ rangeStart: '10.78.0.1' }), /10\.78\.0\.1/),
  refused('rangeEnd out of the subnet', range({ rangeEnd: '10.78.0.1' }), /10\.78\.0\.1/),
  refused('rangeEnd before rangeStart', range({ rangeStart: '10.77.0.9', rangeEnd: '10.77.0.8' }), /10\.77\.0\.[89]/),
  refused('rangeStart of another family', range({ rangeStart: 'fd77::5' }), /fd77::5/),
  refused('rangeStart that is no address', range({ rangeStart: 'first' }), /rangeStart/, /first/),
  refused('a gateway that is no address', range({ gateway: 'none' }), /gateway/, /none/),
  refused('two families in one set', { ranges: [[{ subnet: V4 }, { subnet: V6 }]] }, /famil/),
  refused(
    'ranges of one set that overlap',
    {
      ranges: [
        [
          { subnet: V4, rangeEnd: '10.77.0.20' },
          { subnet: V4, rangeStart: '10.77.0.20' },
        ],
      ],
    },
    /overlap/,
  ),
  refused('sets that overlap', { ranges: [[{ subnet: V4 }], [{ subnet: '10.77.0.0/16' }]] }, /overlap/),
  refused('a subnet and ranges that overlap', { subnet: V4, ...range({}) }, /overlap/),
  refused('routes that are none', { ...range({}), routes: [{ dst: 'everywhere' }] }, /everywhere|dst/),
  {
    ...refused('routes without a destination', { ...range({}), routes: [{ gw: '10.77.0.1' }] }, /dst/),
    unless: {
      'routes without a destination': { error: undefined, result: { routes: [{ dst: '<nil>', gw: '10.77.0.1' }] } },
    },
  },
  refused(
    'a resolvConf that is not there',
    { ...range({}), resolvConf: '/nowhere/resolv.conf' },
    /\/nowhere\/resolv\.conf/,
  ),
  refused('a dataDir of the wrong type', { ...range({}), dataDir: 5 }, /dataDir/),
  {
    name: 'no ipam at all',
    plugins: () => [{ type: 'host-local' }],
    error: { code: 7, msg: /ipam/ },
    unless: internal(/ipam/),
  },
  {
    name: 'a requested address that is none',
    plugins: host => [
      {
        type: 'host-local',
        capabilities: { ips: true },
        ipam: { type: 'host-local', dataDir: `${host.folder}/ipam`, ...range({}) },
      },
    ],
    runtimeConfig: { ips: ['first'] },
    error: { code: 7, msg: /first/ },
    unless: internal(/first/),
  },
]);
