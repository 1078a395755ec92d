/** Forwarding between interfaces, ip-sysctl: what a host needs to forward, and to go on as before otherwise. */
import { hasCode } from './errno.ts';
import { listLinks } from './netlink/link.ts';
import { NetlinkSocket } from './netlink/socket.ts';
import { readSysctl } from './sysctl.ts';

export interface SysctlChange {
  /** As in `sysctl -w`. */
  name: string;
  value: string;
  before: string;
}

const V4 = 'net.ipv4.ip_forward';
const V6 = 'net.ipv6.conf.all.forwarding';

/**
 * What turns on forwarding, in this order; empty where it is on. A host that forwards IPv6 ignores router advertisements, and forgets the
 * routes that it has by them, unless `accept_ra` is 2: interfaces that accept them now are to go on doing so.
 */
export function forwardingChanges(family: 'v4' | 'v6'): SysctlChange[] {
  const name = family === 'v4' ? V4 : V6;
  const before = readSysctl(name);
  if (before === '1') return [];
  const listeners = family === 'v4' ? [] : interfaces().filter(acceptsAdvertisements);
  const kept = listeners.map(one => ({ name: parameter(one, 'accept_ra'), value: '2', before: '1' }));
  return [...kept, { name, value: '1', before }];
}

// With slashes, for names of interfaces may have dots in them.
const parameter = (name: string, key: string) => `net/ipv6/conf/${name}/${key}`;

/** Those that are no part of a bridge or a bond: advertisements are for the whole. */
function interfaces(): string[] {
  using socket = new NetlinkSocket('route');
  const whole = listLinks(socket).filter(({ loopback, master }) => !loopback && master === undefined);
  return whole.map(({ name }) => name);
}

function acceptsAdvertisements(name: string): boolean {
  try {
    return readSysctl(parameter(name, 'accept_ra')) === '1' && readSysctl(parameter(name, 'forwarding')) === '0';
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false; // it has gone meanwhile, or has no IPv6: its mtu is too small
    throw error;
  }
}
