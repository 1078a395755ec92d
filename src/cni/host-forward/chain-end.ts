/** Where a chain drops whatever has come so far: by a rule, by a chain that it leads to, or by its policy. */
import type { NetlinkSocket } from '../../host/netlink/socket.ts';
import type { Verdict } from '../../host/nftables/expression.ts';
import { listRules } from '../../host/nftables/list.ts';
import type { Chain, ChainName, Rule } from '../../host/nftables/object.ts';
import type { Statement } from '../../host/nftables/statement.ts';

/** The index of that rule among a base chain's; behind the last one for a policy; undefined where nothing drops all. */
export function endOf(socket: NetlinkSocket, chain: Chain, rules: readonly Rule[]): number | undefined {
  return search(rules, chain.base?.policy === 'drop', chainReader(socket, chain));
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

function search(rules: readonly Rule[], policyDrops: boolean, read: ReadChain): number | undefined {
  for (const [index, { statements }] of rules.entries()) {
    const verdict = always(statements);
    if (verdict === 'drop') return index;
    if (verdict === 'accept') return undefined;
    if (verdict === 'return') return policyDrops ? index : undefined;
    if (verdict === undefined || verdict === 'continue') continue;
    const target = 'jump' in verdict ? verdict.jump : verdict.goto;
    if (search(read(target), false, read) !== undefined) return index;
    if ('goto' in verdict) return policyDrops ? index : undefined;
  }
  return policyDrops ? rules.length : undefined;
}

/** What becomes of every packet that gets to a rule; undefined where that depends, or where it goes on to the next rule. */
function always(statements: readonly Statement[]): Verdict | undefined {
  const deciding = statements.filter(statement => !isSilent(statement));
  const [only] = deciding;
  if (deciding.length !== 1) return undefined;
  if (only?.type === 'reject' || targetOf(only) === 'REJECT') return 'drop';
  return only?.type === 'verdict' ? only.verdict : undefined;
}

function isSilent(statement: Statement): boolean {
  if (statement.type !== 'raw') return statement.type === 'counter';
  const { expression } = statement;
  return (expression.kind === 'other' && expression.name === 'log') || targetOf(statement) === 'LOG';
}

/** The name of a target of iptables' own (NFTA_TARGET_NAME, the first attribute). */
function targetOf(statement: Statement | undefined): string | undefined {
  const expression = statement?.type === 'raw' ? statement.expression : undefined;
  if (expression?.kind !== 'other' || expression.name !== 'target' || expression.data === undefined) return undefined;
  return Buffer.from(expression.data.subarray(4)).toString('latin1').replace(/\0.*$/s, '');
}
