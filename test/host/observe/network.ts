/**
 * The network as `ip -j` and `nft -j` show it: links, addresses, routes, namespaces, rules. `netns` is a name under /run/netns; without
 * one it is the box's own namespace.
 */
import { json } from './command.ts';

/** Of `ip -j -d link`: what tests ask for. */
export interface Link {
  ifindex: number;
  ifname: string;
  flags: string[];
  mtu: number;
  operstate: string;
  /** MAC address. */
  address: string;
  /** Name of the bridge that it belongs to. */
  master?: string;
  /** `default`, or a number. */
  group?: string;
  /** For a veth, the index of its peer, in the peer's namespace. */
  link_index?: number;
  linkinfo?: {
    info_kind?: string;
    info_data?: Record<string, unknown>;
    info_slave_kind?: string;
    info_slave_data?: Record<string, unknown>;
  };
}

/** Of `ip -j addr`, one address a row. */
export interface Address {
  ifname: string;
  family: 'inet' | 'inet6';
  local: string;
  prefixlen: number;
  scope: string;
}

/** Of `ip -j route`; `dst` is `default` or an address with or without prefix length. */
export interface Route {
  dst: string;
  gateway?: string;
  dev?: string;
  prefsrc?: string;
  scope?: string;
  protocol?: string;
}

/** An element of `nft -j list ruleset`, e.g. `{ rule: { family, table, chain, expr } }`; man libnftables-json. */
export type RulesetEntry = Record<string, Record<string, unknown>>;

function ip(netns: string | undefined, ...command: string[]): string[] {
  return ['ip', ...(netns === undefined ? [] : ['-n', netns]), '-j', ...command];
}

export function links(netns?: string): Promise<Link[]> {
  return json<Link[]>(...ip(netns, '-d', 'link'));
}

export async function addresses(netns?: string): Promise<Address[]> {
  const rows = await json<{ ifname: string; addr_info: Omit<Address, 'ifname'>[] }[]>(...ip(netns, 'addr'));
  return rows.flatMap(({ ifname, addr_info }) =>
    addr_info.map(({ family, local, prefixlen, scope }) => ({ ifname, family, local, prefixlen, scope })),
  );
}

/** IPv4 and IPv6 routes of the main table. */
export async function routes(netns?: string): Promise<Route[]> {
  const [v4, v6] = await Promise.all([
    json<Route[]>(...ip(netns, '-4', 'route')),
    json<Route[]>(...ip(netns, '-6', 'route')),
  ]);
  return [...v4, ...v6];
}

/** Names of the network namespaces under /run/netns. */
export async function networkNamespaces(): Promise<string[]> {
  return (await json<{ name: string }[]>('ip', '-j', 'netns')).map(({ name }) => name).sort();
}

/** All of nftables, iptables' rules included, without the line about nft itself. */
export async function ruleset(netns?: string): Promise<RulesetEntry[]> {
  const command = ['nft', '-j', 'list', 'ruleset'];
  const inside = netns === undefined ? command : ['ip', 'netns', 'exec', netns, ...command];
  const { nftables } = await json<{ nftables: RulesetEntry[] }>(...inside);
  return nftables.filter(entry => !('metainfo' in entry));
}
