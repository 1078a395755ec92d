/**
 * Where the host's own rules drop what nobody accepts (Docker, ufw, firewalld and Debian's example of an nftables.conf do), an accept in
 * a table of ours does not help: bridges need marked rules in those very chains. Whoever is on such a bridge may then speak to its own
 * network and to the outside, and only replies and published ports come in; what one network may not do to another is still dropped by
 * our own table.
 */
import type { NetlinkSocket } from '../../host/netlink/socket.ts';
import { type Change, remove } from '../../host/nftables/change.ts';
import { formatRule } from '../../host/nftables/explain.ts';
import { listChains, listTables } from '../../host/nftables/list.ts';
import type { ChainName, Family, Rule } from '../../host/nftables/object.ts';
import { isSameRule } from '../../host/nftables/reconcile.ts';
import { iptablesChains } from './iptables-nft.ts';
import { nativeChains } from './native.ts';

/** A chain through which all that is forwarded goes. */
export interface ForwardChain {
  chain: ChainName;
  /** All that carry our mark. */
  present: readonly Rule[];
  /** Of these, the ones that are reached. */
  reached: readonly Rule[];
  /** What an interface needs there; nothing where it would pass anyway. */
  rulesFor(name: string): Rule[];
  /** Where such a rule is to stand. */
  place(rule: Rule): Change;
  /** Why nobody but its owner can put it there. */
  obstacle?: string;
}

/** A chain that drops what comes from our interfaces, and into which no rule of ours can go. */
export interface Obstacle {
  chain: ChainName;
  why: string;
  /** What should be there, in nft's language. */
  rules: string[];
}

/** What the host's chains have for which interfaces, at one moment. */
export interface HostForward {
  /** The changes that leave exactly the rules for these interfaces. */
  changes(interfaces: readonly string[]): Change[];
  /** Those that add what these interfaces lack, and leave the rules for others. */
  missing(interfaces: readonly string[]): Change[];
  /** Whether the rules for an interface are in all chains where they are needed and can be. */
  allows(name: string): boolean;
  /** Whether rules for an interface are left where nothing drops any more. */
  surplus(name: string): boolean;
  obstacles(name: string): Obstacle[];
}

const FAMILIES: readonly Family[] = ['ip', 'ip6', 'inet', 'bridge'];

/** Reads all chains of nftables that see what is forwarded, those of iptables-nft among them. By `mark` our rules are found again. */
export function readForward(socket: NetlinkSocket, mark: string): HostForward {
  const tables = listTables(socket);
  const used = FAMILIES.filter(family => tables.some(table => table.family === family));
  const chains = used.flatMap(family => listChains(socket, { family }));
  const all = [...iptablesChains(socket, chains, mark), ...nativeChains(socket, tables, chains, mark)];
  const open = all.filter(({ obstacle }) => obstacle === undefined);
  return {
    changes: interfaces =>
      open.flatMap(({ present, reached, rulesFor, place }) => {
        const wanted = interfaces.flatMap(rulesFor);
        const kept = reached.filter(one => includes(wanted, one));
        const stale = present.filter(one => !kept.includes(one));
        return [...wanted.filter(one => !includes(kept, one)).map(place), ...stale.map(remove)];
      }),
    missing: interfaces =>
      open.flatMap(({ reached, rulesFor, place }) =>
        interfaces.flatMap(rulesFor).flatMap(one => (includes(reached, one) ? [] : [place(one)])),
      ),
    allows: name => open.every(({ reached, rulesFor }) => rulesFor(name).every(one => includes(reached, one))),
    surplus: name =>
      open.some(
        ({ present, rulesFor }) => present.some(one => interfaceIn(one) === name) && rulesFor(name).length === 0,
      ),
    obstacles: name =>
      all.flatMap(({ chain, rulesFor, obstacle: why }) => {
        const rules = why === undefined ? [] : rulesFor(name);
        return why === undefined || rules.length === 0 ? [] : [{ chain, why, rules: wordsOf(chain, name, rules) }];
      }),
  };
}

function wordsOf({ family }: ChainName, name: string, rules: readonly Rule[]): string[] {
  if (family === 'bridge') return [`meta ibrname "${name}" accept`];
  return rules.map(({ comment: _, statements, ...rest }) =>
    formatRule({ ...rest, statements: statements.filter(({ type }) => type !== 'counter') }),
  );
}

function includes(rules: readonly Rule[], wanted: Rule): boolean {
  const name = interfaceIn(wanted);
  return rules.some(rule => interfaceIn(rule) === name && isSameRule(rule, wanted));
}

/** Cheap to compare, before the whole rule is. */
function interfaceIn({ statements: [first] }: Rule): string | undefined {
  return first?.type === 'match' ? first.right : undefined;
}
