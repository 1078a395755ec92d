/** firewall: which connections reach a container, under each ingressPolicy, where the host forwards nothing by itself. */
import { expect } from 'bun:test';
import { type Case, cases, internal, type Made } from './case.ts';
import { bridge, hostLocal, V4, V6 } from './configs.ts';
import type { Host } from './host.ts';
import { add, del, type Plugin } from './network.ts';
import { ask, OUTSIDE, OUTSIDE6, outsideOf, PORT, SHUT, serve, UPLINK, UPLINK6 } from './traffic.ts';
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

/** Whether the container reaches others, and is reached from outside by its published port; by its address it never is. */
async function passes(made: Made, expected: { out: boolean; published: boolean }) {
  const { container } = made;
  await using _ = await serve(beyond(made));
  await using __ = await serve(container.name);
  const seconds = (wanted: boolean) => (wanted ? undefined : SHUT);
  const [out, published] = [seconds(expected.out), seconds(expected.published)];
  const answers = (from: string, port: number, wanted: number | undefined, ...to: string[]) =>
    to.flatMap(address => (['tcp', 'udp'] as const).map(protocol => ask(from, protocol, address, port, wanted)));
  expect({
    out: await Promise.all(answers(container.name, PORT, out, OUTSIDE, OUTSIDE6)),
    published: await Promise.all(answers(beyond(made), 8080, published, UPLINK, UPLINK6)),
    unasked: await Promise.all(answers(beyond(made), PORT, SHUT, '10.77.0.2', 'fd77::2')),
  }).toEqual({
    out: ['10.77.0.2', '10.77.0.2', 'fd77::2', 'fd77::2'].map(from => (expected.out ? from : undefined)),
    published: [OUTSIDE, OUTSIDE, OUTSIDE6, OUTSIDE6].map(from => (expected.published ? from : undefined)),
    unasked: [undefined, undefined, undefined, undefined],
  });
}

/** A host whose FORWARD drops. */
const closed = (iptables: '' | '-legacy', where: string): Case => ({
  name: `${where}, the container reaches others, and is reached by its published port alone`,
  plugins: host => {
    const [first, ...rest] = chain({}, [V4, V6])(host) as [Plugin, ...Plugin[]];
    return [first, { type: 'portmap', capabilities: { portMappings: true } }, ...rest];
  },
  runtimeConfig: {
    portMappings: ['tcp', 'udp'].map(protocol => ({ hostPort: 8080, containerPort: PORT, protocol })),
  },
  async prepare(host) {
    await outsideOf(host);
    for (const program of ['iptables', 'ip6tables']) await host.run(`${program}${iptables}`, '-P', 'FORWARD', 'DROP');
  },
  state: made => passes(made, { out: true, published: true }),
});

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
    ...closed('', 'where the host’s policy is to forward nothing'),
    unless: {
      'firewall: no way in': { state: made => passes(made, { out: true, published: false }) },
      'portmap: CHECK fails': { check: 999 },
    },
  },
  {
    ...closed('-legacy', 'the same in iptables-legacy'),
    unless: {
      'firewall: not past iptables-legacy': { state: made => passes(made, { out: false, published: false }) },
      'portmap: CHECK fails': { check: 999 },
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
