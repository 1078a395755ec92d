/** Changes of the host's chains as the commands that a person would type: nft's, and iptables' where the chain is that program's. */
import type { Change } from '../../host/nftables/change.ts';
import { explainAll } from '../../host/nftables/explain.ts';
import type { Rule } from '../../host/nftables/object.ts';
import type { Statement } from '../../host/nftables/statement.ts';
import { FORWARD_TABLES } from './iptables-nft.ts';

export function explainForward(changes: readonly Change[]): string {
  const ofIptables = changes.filter(isOfIptables);
  const others = changes.filter(change => !isOfIptables(change));
  const commands = others.length > 0 ? [explainAll(others)] : [];
  return [...commands, ...ofIptables.map(({ verb, object }) => iptablesCommand(verb, object as Rule))].join('; ');
}

function isOfIptables({ object }: Change): boolean {
  if (object.kind !== 'rule' || !FORWARD_TABLES.includes(object.table) || object.family === 'inet') return false;
  return object.chain === 'FORWARD' || object.chain === 'DOCKER-USER';
}

function iptablesCommand(verb: Change['verb'], { family, table, chain, statements, comment = '' }: Rule): string {
  const program = `${family === 'ip6' ? 'ip6tables' : 'iptables'}${table === 'filter' ? '' : ` -t ${table}`}`;
  const options = statements.flatMap(optionOf).join(' ');
  return `${program} ${verb === 'delete' ? '-D' : '-I'} ${chain} ${options} -m comment --comment "${comment}" -j ACCEPT`;
}

function optionOf(statement: Statement): string[] {
  if (statement.type === 'raw') return ['-m conntrack --ctstate RELATED,ESTABLISHED,DNAT'];
  if (statement.type !== 'match') return [];
  return [`${statement.left === 'iifname' ? '-i' : '-o'} ${statement.right}`];
}
