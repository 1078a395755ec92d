/** The rules of spaces in the kernel: our sections of the tables, and what the host's FORWARD needs, always changed together and by difference. */
import { KukeError } from 'kuke/plugin';
import { type Obstacle, readForward } from '../../src/cni/host-forward/forward.ts';
import { allowForward, readLegacyForward } from '../../src/cni/host-forward/iptables-legacy.ts';
import { awaken, BRIDGE, INET, readSection, type Section, sectionChanges } from '../../src/cni/ruleset.ts';
import { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import type { Change } from '../../src/host/nftables/change.ts';
import { readConsistently, readGeneration, type TableContent } from '../../src/host/nftables/list.ts';
import type { Elements } from '../../src/host/nftables/object.ts';
import { update } from '../../src/host/nftables/reconcile.ts';
import { markedMembers } from './bridge.ts';
import { type FirstTable, firstMembers, firstTableRemoval, readFirstTable } from './first-table.ts';
import { framesOf, framesSection, seesFrames } from './frames.ts';
import { type Isolated, isMember, isolated, isolationSection, isWhole, membersOf, networkLabel } from './isolation.ts';

/** In whose rules in the host's chains these are found again. */
export function forwardMark(instance: string): string {
  return `kukeon ${instance}`;
}

/** Isolates a bridge from all others; a bridge that the network had before is forgotten. Returns the changes of nftables. */
export function isolate(instance: string, member: Isolated, signal?: AbortSignal): Promise<Change[]> {
  return isolateAll(instance, [member], signal);
}

/**
 * The same for several at once. The installation's other bridges are isolated as the kernel has them: after somebody's `nft flush ruleset`
 * nobody would be kept apart from one whose conflist is lost, cannot be read, or names another bridge.
 */
export function isolateAll(instance: string, wanted: readonly Isolated[], signal?: AbortSignal): Promise<Change[]> {
  const labels = new Set(wanted.map(({ network }) => networkLabel(network)));
  const names = new Set(wanted.map(({ bridge }) => bridge));
  const marked = markedMembers(instance);
  const next = (members: Isolated[]) => {
    const kept = members.filter(({ bridge, network }) => !names.has(bridge) && !labels.has(network));
    const all = [...kept, ...wanted];
    return [...all, ...marked.filter(one => !all.some(({ bridge }) => bridge === one.bridge))];
  };
  return change(instance, next, signal);
}

/** Like `isolate`, but the bridges that the network had before stay known: for the time in which one is renamed. */
export function isolateToo(instance: string, member: Isolated, signal?: AbortSignal): Promise<Change[]> {
  const next = (members: Isolated[]) => [...members.filter(({ bridge }) => bridge !== member.bridge), member];
  return change(instance, next, signal);
}

/** Forgets a network's bridges; with the last one the section goes. */
export function release(
  instance: string,
  network: string,
  bridges: readonly string[] = [],
  signal?: AbortSignal,
): Promise<Change[]> {
  const label = networkLabel(network);
  const next = (members: Isolated[]) =>
    members.filter(member => member.network !== label && !bridges.includes(member.bridge));
  return change(instance, next, signal);
}

/** Removes the section and every marked rule of this installation. */
export function releaseAll(instance: string, signal?: AbortSignal): Promise<Change[]> {
  return change(instance, () => [], signal);
}

/** All rules, as they are at one moment. */
export interface Enforcement {
  /** Whether every rule that a bridge needs is in the kernel. */
  covers(member: Isolated): boolean;
  /** Whether the rules name a bridge, under whichever ranges. */
  knows(bridge: string): boolean;
  /** Whether marked rules for a bridge are left in chains that drop no more. */
  surplus(bridge: string): boolean;
  /** What stands in the way of a bridge's traffic and cannot be moved. */
  obstacles(bridge: string): Obstacle[];
}

export async function readEnforcement(instance: string): Promise<Enforcement> {
  const { forward, members } = readRules(instance);
  const obstacles = (bridge: string) => forward.obstacles(bridge);
  if (members === undefined) return { ...nothing, obstacles };
  const legacy = await readLegacyForward(forwardMark(instance));
  const covers = (member: Isolated) =>
    isMember(members, member) && forward.allows(member.bridge) && legacy.allows(member.bridge);
  const knows = (bridge: string) => members.some(one => one.bridge === bridge);
  return {
    covers,
    knows,
    obstacles,
    surplus: bridge => forward.surplus(bridge) || legacy.surplus(bridge),
  };
}

/** The bridges that our rules know, whether the rules are whole or not; none where they are another's. */
export function readMembers(instance: string): Isolated[] {
  using socket = new NetlinkSocket('netfilter');
  const content = readSection(socket, isolationSection(instance));
  return content !== undefined && isMarked(instance, content) ? membersOf(content) : [];
}

interface Rules {
  forward: ReturnType<typeof readForward>;
  /** Undefined: not all rules are there as they should be. */
  members: Isolated[] | undefined;
}

let lastRead: { instance: string; generation: number; rules: Rules } | undefined;

/** What nftables has. The kernel numbers its changes: while there is none, what was read last still holds, which spares some 10 ms. */
function readRules(instance: string): Rules {
  using socket = new NetlinkSocket('netfilter');
  const before = readGeneration(socket);
  if (lastRead?.instance === instance && lastRead.generation === before) return lastRead.rules;
  const forward = readForward(socket, forwardMark(instance));
  const sections = [isolationSection(instance), framesSection(instance)];
  // Both at one moment, or a change in between would look like damage.
  const { generation, content: read = [] } = readConsistently(socket, 'the rules of spaces', () =>
    sections.map(section => readSection(socket, section)),
  );
  const rules = { forward, members: isolatedIn(instance, read) };
  lastRead = generation === before ? { instance, generation, rules } : undefined;
  return rules;
}

function isolatedIn(instance: string, [content, frames]: (TableContent | undefined)[]): Isolated[] | undefined {
  if (content === undefined || !isMarked(instance, content) || !isWhole(instance, content)) return undefined;
  const members = membersOf(content);
  return seesFrames(instance, members, frames) ? members : undefined;
}

const nothing = { covers: () => false, knows: () => false, surplus: () => false };

/** For a person, with what to do. */
export function explainObstacle({ chain: { family, table, chain }, why, rules }: Obstacle): string {
  const dropping = `chain ${chain} of the nftables table ${family} ${table} drops what cells send`;
  return `${dropping}, and kuke cannot change that: ${why}; give it the rules ${rules.map(one => `\`${one}\``).join(', ')}`;
}

async function change(
  instance: string,
  next: (members: Isolated[]) => Isolated[],
  signal: AbortSignal | undefined,
): Promise<Change[]> {
  const mark = forwardMark(instance);
  let bridges: string[] = [];
  using socket = new NetlinkSocket('netfilter');
  for (const table of [INET, BRIDGE]) awaken(socket, table);
  const made = update(socket, () => {
    const first = readFirstTable(socket);
    const forward = readForward(socket, mark);
    let members: Isolated[] = [];
    const unlessForeign = (section: Section, marks: readonly (string | undefined)[], wanted: () => Elements[]) => {
      const foreign = marks.find(one => one !== undefined && one !== instance);
      if (foreign === undefined) return wanted();
      // Another's, which is none of our business if nothing is to be put into it.
      if (members.length === 0) return undefined;
      throw conflict(section, foreign);
    };
    const packets = isolationSection(instance);
    const own = sectionChanges(socket, packets, present => {
      const marks = [first?.instance, ...marksOf(present)];
      members = next(marks.every(one => one === undefined || one === instance) ? known(present, first) : []);
      return unlessForeign(packets, marks, () => isolated(members));
    });
    bridges = [...new Set(members.map(({ bridge }) => bridge))].sort();
    const frames = framesSection(instance);
    const ofFrames = sectionChanges(socket, frames, present =>
      unlessForeign(frames, marksOf(present), () => framesOf(members)),
    );
    const gone = first?.instance === instance ? firstTableRemoval(first, bridges.length > 0) : [];
    return [...own, ...ofFrames, ...gone, ...forward.changes(bridges)];
  });
  await allowForward(mark, bridges, { signal });
  return made;
}

function known(present: TableContent | undefined, first: FirstTable | undefined): Isolated[] {
  const members = present === undefined ? [] : membersOf(present);
  return members.length === 0 && first !== undefined ? firstMembers(first) : members;
}

function isMarked(instance: string, { chains }: TableContent): boolean {
  return chains.every(({ comment }) => comment === instance);
}

const marksOf = (present: TableContent | undefined): string[] =>
  (present?.chains ?? []).map(({ comment = '' }) => comment);

function conflict({ table: { family, table } }: Section, mark: string): KukeError {
  const whose = mark === '' ? 'carry no mark' : `are marked ${mark}`;
  return new KukeError(
    'Conflict',
    `there are chains for spaces in the nftables table \`${family} ${table}\` that are not this installation's: they ${whose}`,
    {
      step: 'isolate the network',
      remedy: `if nobody needs them: \`nft delete table ${family} ${table}\``,
    },
  );
}
