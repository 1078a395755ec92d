/** Taking a containerd of kuke's own off the host: its own folders whole, of all that others use too only what is empty. */
import { existsSync, realpathSync, rmdirSync, rmSync } from 'node:fs';
import { type ActionContext, asKukeError, KukeError } from 'kuke/plugin';
import { hasCode } from '../../../src/host/errno.ts';
import { unmount } from '../../../src/host/mount.ts';
import { type Mount, readMounts } from '../../../src/host/mountinfo.ts';
import { remainsOf, servingOf } from './files.ts';
import type { EndParams, ServeParams } from './operations.ts';
import { endProcess } from './process.ts';

/** Ends it, and removes all that it has made. Nothing of it there: nothing to do. */
export async function endServing({ paths, remains }: EndParams, context: ActionContext): Promise<void> {
  await endProcess(paths, context);
  const failures: KukeError[] = [];
  const attempt = async (removal: () => unknown): Promise<void> => {
    try {
      await removal();
    } catch (thrown) {
      failures.push(asKukeError(thrown));
    }
  };
  for (const socket of remains.sockets) await attempt(() => removeSocket(socket));
  for (const folder of remains.own) await attempt(() => removeOwn(folder));
  for (const folder of remains.shared) await attempt(() => removeEmpty(folder));
  const [first, ...others] = failures;
  if (first !== undefined) throw first.with(others);
}

/** A first one goes with all that it has made; one that was started again only ends, for what the realms have is in its root. */
export async function undoServing({ paths, serving, isRestart }: ServeParams, context: ActionContext): Promise<void> {
  const last = servingOf(paths);
  // A later plan has started one since: this one was left by a kuke that died, and could not be undone in time.
  if (last !== undefined && last.attempt !== serving.attempt) return;
  if (isRestart) await endProcess(paths, context);
  else await endServing({ paths, remains: remainsOf(paths, serving) }, context);
}

/** One that answers is by now that of another containerd. */
async function removeSocket(path: string): Promise<void> {
  if (!(await answers(path))) rmSync(path, { force: true });
}

async function answers(unix: string): Promise<boolean> {
  try {
    (await Bun.connect({ unix, socket: { data() {} } })).end();
    return true;
  } catch {
    return false;
  }
}

/** With all that is in it, and nothing of what is mounted there: a root file system, say, of a container that was killed in a hurry. */
function removeOwn(folder: string): void {
  if (!existsSync(folder)) return;
  const real = realpathSync(folder); // as the mount table has it
  // Until none goes any more: what hid a mount may have been another.
  for (let gone = true; gone; ) {
    gone = mountsBelow(real)
      .reverse()
      .map(({ mountPoint }) => unmount(mountPoint))
      .includes(true);
  }
  const [left] = mountsBelow(real);
  if (left !== undefined) {
    const remedy = `unmount what hides ${left.mountPoint}, then try again`;
    throw new KukeError('Conflict', `${left.mountPoint} is still mounted, so ${folder} stays`, { remedy });
  }
  rmSync(folder, { recursive: true, force: true });
}

function mountsBelow(folder: string): Mount[] {
  return readMounts().filter(({ mountPoint }) => mountPoint.startsWith(`${folder}/`));
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    // In others' use, something mounted there, gone already, or a link that somebody has put there.
    if (!hasCode(error, 'ENOTEMPTY', 'EEXIST', 'EBUSY', 'ENOENT', 'ENOTDIR')) throw error;
  }
}
