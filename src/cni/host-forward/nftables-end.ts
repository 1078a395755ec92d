/** The end of a chain of nftables, iptables-nft's among them: what each rule does with all that gets to it. */
import type { NetlinkSocket } from '../../host/netlink/socket.ts';
import { listRules } from '../../host/nftables/list.ts';
import type { Chain, Rule } from '../../host/nftables/object.ts';
import type { Statement } from '../../host/nftables/statement.ts';
import { type Always, endOf } from './chain-end.ts';

/** The index of the rule by which a base chain drops all that gets there; see `endOf`. */
export function endOfChain(
  socket: NetlinkSocket,
  { family, table, base }: Chain,
  rules: readonly Rule[],
): number | undefined {
  return endOf(rules.map(always), base?.policy === 'drop', chain =>
    listRules(socket, { family, table, chain }).map(always),
  );
}

function always({ statements }: Rule): Always {
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
