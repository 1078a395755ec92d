/** The tables `ip nat` and `ip6 nat`, which iptables makes for the reference plugin's rules and never takes away. */
import { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import { type Change, remove } from '../../src/host/nftables/change.ts';
import { getTable, readTable, type TableContent } from '../../src/host/nftables/list.ts';
import type { Rule } from '../../src/host/nftables/object.ts';
import { update } from '../../src/host/nftables/reconcile.ts';
import type { HostState, HostStateFile } from './host-state.ts';
import { targetOf } from './reference-rules.ts';

type NatFamily = NonNullable<HostState['withoutNat']>[number];

const natTable = (family: NatFamily) => ({ family, table: 'nat' });

/** Which of them there were not, once and for all: before the first network. */
export async function rememberNatTables(state: HostStateFile): Promise<void> {
  await state.update(kept => {
    if (kept.withoutNat !== undefined) return;
    using socket = new NetlinkSocket('netfilter');
    kept.withoutNat = (['ip', 'ip6'] as const).filter(family => getTable(socket, natTable(family)) === undefined);
  });
}

/** Removes those that there were not, unless somebody has put something into them: also while this looks. */
export async function removeNatTables(state: HostStateFile): Promise<void> {
  const { withoutNat = [] } = await state.read();
  using socket = new NetlinkSocket('netfilter');
  update(socket, () => withoutNat.flatMap(family => removal(readTable(socket, natTable(family)).content)));
}

function removal(content: TableContent | undefined): Change[] {
  return content !== undefined && isScaffold(content) ? [remove(content.table)] : [];
}

/** What the reference portmap makes once for all ports: the rules of single ports are in CNI-HOSTPORT-DNAT. */
const OF_ALL_PORTS = ['CNI-HOSTPORT-DNAT', 'CNI-HOSTPORT-MASQ', 'CNI-HOSTPORT-SETMARK'];

/** What iptables and portmap make by themselves: base chains that let everything pass, and chains that do something for no port. */
function isScaffold({ table, chains, sets, rules }: TableContent): boolean {
  const isOurs = (rule: Rule) =>
    OF_ALL_PORTS.includes(targetOf(rule) ?? '') || OF_ALL_PORTS.slice(1).includes(rule.chain);
  const isEmpty = rules.every(isOurs) && sets.length === 0 && table.comment === undefined;
  return isEmpty && chains.every(({ base, chain }) => base?.policy === 'accept' || OF_ALL_PORTS.includes(chain));
}
