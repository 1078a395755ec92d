/** Files that, after a crash at any moment, are either as they were or as they should be. */
import { closeSync, constants, fchmodSync, fsync, openSync, renameSync, unlinkSync } from 'node:fs';
import { type FileHandle, open, readdir, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { hasCode } from './errno.ts';
import { asSystemError } from './libc.ts';
import { identify } from './pidfd.ts';
import { writeWhole } from './write-whole.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

/**
 * Replaces a file: a temporary one beside it is written and fsynced, renamed over it, and the directory fsynced. `mode` is that of the
 * result, whatever the umask and the old file's mode (0644 if not given). A symbolic link at `path` is replaced, not followed. After an
 * error the old file is as it was and no temporary one is left. SystemError in the kernel's words.
 */
export async function replaceFile(
  path: string,
  content: string | Uint8Array,
  options: { mode?: number } = {},
): Promise<void> {
  const mode = options.mode ?? 0o644;
  const temporary = join(dirname(path), temporaryName(basename(path)));
  try {
    await writeNew(temporary, content, mode);
    await rename(temporary, path);
    await removeStaleTemporaries(dirname(path), basename(path));
    await syncDirectory(dirname(path));
  } catch (error) {
    await unlink(temporary).catch(() => {}); // after the rename it is gone already
    throw asSystemError(error, path);
  }
}

/**
 * The same for a directory of many files: what a killed call left stays until `removeStaleTemporaries` is called, so that the costs do not
 * grow with the directory. Only the fsyncs leave the event loop, which is less work than a hop for each step.
 */
export async function replaceFileAmongMany(path: string, content: string, { mode }: { mode: number }): Promise<void> {
  const temporary = join(dirname(path), temporaryName(basename(path)));
  let isThere = false;
  try {
    const fd = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    isThere = true;
    try {
      writeWhole(fd, content);
      fchmodSync(fd, mode);
      await synced(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
    isThere = false;
    const directory = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await synced(directory);
    } finally {
      closeSync(directory);
    }
  } catch (error) {
    if (isThere) unlinkSync(temporary);
    throw asSystemError(error, path);
  }
}

const synced = promisify(fsync);

/**
 * Rewrites an existing file in place, for one that is bind-mounted into containers: a renamed one would never arrive there. Not atomic:
 * until the last step a reader may see the end of a longer old content after the new one.
 */
export async function rewriteInPlace(path: string, content: string | Uint8Array): Promise<void> {
  try {
    const bytes = Buffer.from(content);
    await using file = await open(path, O_WRONLY | O_NOFOLLOW);
    await writeAll(file, bytes);
    await file.truncate(bytes.length);
    await file.sync();
  } catch (error) {
    throw asSystemError(error, path);
  }
}

/** Makes the removal or creation of names in a directory last: fsync(2) of the directory. */
export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await directory.sync();
}

/**
 * Removes what killed calls of `replaceFile` left in a directory, of one file or of all, and returns the names; those of running processes
 * stay. The next writing of a file does it for that one; whoever removes a file calls it. A directory that is not there has none.
 */
export async function removeStaleTemporaries(directory: string, of = ''): Promise<string[]> {
  const stale = (await namesIn(directory)).filter(name => name.startsWith(`.${of}`) && isStaleTemporary(name));
  for (const name of stale) {
    await unlink(join(directory, name)).catch(error => {
      if (!hasCode(error, 'ENOENT')) throw asSystemError(error, join(directory, name));
    });
  }
  return stale;
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw asSystemError(error, directory);
  }
}

// The name says whose it is: pid and start time, since pids come round again.
const TEMPORARY = /^\..+\.(\d+)-(\d+)-[0-9a-f]{16}\.tmp$/;
let self: string | undefined;

/** A name beside `name` that `removeStaleTemporaries` knows when this process is gone. */
export function temporaryName(name: string): string {
  self ??= `${process.pid}-${identify(process.pid)?.startTime}`;
  return `.${name}.${self}-${Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString('hex')}.tmp`;
}

/** Whether a killed call of `replaceFile` has left a file of this name. */
export function isStaleTemporary(name: string): boolean {
  const [, pid, startTime] = TEMPORARY.exec(name) ?? [];
  return pid !== undefined && identify(Number(pid))?.startTime !== Number(startTime);
}

async function writeNew(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  await using file = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  await writeAll(file, Buffer.from(content));
  await file.chmod(mode); // the umask may have taken bits away
  await file.sync();
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, offset, bytes.length - offset, offset);
    offset += bytesWritten;
  }
}
