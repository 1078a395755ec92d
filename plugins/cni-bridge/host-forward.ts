/**
 * Where the host's own FORWARD chain drops what nobody accepts (Docker and ufw set that policy), an accept in a table of ours does not
 * help: cells need marked rules in that chain, or in DOCKER-USER, which Docker leaves to others. Cells may then speak to their own space
 * and to the outside, and only replies come in; what one space may not do to another is still dropped by our own table.
 */
import type { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import { type Change, insert, remove } from '../../src/host/nftables/change.ts';
import { listChains, listRules } from '../../src/host/nftables/list.ts';
import { type ChainName, type Rule, rule } from '../../src/host/nftables/object.ts';
import { isSameRule } from '../../src/host/nftables/reconcile.ts';
import { accept, counter, match, type Statement } from '../../src/host/nftables/statement.ts';

/** In whose rules these are found again. */
export function forwardMark(instance: string): string {
  return `kukeon ${instance}`;
}

/** What FORWARD has for which bridges, at one moment. */
export interface HostForward {
  /** The changes that leave exactly the rules for these bridges. */
  changes(bridges: readonly string[]): Change[];
  /** Whether the rules for a bridge are in all chains where they are needed. */
  allows(bridge: string): boolean;
}

/** Reads iptables-nft's FORWARD chains, IPv4 and IPv6. */
export function readForward(socket: NetlinkSocket, instance: string): HostForward {
  const mark = forwardMark(instance);
  const chains = (['ip', 'ip6'] as const).flatMap(family => chainsOf(socket, family, mark));
  const wanted = ({ chain, isPlace }: MarkedChain, bridges: readonly string[]) =>
    isPlace ? bridges.flatMap(bridge => acceptRules(chain, bridge, mark)) : [];
  return {
    changes: bridges =>
      chains.flatMap(chain => {
        const rules = wanted(chain, bridges);
        const stale = chain.present.filter(one => !includes(rules, one));
        const missing = rules.filter(one => !includes(chain.present, one));
        return [...stale.map(remove), ...missing.map(one => insert(one))];
      }),
    allows: bridge => chains.every(chain => wanted(chain, [bridge]).every(one => includes(chain.present, one))),
  };
}

interface MarkedChain {
  chain: ChainName;
  /** Our rules belong here. */
  isPlace: boolean;
  /** All that carry our mark. */
  present: Rule[];
}

function chainsOf(socket: NetlinkSocket, family: 'ip' | 'ip6', mark: string): MarkedChain[] {
  const all = listChains(socket, { family, table: 'filter' });
  const forward = all.find(({ chain, base }) => chain === 'FORWARD' && base?.hook === 'forward');
  const docker = all.find(({ chain }) => chain === 'DOCKER-USER');
  const place = forward?.base?.policy === 'drop' ? (docker ?? forward) : undefined;
  return [forward, docker].flatMap(chain => {
    if (chain === undefined) return [];
    const present = listRules(socket, chain).filter(({ comment }) => comment === mark);
    return [{ chain, isPlace: chain === place, present }];
  });
}

function includes(rules: readonly Rule[], wanted: Rule): boolean {
  const bridge = bridgeIn(wanted);
  return rules.some(rule => bridgeIn(rule) === bridge && isSameRule(rule, wanted));
}

/** Cheap to compare, before the whole rule is. */
function bridgeIn({ statements: [first] }: Rule): string | undefined {
  return first?.type === 'match' ? first.right : undefined;
}

function acceptRules(chain: ChainName, bridge: string, mark: string): Rule[] {
  return [
    rule(chain, [match('iifname', bridge), counter(), accept()], mark),
    rule(chain, [match('oifname', bridge), replies, counter(), accept()], mark),
  ];
}

// As iptables itself writes it: with nft's own `ct state` in it, iptables-nft refuses to show the whole table.
const replies: Statement = {
  type: 'raw',
  expression: { kind: 'match', data: { name: 'conntrack', revision: 3, info: conntrackState() } },
};

/** struct xt_conntrack_mtinfo3, padded to eight bytes: `--ctstate RELATED,ESTABLISHED` (linux/netfilter/xt_conntrack.h). */
function conntrackState(): Uint8Array {
  const info = new DataView(new ArrayBuffer(168));
  info.setUint16(146, 0x1, true); // match_flags: XT_CONNTRACK_STATE
  info.setUint16(150, 0x2 | 0x4, true); // state_mask
  return new Uint8Array(info.buffer);
}
