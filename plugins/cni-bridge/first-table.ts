/** The table as kuke 0.1 made it: it was all kuke's, and its comment said whose. What of it there still is goes with the next change. */
import { INET } from '../../src/cni/ruleset.ts';
import type { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import { type Change, remove } from '../../src/host/nftables/change.ts';
import { getTable, listChains, readTable, type TableContent } from '../../src/host/nftables/list.ts';
import { difference } from '../../src/host/nftables/reconcile.ts';
import { type Isolated, memberOf } from './isolation.ts';

const CHAINS = ['forward', 'input', 'postrouting'];
const SETS = ['bridges', 'pairs', 'own_gateways', 'own_gateways6', 'gateways', 'gateways6', 'ranges', 'ranges6'];

/** What is left of it, and the id in its comment; undefined where there is nothing. */
export interface FirstTable {
  instance: string;
  content: TableContent;
  /** Nothing else is in the table. */
  isAll: boolean;
}

export function readFirstTable(socket: NetlinkSocket): FirstTable | undefined {
  const instance = getTable(socket, INET)?.comment;
  if (instance === undefined || !listChains(socket, INET).some(({ chain }) => CHAINS.includes(chain))) return undefined;
  const { content } = readTable(socket, INET);
  if (content === undefined) return undefined;
  const chains = content.chains.filter(({ chain }) => CHAINS.includes(chain));
  const sets = content.sets.filter(({ set: { set } }) => SETS.includes(set));
  const rules = content.rules.filter(({ chain }) => CHAINS.includes(chain));
  const isAll = chains.length === content.chains.length && sets.length === content.sets.length;
  return { instance, content: { ...content, chains, sets, rules }, isAll };
}

/** The bridges that it kept apart. A range that was not masqueraded is not in it: the space's next definition adds that. */
export function firstMembers({ content: { sets } }: FirstTable): Isolated[] {
  const listed = (...names: string[]) => sets.flatMap(({ set, elements }) => (names.includes(set.set) ? elements : []));
  return listed('bridges').map(({ key: [bridge = ''], comment: name = '' }) => {
    const gateways = listed('own_gateways', 'own_gateways6').flatMap(({ key: [of, address = ''] }) =>
      of === bridge ? [address] : [],
    );
    const ranges = listed('ranges', 'ranges6').flatMap(({ key: [range = ''], comment }) =>
      comment === name ? [range] : [],
    );
    return memberOf({ name, bridge, ranges, gateways });
  });
}

/** What takes it away; the table too, unless something else is in it or will be. */
export function firstTableRemoval({ content, isAll }: FirstTable, staysInUse: boolean): Change[] {
  if (isAll && !staysInUse) return [remove(content.table)];
  return difference({ ...content, chains: [], sets: [], rules: [] }, content);
}
