/** Ending what runs in a cgroup and removing it with all that is below. */
import { asKukeError, type KukeError } from 'kuke/plugin';
import { type Cgroup, exists } from '../../src/host/cgroupfs/cgroup.ts';
import { kill, untilEmpty } from '../../src/host/cgroupfs/processes.ts';
import { remove } from '../../src/host/cgroupfs/tree.ts';
import { hasCode } from '../../src/host/errno.ts';
import type { Mount } from '../../src/host/mountinfo.ts';
import { takeBackHandedDown } from './above.ts';
import { inTheWay, throwIfAborted } from './errors.ts';
import { CELL_DEPTH, parentOf, v1Hierarchies } from './hierarchy.ts';
import { forgetCreation, markOf, ownership } from './mark.ts';
import { removeLeftovers } from './v1-leftovers.ts';
import { walk } from './walk.ts';

export interface Removal {
  cgroup: Cgroup;
  /** Names of the groups in it that a runtime makes; undefined: whatever there is. */
  leaves: readonly string[] | undefined;
  instance: string;
  mounts: readonly Mount[];
  /** Milliseconds that killed processes have to end in. */
  killLimitMs: number;
  signal: AbortSignal;
}

/**
 * One that is absent, or not ours, is left as it is. Conflict if something that is not ours lies in it; TimedOut if a process stays, and
 * then all that is empty has been removed.
 */
export async function removeCgroup(removal: Removal): Promise<void> {
  const { cgroup, instance, mounts } = removal;
  const owner = ownership(cgroup, instance);
  if (owner === 'foreign') return;
  let unended: KukeError | undefined;
  if (owner !== 'absent') {
    refuseForeignBelow(removal);
    unended = await end(removal);
  }
  const errors: unknown[] = [];
  // The v1 directories first: as long as the marked one stands, a removal that was interrupted is known to be ours to finish.
  for (const step of [
    ...v1Hierarchies(mounts).map(
      ({ mountPoint }) =>
        () =>
          removeLeftovers(mountPoint, cgroup.names),
    ),
    ...(owner === 'absent' ? [] : [() => remove(cgroup)]),
    () => forgetCreation(cgroup, instance),
    ...(cgroup.names.length === 1 ? [() => exists(cgroup) || takeBackHandedDown(parentOf(cgroup))] : []),
  ]) {
    try {
      step();
    } catch (error) {
      errors.push(error);
    }
  }
  // What could not be removed because of a process that stays says nothing new.
  if (unended !== undefined) throw unended;
  if (errors.length > 0) throw new AggregateError(errors);
}

/** Kills all that lives there and waits for its end; returns what to say if that takes longer than the limit. */
async function end({ cgroup, killLimitMs, signal }: Removal): Promise<KukeError | undefined> {
  const limit = AbortSignal.timeout(killLimitMs);
  const either = AbortSignal.any([signal, limit]);
  try {
    await kill(cgroup, either);
    await untilEmpty(cgroup, either);
    return undefined;
  } catch (error) {
    throwIfAborted(signal);
    // Another removal was quicker.
    if (hasCode(error, 'ENOENT', 'ENODEV')) return undefined;
    if (!limit.aborted) throw error;
    const remedy =
      'a process that SIGKILL does not end waits for a device or a file system (state D in `ps`): mend that, then try again';
    return asKukeError(error, 'TimedOut', { remedy });
  }
}

function refuseForeignBelow({ cgroup, leaves, instance, mounts }: Removal): void {
  const mounted = mounts.find(mount => mount.mountPoint.startsWith(`${cgroup.path}/`));
  if (mounted !== undefined) throw inTheWay({ ...cgroup, path: mounted.mountPoint });
  for (const group of walk(cgroup)) {
    const mark = markOf(group.path);
    // Down to the cells only kuke makes groups; below them runtimes do, and programs in containers.
    const isIn = group.names.length === cgroup.names.length + 1;
    const isStray = isIn && leaves !== undefined && !leaves.includes(group.names.at(-1) ?? '');
    const isKukes = group.names.length <= CELL_DEPTH || isStray;
    if (mark === undefined ? isKukes && ownership(group, instance) === 'foreign' : mark !== instance) {
      throw inTheWay(group);
    }
  }
}
