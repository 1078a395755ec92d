/**
 * The masquerading rules of the reference plugin `bridge`: found by the comment that it gives them, since its DEL leaves them when the
 * network namespace is gone (223 lines after 50 cells).
 */
import { removeNat } from '../../src/cni/host-forward/iptables-legacy.ts';
import { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import { type Change, remove } from '../../src/host/nftables/change.ts';
import { listRules } from '../../src/host/nftables/list.ts';
import { chain } from '../../src/host/nftables/object.ts';
import { update } from '../../src/host/nftables/reconcile.ts';

/** `name: "main-default" id: "5d0c..."`, as utils.FormatComment of containernetworking/plugins has it. */
const COMMENT = /^name: "([^"]*)" id: "([^"]*)"$/;

/** Removes the rules and chains of an attachment, or of all of a network. Returns how many changes of nftables that took. */
export async function removeMasquerade(network: string, attachmentId?: string): Promise<number> {
  const isOurs = (comment: string | undefined): boolean => {
    const [, name, id] = COMMENT.exec(comment ?? '') ?? [];
    return name === network && (attachmentId === undefined || id === attachmentId);
  };
  await removeNat(isOurs);
  using socket = new NetlinkSocket('netfilter');
  return update(socket, () => (['ip', 'ip6'] as const).flatMap(family => natChanges(socket, family, isOurs))).length;
}

function natChanges(
  socket: NetlinkSocket,
  family: 'ip' | 'ip6',
  isOurs: (comment: string | undefined) => boolean,
): Change[] {
  const nat = { family, table: 'nat' };
  const ours = listRules(socket, nat).filter(({ comment }) => isOurs(comment));
  const chains = [...new Set(ours.map(one => one.chain))].filter(name => name.startsWith('CNI-'));
  return [...ours.map(remove), ...chains.map(name => remove(chain(nat, name)))];
}
