/**
 * In what the plugins differ from the expectations of this suite, which are the specification's, and, where it leaves the choice, those of
 * the reference plugins. A case that names a difference says what it expects of those that have it, so each line here is held by a test.
 */
import type { Implementation } from './implementation.ts';

export interface Entry {
  of: readonly Implementation[];
  why: string;
  /** What stays after DEL in all cases. */
  leaves?: RegExp[];
}

export const differences = {
  'chains stay': {
    of: ['reference'],
    why: 'iptables: empty chains and tables, and the jumps to the common ones, are never taken out',
    leaves: [
      /^table ip6? (?:nat|filter)$/,
      /^table bridge nat$/,
      /^chain bridge nat PREROUTING /,
      /^chain ip6? (?:nat|filter) (?:PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) /,
      /^chain ip6? (?:nat|filter) CNI-(?:ADMIN|FORWARD|ISOLATION-STAGE-[12]|HOSTPORT-(?:DNAT|MASQ|SETMARK))$/,
      /^rule ip6? (?:nat|filter) (?:FORWARD|PREROUTING|OUTPUT|POSTROUTING) .*"target":"?CNI-/,
      /^rule ip6? filter CNI-FORWARD .*CNI-ADMIN/,
      /^rule ip6? filter CNI-ISOLATION-STAGE-/,
      /^rule ip6? nat CNI-HOSTPORT-(?:MASQ|SETMARK) /,
    ],
  },
  'route_localnet stays': {
    of: ['reference'],
    why: 'nobody turns it off when the last port behind a bridge is no longer published: 127.0.0.1 is open to who is on the bridge',
    leaves: [/^sysctl ipv4\/conf\/\S+\/route_localnet=1$/],
  },
  'errors without a version': {
    of: ['reference'],
    why: 'the error object lacks cniVersion, which the specification asks for',
  },
  'CHECK needs IPAM': {
    of: ['reference'],
    why: 'CHECK of a bridge without IPAM executes the IPAM plugin that is not named',
  },
  'internal errors': {
    of: ['reference'],
    why: 'what is wrong with the configuration is an internal error (999), not 7 or 4, and often found when the bridge is made',
  },
  'failed ADD leaves interfaces': {
    of: ['reference'],
    why: 'an ADD that fails late takes back the reservation but not the interfaces, and the rules of macspoofchk also where they are those of an earlier ADD',
  },
  'default route twice': {
    of: ['reference'],
    why: 'isDefaultGateway adds its route beside a default route of IPAM that names no gateway, and fails',
  },
  'gratuitous ARP may be lost': {
    of: ['reference'],
    why: 'it is sent when the link comes up (arp_notify), when the bridge does not yet forward from its port',
  },
  'routes without a destination': { of: ['reference'], why: 'IPAM gives them on, as to `<nil>`' },
  'no 1.1.0': { of: ['reference'], why: 'speaks versions up to 1.0.0' },
  'loopback: no families': { of: ['reference'], why: 'before 1.0.0 its addresses lack `version`' },
  'host-local: an index': {
    of: ['kuke'],
    why: 'a folder .by-id beside the reservations, so that an attachment’s are found without reading all; also of those of others',
    leaves: [/^file \S+\/\.by-id\/$/],
  },
  'NAT rules by address': {
    of: ['reference'],
    why: 'DEL finds the rules of ipMasq by the address that is on the interface, and leaves them where that, or the namespace, is gone',
  },
  'DEL by the inner name': { of: ['reference'], why: 'DEL takes away the interface in the container by its name' },
  'CHECK of links by name': { of: ['reference'], why: 'CHECK does not look whether links are up' },
  'CHECK without the MTU': { of: ['reference'], why: 'it is not compared' },
  'CHECK without the gateway': { of: ['reference'], why: 'CHECK does not look at the bridge’s addresses' },
  'CHECK without ipMasq': { of: ['reference'], why: 'CHECK does not look at the rules of ipMasq' },
  'DEL of flushed rules fails': {
    of: ['reference'],
    why: 'the first DEL with ipMasq after a flush of all rules fails',
  },
  'DEL of no namespace fails': {
    of: ['reference'],
    why: 'a file that is no namespace at CNI_NETNS, and DEL releases nothing',
  },
  'firewall: rules by prevResult': { of: ['reference'], why: 'DEL finds its rules by the addresses of prevResult' },
  'a chain for all interfaces': {
    of: ['reference'],
    why: 'the interfaces of a container on one network share a chain for ipMasq, so that the first DEL fails',
  },
  'portmap: CHECK fails': {
    of: ['reference'],
    why: 'CHECK looks for the rules of both families with one and the same address',
  },
  'portmap: hostIP unchecked': { of: ['reference'], why: 'a hostIP that is no address is taken for none' },
  'firewall: no way in': {
    of: ['reference'],
    why: 'where FORWARD drops, only what belongs to a connection from inside is accepted, published ports not',
  },
  'firewall: not past iptables-legacy': {
    of: ['reference'],
    why: 'its rules are where the program iptables puts them, which is nftables here; what drops in the tables of old goes on dropping',
  },
  'firewall: no isolated': { of: ['reference'], why: 'came with version 1.3' },
  'portmap: taken ports unnoticed': { of: ['reference'], why: 'a port may be published twice; who was first has it' },
  'versions before 0.3.0': { of: ['reference'], why: 'are spoken too, with results of another shape' },
  'SIGTERM is not minded': { of: ['reference'], why: 'it ends the plugin where it is' },
  'no VLANs': { of: ['kuke'], why: 'a network has a bridge of its own instead' },
  panics: {
    of: ['reference'],
    why: 'firewall dereferences nil where no address has an interface it knows, host-local where an address asked for is null',
  },
  'no runtimeConfig.dns': { of: ['reference'], why: 'ignored' },
  'no iptables': { of: ['kuke'], why: 'rules are nftables’ own; what only iptables could do is refused by name' },
  'no portIsolation': { of: ['reference'], why: 'came with version 1.5; ignored' },
} as const satisfies Record<string, Entry>;

export type Difference = keyof typeof differences;
