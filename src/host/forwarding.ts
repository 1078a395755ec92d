/** Forwarding between interfaces, ip-sysctl: what a host needs to forward, and to go on as before otherwise. */
import { readdirSync } from 'node:fs';
import { hasCode } from './errno.ts';
import { type Link, listLinks } from './netlink/link.ts';
import { NetlinkSocket } from './netlink/socket.ts';
import { readSysctl, sysctlPath } from './sysctl.ts';

export interface SysctlChange {
  /** As in `sysctl -w`. */
  name: string;
  value: string;
  before: string;
}

export type ForwardingFamily = 'v4' | 'v6';

/** The parameter that turns it on for all interfaces. */
export const FORWARDING = { v4: 'net.ipv4.ip_forward', v6: 'net.ipv6.conf.all.forwarding' } as const;

/**
 * What turns on forwarding, in this order; empty where it is on. A host that forwards IPv6 ignores router advertisements, and forgets the
 * routes that it has by them, unless `accept_ra` is 2: interfaces that accept them now are to go on doing so.
 */
export function forwardingChanges(family: ForwardingFamily): SysctlChange[] {
  const name = FORWARDING[family];
  const before = readSysctl(name);
  if (before === '1') return [];
  const listeners = family === 'v4' ? [] : wholeLinks().filter(link => acceptsAdvertisements(link, '0'));
  return [...listeners.map(goesOnAccepting), { name, value: '1', before }];
}

/**
 * The same for uplinks that came after forwarding was turned on, and would listen to router advertisements if it were off. Bridges, veths
 * and taps are none: what sends advertisements there is a container or a virtual machine.
 */
export function lateListeners(): SysctlChange[] {
  const late = wholeLinks().filter(({ kind = '' }) => !['bridge', 'veth', 'tun'].includes(kind));
  return late.filter(link => acceptsAdvertisements(link, '1')).map(goesOnAccepting);
}

/**
 * While forwarding is off: the values that turning it on and off again would change, because the kernel writes them all at once
 * (inet_forward_change, addrconf_forward_change): an interface that forwards alone, and redirects that are not accepted.
 */
export function overwrittenValues(family: ForwardingFamily): Record<string, string> {
  const folder = family === 'v4' ? 'net/ipv4/conf' : 'net/ipv6/conf';
  const forwarding = readdirSync(sysctlPath(folder)).map(name => [`${folder}/${name}/forwarding`, '1'] as const);
  const redirects = family === 'v4' ? ([[`${folder}/all/accept_redirects`, '0']] as const) : [];
  return Object.fromEntries([...forwarding, ...redirects].filter(([name, value]) => currentOf(name) === value));
}

// With slashes, for names of interfaces may have dots in them.
const parameter = (name: string, key: string) => `net/ipv6/conf/${name}/${key}`;

const goesOnAccepting = ({ name }: Link): SysctlChange => ({
  name: parameter(name, 'accept_ra'),
  value: '2',
  before: '1',
});

/** Those that are no part of a bridge or a bond: advertisements are for the whole. */
function wholeLinks(): Link[] {
  using socket = new NetlinkSocket('route');
  return listLinks(socket).filter(({ loopback, master }) => !loopback && master === undefined);
}

/** With this value of its parameter `forwarding`. */
function acceptsAdvertisements({ name }: Link, forwarding: '0' | '1'): boolean {
  return currentOf(parameter(name, 'accept_ra')) === '1' && currentOf(parameter(name, 'forwarding')) === forwarding;
}

/** Undefined for an interface that has gone meanwhile, or has no IPv6: its mtu is too small. */
function currentOf(name: string): string | undefined {
  try {
    return readSysctl(name);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
