/**
 * What the reference plugins (containernetworking/plugins) have made for an attachment, where kuke's have taken their place since and are
 * given its DEL: rules of iptables-nft, which nftables shows. Those of iptables-legacy it does not, and their newer versions' tables of
 * nftables are left alone: `kuke cni install --force` says that such attachments have to be ended first.
 */
import { NetlinkSocket } from '../../host/netlink/socket.ts';
import { type Change, remove } from '../../host/nftables/change.ts';
import { explainAll } from '../../host/nftables/explain.ts';
import { listRules } from '../../host/nftables/list.ts';
import { chain, type Rule } from '../../host/nftables/object.ts';
import { update } from '../../host/nftables/reconcile.ts';
import type { AttachmentCall } from './plugin.ts';

const FAMILIES = ['ip', 'ip6'] as const;
type Family = (typeof FAMILIES)[number];

/** iptables' limit for the name of a chain. */
const CHAIN_MAX = 28;

/** Of an attachment's own chain: how its name begins, and from where it is jumped to. */
const CHAINS = {
  bridge: { prefix: 'CNI-', from: 'POSTROUTING' },
  portmap: { prefix: 'CNI-DN-', from: 'CNI-HOSTPORT-DNAT' },
} as const;

type Owner = Pick<AttachmentCall, 'network' | 'containerId'>;

/** The names of an attachment's own chains. */
export function chainNames(owner: Owner): string[] {
  return Object.values(CHAINS).map(({ prefix }) => chainName(prefix, owner));
}

/** Removes the chain of the reference plugin `plugin` for the attachment, and the rules that lead to it; where there is none, nothing. */
export function removeReferenceChain(call: AttachmentCall, plugin: keyof typeof CHAINS): void {
  const { prefix, from } = CHAINS[plugin];
  const name = chainName(prefix, call);
  removeRules(call, (socket, family) => {
    const nat = { family, table: 'nat' };
    const own = listRules(socket, { ...nat, chain: name });
    if (own.length === 0) return [];
    const jumps = listRules(socket, { ...nat, chain: from }).filter(rule => jumpsTo(rule, name));
    return [...[...jumps, ...own].map(remove), remove(chain(nat, name))];
  });
}

/** Removes the rules by which the reference plugin `firewall` lets an attachment's addresses through. */
export function removeReferenceForward(call: AttachmentCall): void {
  const addresses = (call.prevResult?.ips ?? []).map(({ address }) => address.replace(/\/.*$/, ''));
  if (addresses.length === 0) return;
  removeRules(call, (socket, family) => {
    const rules = listRules(socket, { family, table: 'filter', chain: 'CNI-FORWARD' });
    return rules.filter(rule => isAbout(rule, addresses)).map(remove);
  });
}

type Changes = (socket: NetlinkSocket, family: Family) => Change[];

function removeRules({ trace }: AttachmentCall, changesOf: Changes): void {
  using socket = new NetlinkSocket('netfilter');
  update(
    socket,
    () => FAMILIES.flatMap(family => changesOf(socket, family)),
    (changes, run) => trace(explainAll(changes), run),
  );
}

/** As utils.MustFormatChainNameWithPrefix has it. */
function chainName(prefix: string, { network, containerId }: Owner): string {
  const hash = new Bun.CryptoHasher('sha512').update(`${network}${containerId}`).digest('hex');
  return `${prefix}${hash}`.slice(0, CHAIN_MAX);
}

function jumpsTo({ statements }: Rule, name: string): boolean {
  return statements.some(
    one =>
      one.type === 'verdict' && typeof one.verdict === 'object' && 'jump' in one.verdict && one.verdict.jump === name,
  );
}

function isAbout({ statements }: Rule, addresses: readonly string[]): boolean {
  return statements.some(
    one => one.type === 'match' && /^ip6? [sd]addr$/.test(one.left) && addresses.includes(one.right),
  );
}
