/** The rules of spaces in the kernel: our own table, and what the host's FORWARD needs, always changed together and by difference. */
import { KukeError } from 'kuke/plugin';
import { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import { type Change, remove } from '../../src/host/nftables/change.ts';
import { readTable, type TableContent } from '../../src/host/nftables/list.ts';
import { difference, update } from '../../src/host/nftables/reconcile.ts';
import { readForward } from './host-forward.ts';
import { allowForward, readLegacyForward } from './iptables-legacy.ts';
import { type Isolated, isMember, isolation, isolationTable, isWhole, membersOf, networkLabel } from './isolation.ts';

/** Isolates a bridge from all others; a bridge that the network had before is forgotten. Returns the changes of nftables. */
export function isolate(instance: string, member: Isolated): Promise<Change[]> {
  const label = networkLabel(member.network);
  return change(instance, members => [
    ...members.filter(({ bridge, network }) => bridge !== member.bridge && network !== label),
    member,
  ]);
}

/** Like `isolate`, but the bridges that the network had before stay known: for the time in which one is renamed. */
export function isolateToo(instance: string, member: Isolated): Promise<Change[]> {
  return change(instance, members => [...members.filter(({ bridge }) => bridge !== member.bridge), member]);
}

/** Forgets a network's bridges; with the last one the table goes. */
export function release(instance: string, network: string, bridges: readonly string[] = []): Promise<Change[]> {
  const label = networkLabel(network);
  return change(instance, members =>
    members.filter(member => member.network !== label && !bridges.includes(member.bridge)),
  );
}

/** Removes the table and every marked rule of this installation. */
export function releaseAll(instance: string): Promise<Change[]> {
  return change(instance, () => []);
}

/** The bridges that are known to the kernel's table for a network. */
export function isolatedBridges(instance: string, network: string): string[] {
  using socket = new NetlinkSocket('netfilter');
  const { content } = readTable(socket, isolationTable(instance));
  if (content?.table.comment !== instance) return [];
  return membersOf(content)
    .filter(member => member.network === networkLabel(network))
    .map(({ bridge }) => bridge);
}

/** Reads all rules; the answer says of a bridge whether every one that it needs is in the kernel. */
export async function readEnforcement(instance: string): Promise<(member: Isolated) => boolean> {
  using socket = new NetlinkSocket('netfilter');
  const { content } = readTable(socket, isolationTable(instance));
  if (content === undefined || content.table.comment !== instance || !isWhole(instance, content)) return () => false;
  const members = membersOf(content);
  const forward = readForward(socket, instance);
  const legacy = await readLegacyForward(instance);
  return member => isMember(members, member) && forward.allows(member.bridge) && legacy(member.bridge);
}

async function change(instance: string, next: (members: Isolated[]) => Isolated[]): Promise<Change[]> {
  let bridges: string[] = [];
  using socket = new NetlinkSocket('netfilter');
  const made = update(socket, () => {
    const { content } = readTable(socket, isolationTable(instance));
    const present = content && ownContent(instance, content, next);
    const members = next(present ? membersOf(present) : []);
    bridges = [...new Set(members.map(({ bridge }) => bridge))].sort();
    return [...tableChanges(instance, members, present), ...readForward(socket, instance).changes(bridges)];
  });
  await allowForward(instance, bridges);
  return made;
}

function tableChanges(instance: string, members: Isolated[], present: TableContent | undefined): Change[] {
  if (members.length > 0) return difference(isolation(instance, members), present);
  return present === undefined ? [] : [remove(present.table)];
}

/** Nothing, if another's table is in the way and nothing is to be put into it. */
function ownContent(
  instance: string,
  content: TableContent,
  next: (members: Isolated[]) => Isolated[],
): TableContent | undefined {
  const { comment } = content.table;
  if (comment === instance) return content;
  if (next([]).length === 0) return undefined;
  const whose = comment === undefined ? 'carries no mark' : `is marked ${comment}`;
  throw new KukeError(
    'Conflict',
    `there is an nftables table \`inet kukeon\` that is not this installation's: it ${whose}`,
    {
      step: 'isolate the network',
      remedy: 'if nobody needs it: `nft delete table inet kukeon`',
    },
  );
}
