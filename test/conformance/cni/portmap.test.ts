/** portmap: ports of the host that lead to a container, tried with real traffic from everywhere. */
import { expect } from 'bun:test';
import { type Case, cases, internal, type Made } from './case.ts';
import { bridge, V4, V6 } from './configs.ts';
import type { Host } from './host.ts';
import { ask, OUTSIDE, OUTSIDE6, outsideOf, PORT, SHUT, serve, UPLINK, UPLINK6 } from './traffic.ts';
import { rulesAbout, setSysctl } from './views.ts';

const HOST_PORT = 8080;
const tcp = { hostPort: HOST_PORT, containerPort: PORT, protocol: 'tcp' };
const udp = { hostPort: HOST_PORT, containerPort: PORT, protocol: 'udp' };
const published = (...portMappings: object[]) => ({ runtimeConfig: { portMappings } });
const chain =
  (portmap: object = {}, subnets = [V4], more: object = {}) =>
  (host: Host) => [
    bridge(host, { isDefaultGateway: true, ...more }, {}, subnets),
    { type: 'portmap', capabilities: { portMappings: true }, ...portmap },
  ];
const CHECK_FAILS: Case['unless'] & object = { 'portmap: CHECK fails': { check: 999 } };
const beyond = ({ host }: Made) => host.containers[1]?.name ?? '';

/** Who asks the published port, as the container sees them. */
async function seenFrom(from: string, to: string, port = HOST_PORT, seconds?: number) {
  return [await ask(from, 'tcp', to, port, seconds), await ask(from, 'udp', to, port, seconds)];
}

cases('portmap', [
  {
    name: 'tcp and udp, from outside: the container sees who asks',
    plugins: chain(),
    prepare: outsideOf,
    ...published(tcp, udp),
    async state(made) {
      expect(await rulesAbout(made.host.name, `${HOST_PORT}`)).not.toEqual([]);
      await using _ = await serve(made.container.name);
      expect(await seenFrom(beyond(made), UPLINK)).toEqual([OUTSIDE, OUTSIDE]);
    },
    unless: CHECK_FAILS,
  },
  {
    name: 'only the protocol that is named',
    plugins: chain(),
    prepare: outsideOf,
    ...published(tcp),
    async state(made) {
      await using _ = await serve(made.container.name);
      expect(await ask(beyond(made), 'tcp', UPLINK, HOST_PORT)).toBe(OUTSIDE);
      expect(await ask(beyond(made), 'udp', UPLINK, HOST_PORT, SHUT)).toBeUndefined();
    },
    unless: CHECK_FAILS,
  },
  {
    name: 'from the host itself, by 127.0.0.1 and by its own address',
    plugins: chain(),
    prepare: outsideOf,
    ...published(tcp, udp),
    async state(made) {
      await using _ = await serve(made.container.name);
      expect(await seenFrom(made.host.name, '127.0.0.1')).toEqual(['10.77.0.1', '10.77.0.1']);
      expect((await seenFrom(made.host.name, UPLINK)).every(Boolean)).toBe(true);
    },
    unless: CHECK_FAILS,
  },
  ...[0, 1].map(called => ({
    name: `hairpin: from the container itself by the host’s address, with bridge-nf-call-iptables=${called}`,
    plugins: chain({}, [V4], { hairpinMode: true }),
    async prepare(host: Host) {
      await outsideOf(host);
      await setSysctl(host.name, 'net.bridge.bridge-nf-call-iptables', called);
    },
    ...published(tcp, udp),
    async state(made: Made) {
      await using _ = await serve(made.container.name);
      expect(await seenFrom(made.container.name, UPLINK)).toEqual(['10.77.0.1', '10.77.0.1']);
    },
    unless: CHECK_FAILS,
  })),
  {
    name: 'hostIP: by that address alone',
    plugins: chain(),
    prepare: outsideOf,
    ...published({ ...tcp, hostIP: UPLINK }, { ...udp, hostIP: '198.51.100.7' }),
    async state(made) {
      await using _ = await serve(made.container.name);
      expect(await ask(beyond(made), 'tcp', UPLINK, HOST_PORT)).toBe(OUTSIDE);
      expect(await ask(beyond(made), 'udp', UPLINK, HOST_PORT, SHUT)).toBeUndefined();
      expect(await ask(made.host.name, 'tcp', '127.0.0.1', HOST_PORT, SHUT)).toBeUndefined();
    },
    unless: CHECK_FAILS,
  },
  {
    name: 'hostIP 127.0.0.1: from the host alone',
    plugins: chain(),
    prepare: outsideOf,
    ...published({ ...tcp, hostIP: '127.0.0.1' }),
    async state(made) {
      await using _ = await serve(made.container.name);
      expect(await ask(made.host.name, 'tcp', '127.0.0.1', HOST_PORT)).toBe('10.77.0.1');
      expect(await ask(beyond(made), 'tcp', UPLINK, HOST_PORT, SHUT)).toBeUndefined();
    },
    unless: CHECK_FAILS,
  },
  {
    name: 'IPv6',
    plugins: chain({}, [V6]),
    prepare: outsideOf,
    ...published(tcp, udp),
    async state(made) {
      await using _ = await serve(made.container.name);
      expect(await seenFrom(beyond(made), UPLINK6)).toEqual([OUTSIDE6, OUTSIDE6]);
    },
    unless: CHECK_FAILS,
  },
  {
    name: 'both families, hostIP of one',
    plugins: chain({}, [V4, V6]),
    prepare: outsideOf,
    ...published(tcp, { ...udp, hostIP: UPLINK6 }),
    async state(made) {
      await using _ = await serve(made.container.name);
      const from = beyond(made);
      expect(await ask(from, 'tcp', UPLINK, HOST_PORT)).toBe(OUTSIDE);
      expect(await ask(from, 'tcp', UPLINK6, HOST_PORT)).toBe(OUTSIDE6);
      expect(await ask(from, 'udp', UPLINK6, HOST_PORT)).toBe(OUTSIDE6);
      expect(await ask(from, 'udp', UPLINK, HOST_PORT, SHUT)).toBeUndefined();
    },
    unless: CHECK_FAILS,
  },
  {
    name: 'snat: false: nothing is masqueraded, 127.0.0.1 leads nowhere',
    plugins: chain({ snat: false }),
    prepare: outsideOf,
    ...published(tcp),
    async state(made) {
      await using _ = await serve(made.container.name);
      expect(await ask(beyond(made), 'tcp', UPLINK, HOST_PORT)).toBe(OUTSIDE);
      expect(await ask(made.host.name, 'tcp', '127.0.0.1', HOST_PORT, SHUT)).toBeUndefined();
    },
    unless: CHECK_FAILS,
  },
  {
    name: 'several ports to one',
    plugins: chain(),
    prepare: outsideOf,
    ...published(tcp, { ...tcp, hostPort: 8081 }, { ...tcp, hostPort: 8082 }),
    async state(made) {
      await using _ = await serve(made.container.name);
      for (const port of [8080, 8081, 8082]) expect(await ask(beyond(made), 'tcp', UPLINK, port)).toBe(OUTSIDE);
    },
    unless: CHECK_FAILS,
  },
  {
    name: 'no ports: the result is given on, and no rule is made',
    plugins: chain(),
    result: { ips: [{ address: '10.77.0.2/24' }] },
    state: async ({ host }) => void expect(await rulesAbout(host.name, '10.77.0.2')).toEqual([]),
  },
  ...[
    ['a host port over 65535', { ...tcp, hostPort: 70000 }, /70000|host ?port/i],
    ['a host port of 0', { ...tcp, hostPort: 0 }, /host ?port/i],
    ['a negative container port', { ...tcp, containerPort: -1 }, /container ?port/i],
    ['no protocol', { hostPort: HOST_PORT, containerPort: PORT }, /protocol/],
    ['a protocol that is none', { ...tcp, protocol: 'carrier' }, /carrier|protocol/],
    ['a port that is text', { ...tcp, hostPort: 'http' }, /hostPort/i],
  ].map(([what, mapping, msg]) => ({
    name: `refuses ${what}`,
    plugins: chain(),
    ...published(mapping as object),
    error: { code: 7, msg: msg as RegExp },
    // The bridge has done its ADD; a runtime would undo it.
    leaves: [/./],
    unless: internal(/./, [/./]),
  })),
  {
    name: 'refuses a hostIP that is none',
    plugins: chain(),
    ...published({ ...tcp, hostIP: 'here' }),
    error: { code: 7, msg: /here/ },
    leaves: [/./],
    unless: { 'portmap: hostIP unchecked': { error: undefined }, ...CHECK_FAILS },
  },
  {
    name: 'outside of a chain it is refused',
    plugins: () => [{ type: 'portmap', capabilities: { portMappings: true } }],
    ...published(tcp),
    error: { code: 7, msg: /prevResult|chained/ },
    unless: internal(/chained/),
  },
]);
