/** Folders below the run path and the log folder: never through a symbolic link, and nothing empty left behind. */
import { lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { lstat, mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { KukeError } from 'kuke/plugin';
import { removeStaleTemporaries, syncDirectory } from '../../src/host/atomic-file.ts';
import { hasCode } from '../../src/host/errno.ts';

/**
 * The run path with its symbolic links resolved: where it lies is the administrator's choice. What it resolves to, and a link that it
 * is itself, must belong to root or to us, and nobody else may be able to write there: kuke does as root what the files say.
 * A path that is not there (yet) is returned as it is.
 */
export function trustedRoot(runPath: string): string {
  const path = resolve(runPath);
  const link = lstatSync(path, { throwIfNoEntry: false });
  if (link === undefined) return path;
  const root = realPath(path);
  const folder = lstatSync(root);
  if (!folder.isDirectory()) throw new KukeError('Conflict', `${path} is not a folder`, { remedy: 'move it away' });
  const owners = [link.uid, folder.uid].filter(uid => uid !== 0 && uid !== process.geteuid?.());
  if (owners.length > 0 || (folder.mode & 0o022) !== 0) {
    const why = `owner ${owners[0] ?? folder.uid}, mode ${(folder.mode & 0o7777).toString(8)}`;
    throw new KukeError('HostNotReady', `${root} can be changed by others than root (${why})`, {
      remedy: `chown -h root ${path} && chown root ${root} && chmod go-w ${root}`,
    });
  }
  return root;
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (thrown) {
    if (!hasCode(thrown, 'ENOENT')) throw thrown;
    throw new KukeError('HostNotReady', `${path} is a link to what is not there: ${readlinkSync(path)}`, {
      remedy: 'make the folder, mount what it is on, or remove the link',
    });
  }
}

/** `names` as they are spelt on disk, for names that differ only in case are one (spec.md §1); what is not there, as given. */
export async function spelling(root: string, names: readonly string[]): Promise<string[]> {
  const spelt: string[] = [];
  for (const name of names) spelt.push(await spellingIn(join(root, ...spelt), name));
  return spelt;
}

async function spellingIn(folder: string, name: string): Promise<string> {
  if (await kindOf(join(folder, name))) return name;
  const there = await readdir(folder).catch(ignore('ENOENT', 'ENOTDIR'));
  return there?.find(other => other.toLowerCase() === name.toLowerCase()) ?? name;
}

/** The longest beginning of `names` that is folders below `root`. Where a link or a file is in the way, nothing of ours can be behind it. */
export async function foldersThere(root: string, names: readonly string[]): Promise<readonly string[]> {
  for (let depth = 1; depth <= names.length; depth++) {
    if ((await kindOf(join(root, ...names.slice(0, depth)))) !== 'folder') return names.slice(0, depth - 1);
  }
  return names;
}

/** Whether `root` and all of `names` below it are folders. */
export async function isFolder(root: string, names: readonly string[]): Promise<boolean> {
  return (await kindOf(root)) === 'folder' && (await foldersThere(root, names)).length === names.length;
}

/** Makes what is missing of the folders, durably. Returns those that it made, outermost first. */
export async function makeFolders(root: string, names: readonly string[], mode = 0o755): Promise<string[]> {
  const made: string[] = [];
  try {
    if ((await kindOf(root)) === undefined) {
      const outermost = await mkdir(root, { recursive: true, mode: 0o755 });
      if (outermost !== undefined) await syncDirectory(dirname(outermost));
    }
    for (let depth = 1; depth <= names.length; depth++) {
      const path = join(root, ...names.slice(0, depth));
      if (await makeFolder(path, mode)) made.push(path);
    }
    return made;
  } catch (thrown) {
    for (const path of made.reverse()) await rmdir(path).catch(() => {});
    throw thrown;
  }
}

async function makeFolder(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, mode);
    await syncDirectory(dirname(path));
    return true;
  } catch (thrown) {
    if (!hasCode(thrown, 'EEXIST')) throw thrown;
    const kind = await kindOf(path);
    if (kind !== 'folder' && kind !== undefined) throw inTheWay(path, kind);
    return false;
  }
}

/** Removes the innermost folder and those around it, as far as they are empty; `root` stays. */
export async function removeEmpty(root: string, names: readonly string[]): Promise<void> {
  for (let depth = names.length; depth > 0; depth--) {
    const path = join(root, ...names.slice(0, depth));
    try {
      await rmdir(path);
      await syncDirectory(dirname(path));
    } catch (thrown) {
      if (hasCode(thrown, 'ENOTEMPTY', 'EEXIST', 'EBUSY')) return; // busy: a mount point, which is somebody's
      if (!hasCode(thrown, 'ENOENT')) throw thrown;
    }
  }
}

/** Removes a file or folder with all that is in it, and the folders around it that are empty then; done again, it goes on where a killed one was. */
export async function removeBelow(root: string, names: readonly string[]): Promise<void> {
  const around = await foldersThere(root, names.slice(0, -1));
  if (around.length === names.length - 1) {
    await rm(join(root, ...names), { recursive: true, force: true });
    const folder = join(root, ...around);
    // Another removal may take the folder around it away, as empty, meanwhile.
    await removeStaleTemporaries(folder).catch(ignore('ENOENT'));
    await syncDirectory(folder).catch(ignore('ENOENT'));
  }
  await removeEmpty(root, around);
}

type PathKind = 'folder' | 'symbolic link' | 'file';

async function kindOf(path: string): Promise<PathKind | undefined> {
  const entry = await lstat(path).catch(ignore('ENOENT', 'ENOTDIR'));
  if (entry === undefined) return undefined;
  if (entry.isSymbolicLink()) return 'symbolic link';
  return entry.isDirectory() ? 'folder' : 'file';
}

function inTheWay(path: string, kind: PathKind): KukeError {
  const remedy = 'move it away, then try again';
  return new KukeError('Conflict', `${path} is a ${kind} where a folder belongs`, { remedy });
}

/** For `catch`: these errors mean that there is nothing. */
export function ignore(...codes: string[]): (thrown: unknown) => undefined {
  return thrown => {
    if (!hasCode(thrown, ...codes)) throw thrown;
  };
}
