/** Chains of bridge, portmap and firewall, as podman and CRI runtimes use them, in each version, and what becomes of prevResult. */
import { expect } from 'bun:test';
import { output } from '../../host/observe/command.ts';
import { type Case, cases, expectMatch, type Made } from './case.ts';
import { bridge, V4, V6 } from './configs.ts';
import type { Host } from './host.ts';
import { ask, OUTSIDE, OUTSIDE6, outsideOf, PORT, SHUT, serve, UPLINK, UPLINK6 } from './traffic.ts';
import { rulesAbout } from './views.ts';

const portMappings = [{ hostPort: 8080, containerPort: PORT, protocol: 'tcp' }];
const beyond = ({ host }: Made) => host.containers[1]?.name ?? '';
const CHECK_FAILS: Case['unless'] & object = { 'portmap: CHECK fails': { check: 999 } };
const NO_1_1: Case['unless'] & object = { 'no 1.1.0': { error: { code: 1, msg: /incompatible/ }, state: undefined } };

const full = (subnets: string[]) => (host: Host) => [
  bridge(host, { isDefaultGateway: true, ipMasq: true, hairpinMode: true }, {}, subnets),
  { type: 'portmap', capabilities: { portMappings: true } },
  { type: 'firewall' },
];

/** What the outside sees of the container, which is the host's address, and what the container sees that is asked by the published port. */
async function outAndIn(made: Made, outside: string, uplink: string, seconds?: number) {
  const { container } = made;
  await using _ = await serve(beyond(made));
  await using __ = await serve(container.name);
  return [await ask(container.name, 'tcp', outside), await ask(beyond(made), 'tcp', uplink, 8080, seconds)];
}

async function closedHost(host: Host) {
  await outsideOf(host);
  for (const command of ['iptables', 'ip6tables']) await host.run(command, '-P', 'FORWARD', 'DROP');
}

cases('bridge, portmap and firewall', [
  {
    name: 'out and in, IPv4',
    plugins: full([V4]),
    runtimeConfig: { portMappings },
    prepare: outsideOf,
    state: async made => void expect(await outAndIn(made, OUTSIDE, UPLINK)).toEqual([UPLINK, OUTSIDE]),
    unless: CHECK_FAILS,
  },
  {
    name: 'out and in where the host forwards nothing by itself',
    plugins: full([V4]),
    runtimeConfig: { portMappings },
    prepare: closedHost,
    state: async made => void expect(await outAndIn(made, OUTSIDE, UPLINK)).toEqual([UPLINK, OUTSIDE]),
    unless: {
      'firewall: no way in': {
        state: async made => void expect(await outAndIn(made, OUTSIDE, UPLINK, SHUT)).toEqual([UPLINK, undefined]),
      },
      ...CHECK_FAILS,
    },
  },
  {
    name: 'out and in, both families',
    plugins: full([V4, V6]),
    runtimeConfig: { portMappings },
    prepare: outsideOf,
    async state(made) {
      expect(await outAndIn(made, OUTSIDE, UPLINK)).toEqual([UPLINK, OUTSIDE]);
      expect(await outAndIn(made, OUTSIDE6, UPLINK6)).toEqual([UPLINK6, OUTSIDE6]);
    },
    unless: CHECK_FAILS,
  },
  ...['0.4.0', '1.0.0', '1.1.0'].map(
    (cniVersion): Case => ({
      name: `version ${cniVersion}`,
      plugins: full([V4]),
      cniVersion,
      runtimeConfig: { portMappings },
      result: (_, { netns }) => ({
        interfaces: [{ name: 'br0' }, {}, { name: 'eth0', sandbox: netns }],
        ips: [{ address: '10.77.0.2/24', interface: 2, ...(cniVersion < '1' && { version: '4' }) }],
      }),
      state: async ({ host }) => void expect(await rulesAbout(host.name, '8080')).not.toEqual([]),
      unless: { ...CHECK_FAILS, ...(cniVersion === '1.1.0' && NO_1_1) },
    }),
  ),
  {
    name: 'version 0.3.1, without firewall, which came later',
    plugins: host => full([V4])(host).slice(0, 2),
    cniVersion: '0.3.1',
    runtimeConfig: { portMappings },
    result: { ips: [{ version: '4', address: '10.77.0.2/24', gateway: '10.77.0.1', interface: 2 }] },
    state: async ({ host }) => void expect(await rulesAbout(host.name, '8080')).not.toEqual([]),
  },
  {
    name: 'what an earlier plugin told beside is given on',
    plugins: () => [{ type: 'portmap', capabilities: { portMappings: true } }, { type: 'firewall' }],
    prevResult: ({ netns }) => ({
      cniVersion: '1.0.0',
      interfaces: [{ name: 'br0' }, { name: 'veth1' }, { name: 'eth0', mac: '0e:11:22:33:44:55', sandbox: netns }],
      ips: [
        { address: '10.77.0.9/24', gateway: '10.77.0.1', interface: 2 },
        { address: '10.78.0.9/24', interface: 2 },
      ],
      routes: [{ dst: '192.0.2.0/24', gw: '10.77.0.1' }],
      dns: { nameservers: ['192.0.2.53'], search: ['a.example'] },
    }),
    state: async ({ result, container }) =>
      expectMatch(result, {
        interfaces: [{ name: 'br0' }, { name: 'veth1' }, { mac: '0e:11:22:33:44:55', sandbox: container.netns }],
        ips: [{ address: '10.77.0.9/24', gateway: '10.77.0.1', interface: 2 }, { address: '10.78.0.9/24' }],
        routes: [{ dst: '192.0.2.0/24', gw: '10.77.0.1' }],
        dns: { nameservers: ['192.0.2.53'], search: ['a.example'] },
      }),
  },
  {
    name: 'portmap leads to the address in the container, not to one of another interface',
    plugins: () => [{ type: 'portmap', capabilities: { portMappings: true } }],
    runtimeConfig: { portMappings },
    prepare: host => host.ip('link', 'add', 'br0', 'type', 'bridge'),
    prevResult: ({ netns }) => ({
      cniVersion: '1.0.0',
      interfaces: [{ name: 'br0' }, { name: 'eth0', sandbox: netns }],
      ips: [
        { address: '10.77.0.1/24', interface: 0 },
        { address: '10.77.0.9/24', interface: 1 },
      ],
    }),
    async state({ host }) {
      expect(await rulesAbout(host.name, '10.77.0.9')).not.toEqual([]);
      expect(await rulesAbout(host.name, '10.77.0.1')).toEqual([]);
    },
    unless: CHECK_FAILS,
  },
  {
    name: 'portmap behind a plugin that makes no bridge',
    plugins: () => [{ type: 'portmap', capabilities: { portMappings: true } }],
    runtimeConfig: { portMappings },
    async prepare(host, { name }) {
      await outsideOf(host);
      await host.ip('link', 'add', 'veth-p', 'up', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
      await host.ip('addr', 'add', '10.77.0.1/24', 'dev', 'veth-p');
      await host.run('sysctl', '-qw', 'net.ipv4.ip_forward=1');
      await output('ip', '-n', name, 'link', 'set', 'eth0', 'up');
      await output('ip', '-n', name, 'addr', 'add', '10.77.0.9/24', 'dev', 'eth0');
      await output('ip', '-n', name, 'route', 'add', 'default', 'via', '10.77.0.1');
    },
    prevResult: ({ netns }) => ({
      cniVersion: '1.0.0',
      interfaces: [{ name: 'veth-p' }, { name: 'eth0', sandbox: netns }],
      ips: [{ address: '10.77.0.9/24', gateway: '10.77.0.1', interface: 1 }],
    }),
    async state(made) {
      await using _ = await serve(made.container.name);
      expect(await ask(beyond(made), 'tcp', UPLINK, 8080)).toBe(OUTSIDE);
      expect(await ask(made.host.name, 'tcp', '127.0.0.1', 8080)).toBe('10.77.0.1');
    },
    unless: CHECK_FAILS,
  },
]);
