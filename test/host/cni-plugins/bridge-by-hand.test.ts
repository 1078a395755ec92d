/** bridge: the commands that its log tells of are what a person can type, and make the same. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import type { JsonObject } from '../../../src/cni/json.ts';
import { ip, nftList, run } from '../netlink/outside.ts';
import { add, addContainer, addresses, check, clear, del, link, network, routes, traces } from './bridged.ts';

const LOG = '/tmp/bridge.log';

beforeEach(() => {
  clear();
  addContainer('a');
  process.env.KUKE_CNI_LOG = LOG;
});
afterEach(() => {
  delete process.env.KUKE_CNI_LOG;
  clear();
});

/** The commands of the log, which starts anew. */
function commands(): string[] {
  const lines = readFileSync(LOG, 'utf8').split('\n').filter(Boolean);
  run('rm', LOG);
  return lines.flatMap(line => {
    const at = line.indexOf(' $ ');
    return at === -1 ? [] : [line.slice(at + 3)];
  });
}

const type = (list: readonly string[]) => {
  for (const command of list) run('bash', '-c', command);
};

function state(port: string) {
  const shown = (name: string, netns?: string) => {
    const { flags, mtu, master, ifalias, group, address, linkinfo } = link(name, netns) ?? {};
    const settings = linkinfo?.info_slave_data;
    const own = name === port ? undefined : address;
    return { flags, mtu, master, ifalias, group, own, hairpin: settings?.hairpin, isolated: settings?.isolated };
  };
  return {
    links: [shown('br0'), shown(port), shown('eth0', 'a')],
    addresses: [addresses('br0'), addresses('eth0', 'a'), ip('-6', 'address', 'show', 'dev', port)],
    routes: [routes('a'), ip('-n', 'a', 'route', 'show', 'table', '100')],
    rules: nftList('ruleset'),
    sysctls: run('sysctl', '-n', 'net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding', 'net.ipv6.conf.br0.accept_ra'),
    inside: run(
      'ip',
      'netns',
      'exec',
      'a',
      'sysctl',
      '-n',
      'net.ipv4.conf.eth0.arp_notify',
      'net.ipv6.conf.eth0.accept_dad',
    ),
  };
}

test.each([
  { isDefaultGateway: true, ipMasq: true, macspoofchk: true, hairpinMode: true, portIsolation: true, mtu: 1400 },
  { isGateway: true, promiscMode: true, runtimeConfig: { mac: '0a:58:0a:4d:00:02' } },
] as JsonObject[])('%j', async keys => {
  const ipam = {
    type: 'static',
    addresses: [{ address: '10.77.0.9/24' }, { address: 'fd77::9/64' }],
    routes: [{ dst: '10.1.0.0/16', mtu: 1300, advmss: 1200, priority: 50, table: 100 }, { dst: 'fd01::/64' }],
  };
  const config = network({ ...keys, ipam });
  const result = await add(config, { id: 'a' });
  const port = result.interfaces[1]?.name ?? '';
  const made = state(port);
  const added = commands();
  clear();
  addContainer('a');
  type(added);
  expect(state(port)).toEqual(made);

  // What is made by hand is the plugin's to check, but for the MAC of the host's end, and to take away.
  const [bridge, , container] = result.interfaces;
  const mac = link(port)?.address;
  await check(
    config,
    { id: 'a' },
    { ...result, interfaces: [bridge, { name: port, mac }, container].filter(one => !!one) },
  );
  await del(config, { id: 'a' });
  const deleted = commands();
  const left = traces();
  clear();
  addContainer('a');
  type(added);
  type(deleted);
  expect(traces()).toEqual(left);
});

test('a port is in the group that somebody has put its bridge into', async () => {
  const ipam = { type: 'static', addresses: [{ address: '10.77.0.9/24' }] };
  run(...'ip link add name br0 group 268435457 type bridge'.split(' '));
  const { interfaces } = await add(network({ ipam }), { id: 'a' });
  const groups = () => ['br0', interfaces[1]?.name ?? ''].map(name => link(name)?.group);
  expect(groups()).toEqual(['268435457', '268435457']);
  const added = commands();
  clear();
  addContainer('a');
  run(...'ip link add name br0 group 268435457 type bridge'.split(' '));
  type(added);
  expect(groups()).toEqual(['268435457', '268435457']);
});
