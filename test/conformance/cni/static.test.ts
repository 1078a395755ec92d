/** static: addresses, routes and dns as they stand in the configuration, or as they are asked for. */
import { type Case, cases, internal } from './case.ts';

const alone =
  (ipam: object, more: object = {}) =>
  () => [{ type: 'static', ipam: { type: 'static', ...ipam }, ...more }];
const A = { address: '10.77.0.5/24', gateway: '10.77.0.1' };
const B = { address: 'fd77::5/64', gateway: 'fd77::1' };
const refused = (name: string, ipam: object, msg: RegExp, reference = msg): Case => ({
  name,
  plugins: alone(ipam),
  error: { code: 7, msg },
  unless: internal(reference),
});

cases('static', [
  {
    name: 'addresses of both families, with and without a gateway',
    plugins: alone({ addresses: [A, B, { address: '10.78.0.9/16' }] }),
    result: { ips: [A, B, { address: '10.78.0.9/16' }] },
  },
  {
    name: 'routes and dns',
    plugins: alone({
      addresses: [A],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '192.0.2.0/24', gw: '10.77.0.9' }],
      dns: { nameservers: ['192.0.2.53'], domain: 'a.example', search: ['b.example'], options: ['ndots:5'] },
    }),
    result: {
      ips: [A],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '192.0.2.0/24', gw: '10.77.0.9' }],
      dns: { nameservers: ['192.0.2.53'], domain: 'a.example', search: ['b.example'], options: ['ndots:5'] },
    },
  },
  {
    name: 'runtimeConfig goes before the configuration',
    plugins: alone({ addresses: [A] }, { capabilities: { ips: true } }),
    runtimeConfig: { ips: ['10.77.0.7/24', 'fd77::7/64'] },
    result: { ips: [{ address: '10.77.0.7/24' }, { address: 'fd77::7/64' }] },
  },
  {
    name: 'args go before the configuration',
    plugins: alone({ addresses: [A] }, { args: { cni: { ips: ['10.77.0.6/24'] } } }),
    result: { ips: [{ address: '10.77.0.6/24' }] },
  },
  {
    name: 'addresses and a gateway through CNI_ARGS are added',
    plugins: alone({ addresses: [B] }),
    args: 'IgnoreUnknown=1;IP=10.77.0.8/24,10.78.0.8/24;GATEWAY=10.77.0.1',
    result: {
      ips: [B, { address: '10.77.0.8/24', gateway: '10.77.0.1' }, { address: '10.78.0.8/24' }],
    },
  },
  {
    name: 'of a bridge',
    plugins: () => [
      { type: 'bridge', bridge: 'br0', isDefaultGateway: true, ipam: { type: 'static', addresses: [A] } },
    ],
    result: { ips: [{ ...A, interface: 2 }], routes: [{ dst: '0.0.0.0/0', gw: '10.77.0.1' }] },
  },
  refused('an address without a length', { addresses: [{ address: '10.77.0.5' }] }, /10\.77\.0\.5/),
  refused('an address that is none', { addresses: [{ address: 'first' }] }, /first/),
  refused('a gateway that is none', { addresses: [{ address: '10.77.0.5/24', gateway: 'none' }] }, /none|gateway/),
  refused('addresses that are no list', { addresses: 'all' }, /addresses/),
  {
    name: 'no ipam at all',
    plugins: () => [{ type: 'static' }],
    error: { code: 7, msg: /ipam/ },
    unless: internal(/ipam/),
  },
]);
