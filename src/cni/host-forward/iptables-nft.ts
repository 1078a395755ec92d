/**
 * FORWARD of iptables-nft, IPv4 and IPv6, in each of its tables where it drops in the end: our rules go first, or into DOCKER-USER of
 * `filter`, which Docker leaves to others.
 */
import type { NetlinkSocket } from '../../host/netlink/socket.ts';
import { insert } from '../../host/nftables/change.ts';
import { listRules } from '../../host/nftables/list.ts';
import { type Chain, type ChainName, type Rule, rule } from '../../host/nftables/object.ts';
import { accept, counter, match, type Statement } from '../../host/nftables/statement.ts';
import type { ForwardChain } from './forward.ts';
import { endOfChain } from './nftables-end.ts';

/** The tables that have a FORWARD; an accept in one lets nothing pass in another. */
export const FORWARD_TABLES: readonly string[] = ['mangle', 'filter', 'security'];

/** A chain of iptables' making, in which a rule must not be nft's. */
export function isOfIptables({ family, table, chain }: ChainName): boolean {
  return (family === 'ip' || family === 'ip6') && FORWARD_TABLES.includes(table) && chain === 'FORWARD';
}

export function iptablesChains(socket: NetlinkSocket, chains: readonly Chain[], mark: string): ForwardChain[] {
  return chains
    .filter(one => isOfIptables(one) && one.base?.hook === 'forward')
    .flatMap(forward => {
      const docker = chains.find(
        ({ family, table, chain }) => family === forward.family && table === forward.table && chain === 'DOCKER-USER',
      );
      const rules = listRules(socket, forward);
      const isCalled = rules.some(({ statements }) => statements.some(jumpsToDocker));
      const place = endOfChain(socket, forward, rules) === undefined ? undefined : isCalled ? docker : forward;
      return [forward, docker].flatMap(chain => {
        if (chain === undefined) return [];
        const all = chain === forward ? rules : listRules(socket, chain);
        const present = all.filter(({ comment }) => comment === mark);
        const rulesFor = (name: string) => (chain === place ? acceptRules(chain, name, mark) : []);
        return [{ chain, present, reached: present, rulesFor, place: one => insert(one) }];
      });
    });
}

function jumpsToDocker(statement: Statement): boolean {
  if (statement.type !== 'verdict' || typeof statement.verdict === 'string') return false;
  return 'jump' in statement.verdict && statement.verdict.jump === 'DOCKER-USER';
}

function acceptRules(chain: ChainName, name: string, mark: string): Rule[] {
  return [
    rule(chain, [match('iifname', name), counter(), accept()], mark),
    rule(chain, [match('oifname', name), repliesAndPublished, counter(), accept()], mark),
  ];
}

// As iptables itself writes it: with nft's own `ct state` in it, iptables-nft refuses to show the whole table.
const repliesAndPublished: Statement = {
  type: 'raw',
  expression: { kind: 'match', data: { name: 'conntrack', revision: 3, info: conntrackState() } },
};

/** struct xt_conntrack_mtinfo3, padded to eight bytes: `--ctstate RELATED,ESTABLISHED,DNAT` (linux/netfilter/xt_conntrack.h). */
function conntrackState(): Uint8Array {
  const info = new DataView(new ArrayBuffer(168));
  info.setUint16(146, 0x1, true); // match_flags: XT_CONNTRACK_STATE
  info.setUint16(150, 0x2 | 0x4 | 0x80, true); // state_mask
  return new Uint8Array(info.buffer);
}
