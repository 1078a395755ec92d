/** What tests ask of the kernel, in a line each: `ip -j`, `nft -j`, sysctl(8). */
import { output } from '../../host/observe/command.ts';
import { addresses, type Link, links, routes, ruleset } from '../../host/observe/network.ts';
import type { Json } from './plugin.ts';

export async function link(netns: string, name: string): Promise<Link> {
  const found = (await links(netns)).find(({ ifname }) => ifname === name);
  if (found === undefined) throw new Error(`no link ${name} in ${netns}`);
  return found;
}

/** `10.77.0.2/24`, without link-local ones. */
export async function addressesOf(netns: string, ifname: string): Promise<string[]> {
  const all = (await addresses(netns)).filter(one => one.ifname === ifname && one.scope !== 'link');
  return all.map(({ local, prefixlen }) => `${local}/${prefixlen}`);
}

/** `default via 10.77.0.1`, `10.77.0.0/24`, without link-local ones. */
export async function routesOf(netns: string, ifname: string): Promise<string[]> {
  const all = (await routes(netns)).filter(({ dev, dst }) => dev === ifname && !/^(?:fe80:|multicast)/.test(dst));
  return all.map(({ dst, gateway }) => (gateway === undefined ? dst : `${dst} via ${gateway}`)).sort();
}

export async function sysctl(netns: string, name: string): Promise<string> {
  return (await output('ip', 'netns', 'exec', netns, 'sysctl', '-n', name)).trim();
}

export async function setSysctl(netns: string, name: string, value: string | number): Promise<void> {
  await output('ip', 'netns', 'exec', netns, 'sysctl', '-qw', `${name}=${value}`);
}

/** Rules, elements and chains in the namespace that tell of something: an address, a port, an id. */
export async function rulesAbout(netns: string, what: string): Promise<string[]> {
  const pattern = new RegExp(`(?<![0-9.])${what.replaceAll('.', '\\.')}(?![0-9.])`);
  // nft shows the targets of iptables by their names alone.
  const saved = ['iptables-save', 'ip6tables-save'].map(program => output('ip', 'netns', 'exec', netns, program));
  const [rules, ...texts] = await Promise.all([ruleset(netns), ...saved]);
  const lines = [...rules.map(entry => JSON.stringify(entry)), ...texts.flatMap(text => text.split('\n'))];
  return lines.filter(line => pattern.test(line));
}

/** Interfaces of a result, by its position: the bridge, the host's end, the container's. */
export function interfaceOf(
  result: Json,
  index: number,
): { name: string; mac?: string; sandbox?: string; mtu?: number } {
  const found = (result.interfaces as { name: string }[] | undefined)?.[index];
  if (found === undefined) throw new Error(`the result names no interface ${index}: ${JSON.stringify(result)}`);
  return found;
}

export function addressOf(result: Json, index = 0): string {
  const found = (result.ips as { address: string }[] | undefined)?.[index];
  return (found?.address ?? '').replace(/\/.*/, '');
}
