/** Whose turn has come, of what depends on others (docs/supervision.md): nobody waits for it under the lock. Pure, as decide.ts. */
import type { Condition } from '../../kernel/depends-on.ts';
import { isDue, type Member, type Supervised, WAITING } from '../../kernel/supervision.ts';
import type { MemberMemory, Memory } from './decide.ts';

export const isMemberDue = (member: Member, known: MemberMemory | undefined): boolean => {
  const { heldFor: _, ...rest } = member;
  return isDue(
    { ...rest, ...(known?.heldFor !== undefined && { heldFor: known.heldFor }) },
    known?.retries ?? member.retries,
  );
};

/** Of one that waits: what it depends on is as it says. */
export const isInTurn = ({ after }: Member, members: readonly Member[], memory: Memory): boolean =>
  after.every(({ id, condition }) => {
    const other = members.find(one => one.id === id);
    return other === undefined || isAs(other, condition, memory);
  });

function isAs({ id, state, exitCode, check }: Member, condition: Condition, memory: Memory): boolean {
  const known = memory.members.get(id);
  if (state !== 'running' && known?.heldFor === WAITING) return false;
  if (condition === 'completed') return state === 'ended' && exitCode === 0;
  if (condition === 'started') return state === 'running' || state === 'ended';
  return state === 'running' && (check === undefined || known?.health === 'healthy');
}

/** When all is started anew: those that have to wait for more than a start, and those that come after them. */
export function leftForLater(members: readonly Member[]): string[] {
  const left = new Set<string>();
  const hasToWait = ({ isRoot, after }: Member): boolean =>
    !isRoot &&
    after.some(
      ({ id, condition }) =>
        left.has(id) ||
        !isAtOnce(
          members.find(one => one.id === id),
          condition,
        ),
    );
  for (let before = -1; before < left.size; ) {
    before = left.size;
    for (const one of members) if (hasToWait(one)) left.add(one.id);
  }
  return [...left];
}

const isAtOnce = (other: Member | undefined, condition: Condition): boolean =>
  other === undefined || condition === 'started' || (condition === 'healthy' && other.check === undefined);

/** Whether another resource is as one that comes after it says; or has ended for good, so that it would be waited for in vain. */
export function isReached({ members }: Supervised, memory: Memory, condition: Condition): boolean {
  const root = members.find(({ isRoot }) => isRoot);
  if (root === undefined) return true;
  if (isOver(root, memory.members.get(root.id))) return true;
  if (condition === 'completed') return isAs(root, condition, memory);
  const isWell = (one: Member) => one.check === undefined || isAs(one, 'healthy', memory);
  return root.state === 'running' && (condition === 'started' || members.every(isWell));
}

/** It was started, has ended, and stays so: what a reboot has taken is started again. */
function isOver(root: Member, known: MemberMemory | undefined): boolean {
  const isKnown = root.exitCode !== undefined || known?.heldFor !== undefined;
  return root.state === 'ended' && isKnown && !isMemberDue(root, known);
}
