/**
 * Removing links while other work goes on. The kernel takes some 20 ms for one, since it waits until nobody can be using it any more; it
 * takes no longer for many that go at once. So a thread waits, and what is asked for meanwhile goes together with the next.
 */
import { deleteGroupAside, deleteLinkAside, type Link, setLink } from './link.ts';
import { NetlinkSocket } from './socket.ts';

interface Removal {
  link: Pick<Link, 'index' | 'name'>;
  resolve(): void;
  reject(error: unknown): void;
}

/** Links that go together are in a group of their own, with a number of these, for the moment before. */
const FIRST_GROUP = 0x2000_0000;
const GROUPS = 0x2000_0000;

/** Whether a link in that group is about to go: whoever takes it out of it keeps it. */
export function isLeaving({ group = 0 }: Pick<Link, 'group'>): boolean {
  return group >= FIRST_GROUP && group < FIRST_GROUP + GROUPS;
}

let asked: Removal[] = [];
let isRemoving = false;

/** Removes a link of this process's network namespace. Rejects with SystemError: ENODEV if it is gone. */
export function removeLink(link: Pick<Link, 'index' | 'name'>): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  asked.push({ link, resolve, reject });
  if (!isRemoving) void removeAsked();
  return promise;
}

async function removeAsked(): Promise<void> {
  isRemoving = true;
  while (asked.length > 0) {
    const batch = asked;
    asked = [];
    await removeTogether(batch);
  }
  isRemoving = false;
}

async function removeTogether(batch: readonly Removal[]): Promise<void> {
  const [first, ...others] = batch;
  try {
    using socket = new NetlinkSocket('route');
    if (first !== undefined && others.length === 0) {
      await deleteLinkAside(socket, first.link);
      return first.resolve();
    }
    const group = FIRST_GROUP + ((crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) % GROUPS);
    const grouped = batch.filter(removal => enter(socket, group, removal));
    if (grouped.length === 0) return;
    await deleteGroupAside(socket, group);
    for (const { resolve } of grouped) resolve();
  } catch (error) {
    for (const { reject } of batch) reject(error); // of those that are settled already, it does nothing
  }
}

/** False, and it is rejected, for one that cannot be. */
function enter(socket: NetlinkSocket, group: number, { link, reject }: Removal): boolean {
  try {
    setLink(socket, link.index, { group });
    return true;
  } catch (error) {
    reject(error);
    return false;
  }
}
