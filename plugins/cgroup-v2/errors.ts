/** What can go wrong with cgroups, in the kernel's words, and what a person does about it. */
import { asKukeError, KukeError, shellCommand } from 'kuke/plugin';
import type { Cgroup } from '../../src/host/cgroupfs/cgroup.ts';
import { hasCode } from '../../src/host/errno.ts';
import { readMounts } from '../../src/host/mountinfo.ts';
import { markOf } from './mark.ts';

/** Something that is not ours stands where one of our cgroups belongs; it is never touched. */
export function inTheWay(cgroup: Cgroup): KukeError {
  const { path } = cgroup;
  if (readMounts().some(mount => mount.mountPoint === path)) {
    return conflict(`something is mounted at ${path}`, `unmount it: ${shellCommand('umount', path)}`);
  }
  const owner = markOf(path);
  if (owner === undefined) {
    return conflict(`cgroup ${path} exists and is not kuke's`, `if nobody needs it: ${shellCommand('rmdir', path)}`);
  }
  const remedy = 'run `kuke uninstall` with the --run-path of that one; if it is gone, remove the cgroup by hand';
  return conflict(`cgroup ${path} belongs to another installation of kuke (${owner})`, remedy);
}

const conflict = (message: string, remedy: string) => new KukeError('Conflict', message, { remedy });

/** Any failure in the cgroup file system, as the user is told of it. */
export function asCgroupError(thrown: unknown): KukeError {
  if (thrown instanceof KukeError) return thrown;
  if (thrown instanceof AggregateError) {
    const [first, ...others] = thrown.errors.map(asCgroupError);
    if (first !== undefined) return first.with(others);
  }
  if (hasCode(thrown, 'EROFS')) {
    return asKukeError(thrown, 'HostNotReady', { remedy: 'mount the cgroup2 file system writable' });
  }
  if (hasCode(thrown, 'EACCES', 'EPERM') && process.geteuid?.() !== 0) return asKukeError(thrown, 'NotRoot');
  if (hasCode(thrown, 'EAGAIN')) {
    const remedy = 'raise cgroup.max.descendants or cgroup.max.depth of the cgroups that it lies in';
    return asKukeError(thrown, 'CgroupFailed', { remedy });
  }
  const remedy = 'end the processes that are named, then try again';
  return asKukeError(thrown, 'CgroupFailed', hasCode(thrown, 'EBUSY') ? { remedy } : {});
}

/** Throws what the signal was aborted with: a KukeError (a time limit) as it is, anything else as Cancelled. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw asKukeError(signal.reason, 'Cancelled');
}
