/** Firewalls that a host may have, as the commands by which the programs that people use for that set them up, and take them down. */

export interface HostFirewall {
  /** Whether what nobody accepts is not forwarded. */
  drops: boolean;
  on: string[][];
  off: string[][];
  /** The chains that take marked rules, `ip filter FORWARD`, and how many for each bridge. */
  marked: string[];
  perBridge: number;
  /** Lines for each bridge in iptables' tables of old. */
  legacy: number;
}

const both = (...args: string[]) => [
  ['iptables', '--wait', ...args],
  ['ip6tables', '--wait', ...args],
];
const legacy = (commands: string[][]) => commands.map(([name = '', ...args]) => [`${name}-legacy`, ...args]);
const nft = (script: string) => ['nft', script];

/** What dockerd 20.10 does when it starts. */
const docker = [
  ...both('-N', 'DOCKER'),
  ...both('-N', 'DOCKER-ISOLATION-STAGE-1'),
  ...both('-N', 'DOCKER-ISOLATION-STAGE-2'),
  ...both('-A', 'DOCKER-ISOLATION-STAGE-1', '-j', 'RETURN'),
  ...both('-A', 'DOCKER-ISOLATION-STAGE-2', '-j', 'RETURN'),
  ...both('-I', 'DOCKER-ISOLATION-STAGE-2', '-o', 'docker0', '-j', 'DROP'),
  ...both('-I', 'DOCKER-ISOLATION-STAGE-1', '-i', 'docker0', '!', '-o', 'docker0', '-j', 'DOCKER-ISOLATION-STAGE-2'),
  ...both('-A', 'FORWARD', '-o', 'docker0', '-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED', '-j', 'ACCEPT'),
  ...both('-A', 'FORWARD', '-o', 'docker0', '-j', 'DOCKER'),
  ...both('-A', 'FORWARD', '-i', 'docker0', '!', '-o', 'docker0', '-j', 'ACCEPT'),
  ...both('-A', 'FORWARD', '-i', 'docker0', '-o', 'docker0', '-j', 'ACCEPT'),
  ...both('-I', 'FORWARD', '-j', 'DOCKER-ISOLATION-STAGE-1'),
  ...both('-P', 'FORWARD', 'DROP'),
  ...both('-N', 'DOCKER-USER'),
  ...both('-A', 'DOCKER-USER', '-j', 'RETURN'),
  ...both('-I', 'FORWARD', '-j', 'DOCKER-USER'),
  ...both('-t', 'nat', '-N', 'DOCKER'),
  ...both('-t', 'nat', '-A', 'PREROUTING', '-m', 'addrtype', '--dst-type', 'LOCAL', '-j', 'DOCKER'),
];
const withoutDocker = [
  ...both('-P', 'FORWARD', 'ACCEPT'),
  ...both('-t', 'nat', '-F'),
  ...both('-t', 'nat', '-X'),
  ...both('-F'),
  ...both('-X'),
];

/** What podman's netavark does for a network, with its driver iptables. */
const podman = [
  ['iptables', '-N', 'NETAVARK_FORWARD'],
  ['iptables', '-I', 'FORWARD', '-m', 'comment', '--comment', 'netavark firewall rules', '-j', 'NETAVARK_FORWARD'],
  ['iptables', '-A', 'NETAVARK_FORWARD', '-m', 'conntrack', '--ctstate', 'INVALID', '-j', 'DROP'],
  [
    ...['iptables', '-A', 'NETAVARK_FORWARD', '-d', '10.200.0.0/16', '-m', 'conntrack', '--ctstate'],
    ...['RELATED,ESTABLISHED', '-j', 'ACCEPT'],
  ],
  ['iptables', '-A', 'NETAVARK_FORWARD', '-s', '10.200.0.0/16', '-j', 'ACCEPT'],
  ['iptables', '-t', 'nat', '-A', 'POSTROUTING', '-s', '10.200.0.0/16', '!', '-d', '224.0.0.0/4', '-j', 'MASQUERADE'],
];

/** The chains of firewalld 1.3 (Debian 12) for what is forwarded, with its default zone, `public`. */
const firewalld = `table inet firewalld {
  chain filter_PREROUTING {
    type filter hook prerouting priority filter + 10; policy accept;
    icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
    meta nfproto ipv6 fib saddr . mark . iif oif missing drop
  }
  chain filter_FORWARD {
    type filter hook forward priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    ip6 daddr { ::/96, ::ffff:0.0.0.0/96, 2002::/24 } reject with icmpv6 addr-unreachable
    jump filter_FORWARD_ZONES
    reject with icmpx admin-prohibited
  }
  chain filter_FORWARD_POLICIES_pre { }
  chain filter_FORWARD_ZONES { goto filter_FWD_public; }
  chain filter_FWD_public {
    jump filter_FORWARD_POLICIES_pre
    jump filter_FWD_public_allow
    reject with icmpx admin-prohibited
  }
  chain filter_FWD_public_allow { }
}`;

export const HOST_FIREWALLS = {
  'no firewall of its own': { drops: false, on: [], off: [], marked: [], perBridge: 0, legacy: 0 },
  'FORWARD dropping by policy': {
    drops: true,
    on: both('-P', 'FORWARD', 'DROP'),
    off: both('-P', 'FORWARD', 'ACCEPT'),
    marked: ['ip filter FORWARD', 'ip6 filter FORWARD'],
    perBridge: 2,
    legacy: 0,
  },
  'FORWARD of mangle dropping by policy': {
    drops: true,
    on: both('-t', 'mangle', '-P', 'FORWARD', 'DROP'),
    off: both('-t', 'mangle', '-P', 'FORWARD', 'ACCEPT'),
    marked: ['ip mangle FORWARD', 'ip6 mangle FORWARD'],
    perBridge: 2,
    legacy: 0,
  },
  'the chains of Docker': {
    drops: true,
    on: docker,
    off: withoutDocker,
    marked: ['ip filter DOCKER-USER', 'ip6 filter DOCKER-USER'],
    perBridge: 2,
    legacy: 0,
  },
  'the chains of podman': {
    drops: false,
    on: podman,
    off: withoutDocker,
    marked: [],
    perBridge: 0,
    legacy: 0,
  },
  "iptables' FORWARD of old dropping by policy": {
    drops: true,
    on: legacy(both('-P', 'FORWARD', 'DROP')),
    off: legacy(both('-P', 'FORWARD', 'ACCEPT')),
    marked: [],
    perBridge: 0,
    legacy: 4,
  },
  'FORWARD of old of mangle dropping by policy': {
    drops: true,
    on: legacy(both('-t', 'mangle', '-P', 'FORWARD', 'DROP')),
    off: legacy(both('-t', 'mangle', '-P', 'FORWARD', 'ACCEPT')),
    marked: [],
    perBridge: 0,
    legacy: 4,
  },
  'a chain of nftables that drops by policy': {
    drops: true,
    // Debian's example, /usr/share/doc/nftables/examples/nat.nft and the like; loaded it flushes everything else.
    on: [
      nft(`flush ruleset
        table inet filter {
          chain input { type filter hook input priority filter; }
          chain forward {
            type filter hook forward priority filter; policy drop;
            iifname "office" oifname "uplink" accept
          }
        }`),
    ],
    off: [nft('delete table inet filter')],
    marked: ['inet filter forward'],
    perBridge: 3,
    legacy: 0,
  },
  'a chain of nftables that rejects in the end': {
    drops: true,
    on: [
      nft(`table ip filtering {
        chain rest { log prefix "gone: " ; counter drop; }
        chain forward {
          type filter hook forward priority -5; policy accept;
          ip daddr 192.0.2.99 drop
          ct state vmap { established : accept, related : accept, invalid : drop }
          jump rest
        }
      }`),
    ],
    off: [nft('delete table ip filtering')],
    marked: ['ip filtering forward'],
    perBridge: 3,
    legacy: 0,
  },
  firewalld: {
    drops: true,
    on: [nft(firewalld)],
    off: [nft('delete table inet firewalld')],
    marked: ['inet firewalld filter_FORWARD'],
    perBridge: 3,
    legacy: 0,
  },
} satisfies Record<string, HostFirewall>;
