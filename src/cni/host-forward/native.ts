/**
 * Chains of nftables' own rulesets, an administrator's or firewalld's, that drop in the end what they do not accept. A rule of ours goes
 * right before that end: whatever is dropped there on purpose stays so.
 */
import type { NetlinkSocket } from '../../host/netlink/socket.ts';
import { add, insert } from '../../host/nftables/change.ts';
import { listRules } from '../../host/nftables/list.ts';
import { type Chain, type ChainName, type Rule, rule, type Table } from '../../host/nftables/object.ts';
import { accept, counter, match, type Statement } from '../../host/nftables/statement.ts';
import type { ForwardChain } from './forward.ts';
import { isOfIptables } from './iptables-nft.ts';
import { endOfChain } from './nftables-end.ts';

const OWN = 'kukeon';

export function nativeChains(
  socket: NetlinkSocket,
  tables: readonly Table[],
  chains: readonly Chain[],
  mark: string,
): ForwardChain[] {
  const forward = chains.filter(
    chain =>
      chain.base?.hook === 'forward' && chain.base.type === 'filter' && chain.table !== OWN && !isOfIptables(chain),
  );
  return forward.map(chain => {
    const isOwned = tables.some(
      ({ family, table, owned }) => family === chain.family && table === chain.table && owned,
    );
    return understand(socket, chain, mark, obstacleOf(chain, isOwned));
  });
}

function obstacleOf({ family }: ChainName, isOwned: boolean): string | undefined {
  if (isOwned) return 'only the program that made the table can change it';
  return family === 'bridge' ? 'what is forwarded has no bridge’s name there' : undefined;
}

function understand(socket: NetlinkSocket, chain: Chain, mark: string, obstacle: string | undefined): ForwardChain {
  const rules = listRules(socket, chain);
  const end = endOfChain(socket, chain, rules);
  const present = rules.filter(({ comment }) => comment === mark);
  const before = end === undefined ? undefined : rules[end]?.handle;
  return {
    chain,
    present,
    reached: present.filter(one => end !== undefined && rules.indexOf(one) < end),
    rulesFor: name =>
      end === undefined || (obstacle && isAccepted(rules, name)) ? [] : acceptRules(chain, name, mark),
    place: one => (before === undefined ? add(one) : insert(one, before)),
    ...(obstacle !== undefined && { obstacle }),
  };
}

/** Whether its owner has put in something for an interface: a rule that accepts, with that name in it. */
function isAccepted(rules: readonly Rule[], name: string): boolean {
  const bytes = Buffer.from(`${name}\0`).toHex();
  const text = (statements: readonly Statement[]) =>
    JSON.stringify(statements, (_, part: unknown) => (part instanceof Uint8Array ? part.toHex() : part));
  return rules.some(
    ({ statements }) =>
      statements.some(one => one.type === 'verdict' && one.verdict === 'accept') &&
      (text(statements).includes(`"${name}"`) || text(statements).includes(bytes)),
  );
}

function acceptRules(chain: ChainName, name: string, mark: string): Rule[] {
  return [
    rule(chain, [match('iifname', name), counter(), accept()], mark),
    rule(chain, [match('oifname', name), match('ct state', 'established,related'), counter(), accept()], mark),
    rule(chain, [match('oifname', name), match('ct status', 'dnat'), counter(), accept()], mark),
  ];
}
