/** Where kukeond of a run path is found (spec.md §2), by whoever starts, ends or asks it. */
import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { runPathTag } from './run-path-tag.ts';

export interface DaemonPlaces {
  socket: string;
  /** Locked while it runs, by flock(2): so a pid in it is never another process's. */
  pidFile: string;
  /** Of systemd. */
  unit: string;
  /** What it says where there is no journald. */
  log: string;
  /** Who has changed what: `audit.ts`. */
  audit: string;
}

export const DEFAULT_RUN_PATH = '/opt/kukeon';

/** The group whose members may use the socket; its members are as good as root on this host. */
export const DAEMON_GROUP = 'kukeon';

/** Another run path has a daemon of its own, beside the first one; not another way to write the same one, as for the lock. */
export function daemonPlaces(runPath: string): DaemonPlaces {
  const real = realPath(runPath);
  const tag = real === realPath(DEFAULT_RUN_PATH) ? '' : `-${runPathTag(real)}`;
  return {
    socket: `/run/kukeon/kukeond${tag}.sock`,
    pidFile: `/run/kukeon/kukeond${tag}.pid`,
    unit: `kukeond${tag}.service`,
    log: `/var/log/kukeon/kukeond${tag}.log`,
    audit: `/var/log/kukeon/audit${tag}.jsonl`,
  };
}

/** Of what is not there yet: where it will be. */
function realPath(path: string): string {
  const whole = resolve(path);
  try {
    return realpathSync(whole);
  } catch {
    return whole === '/' ? whole : join(realPath(dirname(whole)), basename(whole));
  }
}
