/** Where files are copied from and to: a path of this process's own, or one in somebody else's root file system. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { errnoOf } from '../errno.ts';
import { openInRoot } from '../in-root.ts';
import { asSystemError, systemError } from '../libc.ts';
import { packTree } from './pack.ts';
import { type Unpacked, unpackTree } from './unpack.ts';

const O_PATH = 0x200000;

type Bytes = AsyncGenerator<Uint8Array, void>;
type Skipped = (name: string) => void;

/** What a path leads to, links followed; null: nothing. `root`: a descriptor of the root file system that it is in. */
export function whatIsIn(root: number, path: string): 'file' | 'folder' | 'other' | null {
  const fd = openInRoot(root, path);
  if (fd === undefined) return null;
  try {
    const stat = fstatSync(fd);
    return stat.isFile() ? 'file' : stat.isDirectory() ? 'folder' : 'other';
  } finally {
    closeSync(fd);
  }
}

/** As a tar archive, in which it has that name. Throws SystemError. */
export async function* packIn(root: number, path: string, name: string, skipped: Skipped): Bytes {
  const fd = openInRoot(root, path);
  if (fd === undefined) throw systemError('open', errnoOf('ENOENT'), path);
  yield* closing(fd, packTree(fd, name, skipped));
}

export async function* packPath(path: string, name: string, skipped: Skipped): Bytes {
  const fd = opened(path, O_PATH);
  yield* closing(fd, packTree(fd, name, skipped));
}

/** Into a folder. */
export async function unpackIn(
  root: number,
  folder: string,
  archive: AsyncIterable<Uint8Array>,
  skipped: Skipped,
): Promise<Unpacked> {
  const fd = openInRoot(root, folder);
  if (fd === undefined) throw systemError('open', errnoOf('ENOENT'), folder);
  return await unpackInto(fd, archive, { path: folder, skipped });
}

/** To this very path, or into it, if it is a folder: nothing else is touched, whatever is in the archive. */
export async function unpackTo(
  path: string,
  isFolder: boolean,
  archive: AsyncIterable<Uint8Array>,
  skipped: Skipped,
): Promise<Unpacked> {
  const whole = resolve(path);
  const folder = isFolder ? whole : dirname(whole);
  const fd = opened(folder, O_PATH | constants.O_DIRECTORY);
  return await unpackInto(fd, archive, { path: folder, only: isFolder ? undefined : basename(whole), skipped });
}

async function unpackInto(
  fd: number,
  archive: AsyncIterable<Uint8Array>,
  options: Parameters<typeof unpackTree>[2],
): Promise<Unpacked> {
  try {
    return await unpackTree(fd, archive, options);
  } finally {
    closeSync(fd);
  }
}

async function* closing(fd: number, bytes: Bytes): Bytes {
  try {
    yield* bytes;
  } finally {
    closeSync(fd);
  }
}

function opened(path: string, flags: number): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    throw asSystemError(error, path);
  }
}
