/** KUKE_CNI_LOG: a person who types what it says gets what the plugins have made. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import '../box.ts';
import { answer } from '../../../src/cni/plugins/answer.ts';
import { json, output } from '../observe/command.ts';
import { links } from '../observe/network.ts';
import { filesBelow } from '../observe/system.ts';

const LOG = '/run/cni.log';
const NETNS = '/run/netns/c1';

const bridge = {
  type: 'bridge',
  bridge: 'lab0',
  isGateway: true,
  ipMasq: true,
  mtu: 1400,
  hairpinMode: true,
  macspoofchk: true,
  ipam: {
    type: 'host-local',
    ranges: [[{ subnet: '10.77.0.0/24' }], [{ subnet: 'fd00:77::/64' }]],
    routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
  },
};
const chain = [
  bridge,
  { type: 'portmap', runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] } },
  { type: 'firewall' },
];

beforeEach(async () => {
  process.env.KUKE_CNI_LOG = LOG;
  await freshHost();
  rmSync(LOG, { force: true });
});
afterEach(() => {
  delete process.env.KUKE_CNI_LOG;
});

const FORWARDING = ['/proc/sys/net/ipv4/ip_forward', '/proc/sys/net/ipv6/conf/all/forwarding'];

/** As before the first ADD. */
async function freshHost(): Promise<void> {
  // Not only by their namespace, with which the kernel takes its time.
  for (const { ifname } of await links())
    if (/^(?:veth|lab)/.test(ifname)) await output('ip', 'link', 'delete', ifname);
  if (existsSync(NETNS)) await output('ip', 'netns', 'delete', 'c1');
  await output('nft', 'flush', 'ruleset');
  rmSync('/var/lib/cni', { recursive: true, force: true });
  for (const path of FORWARDING) writeFileSync(path, '0');
  await output('ip', 'netns', 'add', 'c1');
}

async function verb(CNI_COMMAND: string, types: { type: string }[]): Promise<void> {
  let prevResult: unknown;
  for (const plugin of types) {
    const env = { CNI_COMMAND, CNI_CONTAINERID: 'c1', CNI_NETNS: NETNS, CNI_IFNAME: 'eth0', CNI_PATH: '/opt/cni/bin' };
    const stdin = JSON.stringify({ cniVersion: '1.0.0', name: 'lab', ...plugin, prevResult });
    const { status, text } = await answer({ env, called: plugin.type, stdin });
    expect({ status, text }).toEqual({ status: 0, text: expect.any(String) });
    if (text !== '') prevResult = JSON.parse(text);
  }
}

interface Seen {
  [key: string]: unknown;
}

/** What the kernel counts, numbers, or makes up by chance: MACs, and the bridge's id, which is one. */
const PASSING =
  /^(?:operstate|ifindex|link_index|link_netnsid|stats64|address|handle|bridge_id|root_id|designated_\w+|metainfo|packets|bytes|\w+_timer)$/;

function steady(list: Seen[]): unknown {
  const text = JSON.stringify(list, (key, value: unknown) => {
    if (PASSING.test(key)) return undefined;
    return key === 'flags' && Array.isArray(value) ? value.filter(flag => flag === 'UP') : value;
  });
  return JSON.parse(text);
}

async function state(): Promise<unknown> {
  const both = async (...command: string[]) => [
    steady(await json<Seen[]>('ip', '-j', '-d', ...command)),
    steady(await json<Seen[]>('ip', '-n', 'c1', '-j', '-d', ...command)),
  ];
  const ruleset = await json<{ nftables: Seen[] }>('nft', '-j', 'list', 'ruleset');
  return {
    forwarding: FORWARDING.map(path => readFileSync(path, 'utf8')),
    links: await both('link'),
    addresses: await both('addr', 'show', 'scope', 'global'),
    routes: await both('route'),
    routes6: await both('-6', 'route'),
    rules: (steady(ruleset.nftables) as unknown[]).map(one => JSON.stringify(one)).sort(),
    files: filesBelow('/var/lib/cni')
      .filter(path => !path.endsWith('/'))
      .map(path => [path, readFileSync(path, 'utf8')]),
  };
}

/** Types into one shell, as a person would, what stands behind the `$` of each line; of what failed there is nothing to see. */
async function type(): Promise<number> {
  const done = readFileSync(LOG, 'utf8')
    .split('\n')
    .filter(line => line.includes(' result=ok $ '));
  await output('bash', '-ec', done.map(line => line.slice(line.indexOf(' $ ') + 3)).join('\n'));
  return done.length;
}

test.each([
  ['bridge', [bridge]],
  ['a chain of bridge, portmap and firewall', chain],
])('%s: what the log of an ADD says, typed on a fresh host, gives the same', async (_, types) => {
  await verb('ADD', types);
  const made = await state();
  await freshHost();
  expect(await type()).toBeGreaterThan(types.length);
  expect(await state()).toEqual(made);
});

test('what the log of a DEL says, typed, takes away what ADD has made', async () => {
  await verb('ADD', chain);
  rmSync(LOG);
  await verb('DEL', chain.toReversed());
  const gone = await state();
  renameSync(LOG, `${LOG}.del`);
  await freshHost();
  await verb('ADD', chain);
  renameSync(`${LOG}.del`, LOG);
  await type();
  expect(await state()).toEqual(gone);
});

test('it is readable by root alone, and a line a step', async () => {
  await verb('ADD', [bridge]);
  expect(statSync(LOG).mode & 0o777).toBe(0o600);
  const lines = readFileSync(LOG, 'utf8').trimEnd().split('\n');
  for (const line of lines)
    expect(line).toMatch(/^\d{4}-\S+Z ADD \S+ network=lab container=c1 ifname=eth0 netns=\S+ took=\S+ms result=\S/);
});
