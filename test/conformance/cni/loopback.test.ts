/** loopback: brings lo up, and down. */
import { expect } from 'bun:test';
import { output } from '../../host/observe/command.ts';
import { type Case, cases, internal, type Made } from './case.ts';
import { addressesOf, link } from './views.ts';

const plugins = () => [{ type: 'loopback' }];
const isUp = async ({ container }: Made) => {
  expect((await link(container.name, 'lo')).flags).toContain('UP');
  expect(await addressesOf(container.name, 'lo')).toEqual(['127.0.0.1/8', '::1/128']);
};
const prevResult = {
  cniVersion: '1.0.0',
  interfaces: [{ name: 'eth0', sandbox: '/run/netns/other' }],
  ips: [{ interface: 0, address: '10.77.0.2/24' }],
};

/** Results before 1.0.0 name the family of each address. */
const older = (cniVersion: string): Case => ({
  name: cniVersion,
  plugins,
  cniVersion,
  result: { ips: [{ version: '4' }, { version: '6' }] },
  state: isUp,
  unless: {
    'loopback: no families': { result: { ips: [{ address: '127.0.0.1/8' }, { address: '::1/128' }] }, state: isUp },
  },
});

cases('loopback', [
  {
    name: 'lo comes up, with its addresses, and is told',
    plugins,
    ifName: 'lo',
    result: (_, { netns }) => ({
      interfaces: [{ name: 'lo', mac: '00:00:00:00:00:00', sandbox: netns }],
      ips: [
        { address: '127.0.0.1/8', interface: 0 },
        { address: '::1/128', interface: 0 },
      ],
    }),
    state: isUp,
  },
  {
    name: 'whatever the name of the interface',
    plugins,
    ifName: 'eth0',
    result: { interfaces: [{ name: 'lo' }] },
    state: isUp,
  },
  { name: 'in a chain it gives on what was there before', plugins, prevResult, result: prevResult, state: isUp },
  older('0.3.1'),
  older('0.4.0'),
  {
    name: '1.1.0',
    plugins,
    cniVersion: '1.1.0',
    result: { interfaces: [{ name: 'lo' }] },
    state: isUp,
    unless: { 'no 1.1.0': { error: { code: 1, msg: /incompatible CNI versions/ } } },
  },
  {
    name: 'lo with an address of the network is refused',
    plugins,
    prepare: (_, { name }) => output('ip', '-n', name, 'addr', 'add', '10.77.0.2/24', 'dev', 'lo'),
    error: 999,
    unless: internal(/10\.77\.0\.2/, [/^container (?:link lo|route .*)/]),
  },
]);
