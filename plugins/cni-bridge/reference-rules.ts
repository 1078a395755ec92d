/**
 * The rules of the reference plugins in the tables `nat`, of iptables-nft and of old: found by the comment that they give them. The DEL of
 * `bridge` leaves them when the network namespace is gone (223 lines after 50 cells), that of `portmap` when it is not told which ports.
 */
import { type Errand, readNat, removeNat } from '../../src/cni/host-forward/iptables-legacy.ts';
import { chainNames } from '../../src/cni/plugins/reference-rules.ts';
import { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import { type Change, remove } from '../../src/host/nftables/change.ts';
import { listChains, listRules } from '../../src/host/nftables/list.ts';
import { chain, type Rule } from '../../src/host/nftables/object.ts';
import { update } from '../../src/host/nftables/reconcile.ts';

/** Whose: all of a network, or one attachment. */
export interface Owner {
  network: string;
  attachmentId?: string;
}

/** `name: "main-default" id: "5d0c..."`, as utils.FormatComment of containernetworking/plugins has it; portmap puts `dnat` before. */
const COMMENT = /^(?:dnat )?name: "([^"]*)" id: "([^"]*)"$/;

/** Chains of one attachment; CNI-HOSTPORT-DNAT and the like are everybody's. */
const OWN_CHAIN = /^CNI-(?!HOSTPORT-)/;

/** Removes the rules, and the attachments' chains with all that is in them. Returns how many changes of nftables that took. */
export async function removeReferenceRules(owner: Owner, errand: Errand = {}): Promise<number> {
  await removeNat(({ rules, chains }) => pick(owner, rules, chains), errand);
  using socket = new NetlinkSocket('netfilter');
  return update(socket, () => (['ip', 'ip6'] as const).flatMap(family => natChanges(socket, family, owner))).length;
}

/** A network's attachment, and what it publishes. */
export interface Publishing {
  network: string;
  containerId: string;
  /** How many ports, in each family. */
  ports: Readonly<Record<'ip' | 'ip6', number>>;
}

/**
 * Reads what `portmap` has in place; the answer says of an attachment whether its rules are among that. The plugin's own CHECK is of no
 * use: it looks for the rules of an IPv4 address in ip6tables too.
 */
export async function readPublished(errand: Errand = {}): Promise<(one: Publishing) => boolean> {
  const legacy = await readNat(errand);
  using socket = new NetlinkSocket('netfilter');
  const nft = (family: 'ip' | 'ip6') =>
    listRules(socket, { family, table: 'nat' }).map(rule => ({ ...rule, target: targetOf(rule) }));
  const tables = { ip: [nft('ip'), legacy.ip], ip6: [nft('ip6'), legacy.ip6] };
  // Newer ones can do without iptables.
  const native = listRules(socket, { family: 'inet', table: 'cni_hostport' });
  return ({ network, containerId, ports }) => {
    if (native.some(({ comment }) => comment === containerId)) return true;
    const owner = { network, attachmentId: containerId };
    return (['ip', 'ip6'] as const).every(
      family => ports[family] === 0 || tables[family].some(rules => leadsTo(owner, ports[family], rules)),
    );
  };
}

/** From PREROUTING by CNI-HOSTPORT-DNAT into the attachment's own chain, with a rule for each port. */
function leadsTo(owner: Owner, ports: number, rules: readonly Marked[]): boolean {
  const isCalled = rules.some(({ chain, target }) => chain === 'PREROUTING' && target === EVERYBODYS);
  const own = rules.find(rule => rule.chain === EVERYBODYS && isOf(owner, rule));
  return isCalled && own !== undefined && rules.filter(({ chain }) => chain === own.target).length >= ports;
}

const EVERYBODYS = 'CNI-HOSTPORT-DNAT';

function natChanges(socket: NetlinkSocket, family: 'ip' | 'ip6', owner: Owner): Change[] {
  const nat = { family, table: 'nat' };
  const present = listRules(socket, nat).map(rule => ({ ...rule, target: targetOf(rule) }));
  const there = listChains(socket, nat).map(one => one.chain);
  const { rules, chains } = pick(owner, present, there);
  const gone = present.filter(rule => rules.includes(rule) || chains.includes(rule.chain));
  return [...gone.map(remove), ...chains.map(name => remove(chain(nat, name)))];
}

interface Marked {
  chain: string;
  comment?: string | undefined;
  target: string | undefined;
}

function isOf({ network, attachmentId }: Owner, { comment = '' }: Marked): boolean {
  const [, name, id] = COMMENT.exec(comment) ?? [];
  return name === network && (attachmentId === undefined || id === attachmentId);
}

/** The owner's rules, and the chains that hold them, or that they lead to, or that the plugins would have made for the attachment. */
function pick<R extends Marked>(
  owner: Owner,
  all: readonly R[],
  there: readonly string[],
): { rules: R[]; chains: string[] } {
  const { network, attachmentId } = owner;
  const rules = all.filter(rule => isOf(owner, rule));
  // Made before the rule that leads to it, and portmap's rules in it have no comment.
  const named = attachmentId === undefined ? [] : chainNames({ network, containerId: attachmentId });
  const names = new Set([...named, ...rules.flatMap(one => [one.chain, one.target])]);
  return { rules, chains: there.filter(name => names.has(name) && OWN_CHAIN.test(name)) };
}

/** The chain that a rule leads to. */
export function targetOf({ statements }: Rule): string | undefined {
  const verdicts = statements.flatMap(one =>
    one.type === 'verdict' && typeof one.verdict === 'object' ? one.verdict : [],
  );
  return verdicts.flatMap(one => ('jump' in one ? one.jump : one.goto))[0];
}
