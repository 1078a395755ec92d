/**
 * Processes that somebody has moved into our groups. Those of a container are in a pid namespace of its own, whatever they start; so one that is
 * in ours, as seen from the host, is no container's.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import type { CgroupStranger } from 'kuke/plugin';
import type { Cgroup } from '../../src/host/cgroupfs/cgroup.ts';
import { pids } from '../../src/host/cgroupfs/processes.ts';
import { hasCode } from '../../src/host/errno.ts';
import { pathOf } from './hierarchy.ts';
import { walk } from './walk.ts';

export function strangersIn(top: Cgroup): CgroupStranger[] {
  const own = namespaceOf('self');
  return [...walk(top)].flatMap(cgroup =>
    pids(cgroup).flatMap((pid): CgroupStranger[] => {
      const command = namespaceOf(pid) === own ? commandOf(pid) : undefined;
      return command === undefined ? [] : [{ pid, command, path: pathOf(cgroup) }];
    }),
  );
}

/** Undefined: it has ended. */
const namespaceOf = (pid: number | 'self') => ifThere(() => readlinkSync(`/proc/${pid}/ns/pid`));

/** As `ps` shows it; undefined: it has ended, and is only waited for. */
function commandOf(pid: number): string | undefined {
  const words = ifThere(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.split('\0');
  return words?.join(' ').trim() || undefined;
}

function ifThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}
