/**
 * Chains of nftables' own rulesets, an administrator's or firewalld's, that drop in the end what they do not accept. A rule of ours goes
 * right before that end: whatever is dropped there on purpose stays so.
 */
import type { NetlinkSocket } from '../../host/netlink/socket.ts';
import { add, insert } from '../../host/nftables/change.ts';
import type { Verdict } from '../../host/nftables/expression.ts';
import { listRules } from '../../host/nftables/list.ts';
import { type Chain, type ChainName, type Rule, rule, type Table } from '../../host/nftables/object.ts';
import { accept, counter, match, type Statement } from '../../host/nftables/statement.ts';
import type { ForwardChain } from './forward.ts';
import { isOfIptables } from './iptables-nft.ts';

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
  const end = endOf(rules, chain.base?.policy === 'drop', chainReader(socket, chain));
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

type ReadChain = (name: string) => Rule[];

/** Reads each chain of the table once: one that comes again has been seen not to drop. */
function chainReader(socket: NetlinkSocket, { family, table }: ChainName): ReadChain {
  const seen = new Set<string>();
  return chain => {
    if (seen.has(chain)) return [];
    seen.add(chain);
    return listRules(socket, { family, table, chain });
  };
}

/** The index of the rule at which all is dropped that has come so far; behind the last one for a policy; undefined where nothing is. */
function endOf(rules: readonly Rule[], policyDrops: boolean, read: ReadChain): number | undefined {
  for (const [index, { statements }] of rules.entries()) {
    const verdict = always(statements);
    if (verdict === 'drop') return index;
    if (verdict === 'accept') return undefined;
    if (verdict === 'return') return policyDrops ? index : undefined;
    if (verdict === undefined || verdict === 'continue') continue;
    const target = 'jump' in verdict ? verdict.jump : verdict.goto;
    if (endOf(read(target), false, read) !== undefined) return index;
    if ('goto' in verdict) return policyDrops ? index : undefined;
  }
  return policyDrops ? rules.length : undefined;
}

/** What becomes of every packet that gets to a rule; undefined where that depends, or where it goes on to the next rule. */
function always(statements: readonly Statement[]): Verdict | undefined {
  const deciding = statements.filter(statement => !isSilent(statement));
  const [only] = deciding;
  if (deciding.length !== 1) return undefined;
  if (only?.type === 'reject') return 'drop';
  return only?.type === 'verdict' ? only.verdict : undefined;
}

function isSilent(statement: Statement): boolean {
  if (statement.type !== 'raw') return statement.type === 'counter';
  const { expression } = statement;
  return expression.kind === 'other' && expression.name === 'log';
}

function acceptRules(chain: ChainName, name: string, mark: string): Rule[] {
  return [
    rule(chain, [match('iifname', name), counter(), accept()], mark),
    rule(chain, [match('oifname', name), match('ct state', 'established,related'), counter(), accept()], mark),
    rule(chain, [match('oifname', name), match('ct status', 'dnat'), counter(), accept()], mark),
  ];
}
