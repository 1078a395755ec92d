/** What `kuke doctor` says of the journal and the lock: what a kuke that died has left there. */
import type { StoreBackend } from './backends/index.ts';
import type { Finding } from './extensible.ts';
import type { Journal } from './journal.ts';
import type { Kernel } from './registry.ts';

export type LockState = Awaited<ReturnType<NonNullable<StoreBackend['lockState']>>>;

export const lockState = async (kernel: Kernel): Promise<LockState | undefined> =>
  (await kernel.use('store')).lockState?.();

/** `before`: the lock when the host began to be looked at; `isOurs`: it is this command's, and not only this process's. */
export async function journalFindings(
  kernel: Kernel,
  journal: Journal,
  before: LockState | undefined,
  isOurs: boolean,
): Promise<Finding[]> {
  const { left: seen, unreadable, foreign } = journal.look();
  const { heldBy = before?.heldBy, writtenBy, path } = (await lockState(kernel)) ?? {};
  // A short command may have had the lock in between.
  const still = new Set(seen.length === 0 ? [] : journal.look().left.map(one => one.path));
  const left = seen.filter(one => still.has(one.path));
  return [
    ...(heldBy !== undefined && !isOurs
      ? [
          {
            level: 'warning' as const,
            code: 'Busy',
            what: `another kuke is at work, and what it is at may be told here as a fault: pid ${heldBy.pid}, ${heldBy.command}`,
            remedy: 'run it again when that has ended',
          },
        ]
      : left.map(({ command }) => ({
          level: 'error' as const,
          code: 'JournalLeft',
          what: `an earlier command did not end: ${command}`,
          // Whoever takes the lock, as for this, has undone or finished it by then.
          fix: async () => {},
        }))),
    ...(heldBy === undefined && writtenBy !== undefined
      ? [
          {
            level: 'warning' as const,
            code: 'StaleLock',
            what: `${path} names a kuke that has ended, pid ${writtenBy.pid}: ${writtenBy.command}`,
            fix: async () => {}, // taking it has emptied it
          },
        ]
      : []),
    ...unreadable.map(one => ({
      level: 'warning' as const,
      code: 'JournalUnreadable',
      what: `what an earlier command began can be neither undone nor finished: ${one.path}: ${one.why}`,
      remedy: `apply or delete what it was about again, then: rm ${one.path}`,
    })),
    ...foreign.map(one => ({
      level: 'warning' as const,
      code: 'JournalForeign',
      what: `${one} is no journal of kuke's`,
      remedy: `look at it, then: rm ${one}`,
    })),
  ];
}
