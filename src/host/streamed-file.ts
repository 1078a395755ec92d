/** A file whose content comes bit by bit: there whole, or not at all (open(2), O_TMPFILE; linkat(2)). */
import { constants, lstatSync, realpathSync, statSync } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { removeStaleTemporaries, syncDirectory, temporaryName } from './atomic-file.ts';
import { hasCode } from './errno.ts';
import { asSystemError, checked, cstring, libc } from './libc.ts';

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
/** asm-generic/fcntl.h, which x86 and arm64 have; node:fs has no name for it. */
const O_TMPFILE = 0o20000000 | O_DIRECTORY;
const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;
/** As the shell's `>` makes files: less the umask. */
const MODE = 0o666;

/**
 * Writes a file, or replaces one: fsynced before it gets its name. Until then it has none, so that not even SIGKILL leaves anything; where
 * the file system cannot do that, one that nobody can guess (`removeStaleTemporaries`). A symbolic link is replaced, not followed; but what
 * stands for a descriptor (/dev/stdout), and what is no file (a pipe, a device), is written into. SystemError, and what `parts` throws.
 */
export async function writeStreamed(
  path: string,
  parts: AsyncIterable<Uint8Array>,
  make: typeof openUnnamed = openUnnamed,
): Promise<void> {
  if (!(await told(path, async () => isReplaceable(path)))) {
    await using into = await told(path, () => open(path, O_WRONLY | O_APPEND));
    for await (const part of parts) await write(into, path, part);
    return;
  }
  const folder = dirname(path);
  const temporary = join(folder, temporaryName(basename(path)));
  let isNamed = false;
  await using file = await told(path, async () => {
    const unnamed = await make(folder);
    if (unnamed !== undefined) return unnamed;
    const named = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, MODE);
    isNamed = true;
    return named;
  });
  try {
    for await (const part of parts) await write(file, path, part);
    await file.sync();
    if (isNamed || !linked(file, path)) {
      // There may be one of that name already, which only rename(2) replaces.
      if (!isNamed && !linked(file, temporary)) throw new Error(`${temporary} is there already`);
      isNamed = true;
      await rename(temporary, path);
      isNamed = false;
    }
    await removeStaleTemporaries(folder, basename(path));
    await syncDirectory(folder);
  } catch (error) {
    if (isNamed) await unlink(temporary).catch(() => {});
    throw asSystemError(error, path);
  }
}

/** A file in that folder without a name; undefined where the file system has no such. */
export async function openUnnamed(folder: string): Promise<FileHandle | undefined> {
  try {
    return await open(folder, O_WRONLY | O_TMPFILE, MODE);
  } catch (error) {
    if (hasCode(error, 'EOPNOTSUPP', 'ENOTSUP', 'EISDIR', 'EINVAL')) return undefined;
    throw error;
  }
}

/** What is not there yet, a file, or a link that is no name of a descriptor. */
function isReplaceable(path: string): boolean {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined || there.isFile()) return true;
  if (!there.isSymbolicLink()) return false;
  const place = realpathSync(dirname(path));
  return !/^\/(?:dev|proc)(?:\/|$)/.test(place) && (statSync(path, { throwIfNoEntry: false })?.isFile() ?? true);
}

/** False: something has that name. */
function linked(file: FileHandle, path: string): boolean {
  const from = cstring(`/proc/self/fd/${file.fd}`);
  try {
    checked('linkat', libc().linkat(AT_FDCWD, from, AT_FDCWD, cstring(path), AT_SYMLINK_FOLLOW), path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** What fails is told in the kernel's words, of this path. */
async function told<T>(path: string, how: () => Promise<T>): Promise<T> {
  try {
    return await how();
  } catch (error) {
    throw asSystemError(error, path);
  }
}

async function write(file: FileHandle, path: string, part: Uint8Array): Promise<void> {
  try {
    await file.writeFile(part);
  } catch (error) {
    throw asSystemError(error, path);
  }
}
