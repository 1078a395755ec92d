/** firewall: which connections reach a container, under each ingressPolicy, where the host forwards nothing by itself. */
import { expect } from 'bun:test';
import { type Case, cases, internal, type Made } from './case.ts';
import { bridge, hostLocal, V4, V6 } from './configs.ts';
import type { Host } from './host.ts';
import { add, del } from './network.ts';
import { ask, OUTSIDE, OUTSIDE6, outsideOf, SHUT, serve } from './traffic.ts';
import { addressOf, rulesAbout } from './views.ts';

const chain =
  (firewall: object = {}, subnets = [V4]) =>
  (host: Host) => [bridge(host, { isDefaultGateway: true }, {}, subnets), { type: 'firewall', ...firewall }];
const beyond = ({ host }: Made) => host.containers[1]?.name ?? '';

/** Whether the container is reached from a neighbour on its bridge, from one on another with the same policy, and from outside. */
async function reachedBy(made: Made, expected: { same: boolean; other: boolean; outside: boolean }) {
  const { host, attachment } = made;
  const [main, ...rest] = attachment.network.plugins;
  const { name: sameId, netns: sameNetns } = await host.container();
  const { name: otherId, netns: otherNetns } = await host.container();
  const elsewhere = { ...main, type: 'bridge', bridge: 'br1', ipam: hostLocal(host, {}, ['10.78.0.0/24']) };
  const network = { ...attachment.network, name: 'other', plugins: [elsewhere, ...rest] };
  const neighbours = [
    { ...attachment, containerId: sameId, netns: sameNetns },
    { ...attachment, network, containerId: otherId, netns: otherNetns },
  ];
  const results = [];
  for (const neighbour of neighbours) results.push((await add(neighbour)).json);
  await using _ = await serve(made.container.name);
  const from = async (netns: string, wanted: boolean) =>
    (await ask(netns, 'tcp', '10.77.0.2', undefined, wanted ? undefined : SHUT)) !== undefined;
  expect({
    same: await from(sameId, expected.same),
    other: await from(otherId, expected.other),
    outside: await from(beyond(made), expected.outside),
  }).toEqual(expected);
  for (const [index, neighbour] of neighbours.entries()) await del(neighbour, results[index]);
}

const policy = (name: string, ingressPolicy: string | undefined, reached: Parameters<typeof reachedBy>[1]): Case => ({
  name,
  plugins: chain(ingressPolicy === undefined ? {} : { ingressPolicy }),
  async prepare(host) {
    await outsideOf(host);
    await host.run('sysctl', '-qw', 'net.bridge.bridge-nf-call-iptables=1');
  },
  state: made => reachedBy(made, reached),
  // Of the neighbours, who came later.
  leaves: [/^container /],
});

cases('firewall', [
  {
    name: 'gives on the result, and has rules for the address',
    plugins: chain(),
    result: {
      ips: [{ address: '10.77.0.2/24', gateway: '10.77.0.1' }],
      interfaces: [{ name: 'br0' }, {}, { name: 'eth0' }],
    },
    state: async ({ host, result }) => void expect(await rulesAbout(host.name, addressOf(result))).not.toEqual([]),
  },
  {
    name: 'where the host’s policy is to forward nothing, the container is reached and reaches others',
    plugins: chain({}, [V4, V6]),
    async prepare(host) {
      await outsideOf(host);
      await host.run('iptables', '-P', 'FORWARD', 'DROP');
      await host.run('ip6tables', '-P', 'FORWARD', 'DROP');
    },
    async state(made) {
      await using _ = await serve(beyond(made));
      expect(await ask(made.container.name, 'tcp', OUTSIDE)).toBe('10.77.0.2');
      expect(await ask(made.container.name, 'udp', OUTSIDE)).toBe('10.77.0.2');
      expect(await ask(made.container.name, 'tcp', OUTSIDE6)).toBe('fd77::2');
    },
  },
  policy('without a policy all is open', undefined, { same: true, other: true, outside: true }),
  policy('open', 'open', { same: true, other: true, outside: true }),
  policy('same-bridge: not from other bridges with a policy', 'same-bridge', {
    same: true,
    other: false,
    outside: true,
  }),
  {
    ...policy('isolated: not from the same bridge either', 'isolated', { same: false, other: false, outside: true }),
    unless: { 'firewall: no isolated': { state: undefined, error: { code: 999, msg: /isolated/ }, leaves: [/./] } },
  },
  {
    name: 'a policy that nobody knows',
    plugins: chain({ ingressPolicy: 'closed' }),
    error: { code: 7, msg: /closed/ },
    leaves: [/./],
    unless: internal(/closed/, [/./]),
  },
  {
    name: 'outside of a chain it is refused',
    plugins: () => [{ type: 'firewall' }],
    error: { code: 7, msg: /prevResult/ },
    unless: internal(/prevResult/),
  },
  ...['0.4.0', '1.0.0'].map(cniVersion => ({
    name: `version ${cniVersion}`,
    plugins: chain(),
    cniVersion,
    result: { ips: [{ address: '10.77.0.2/24' }] },
  })),
]);
