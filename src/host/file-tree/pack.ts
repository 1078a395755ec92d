/** A file, or a folder with all that is in it, as a tar archive: by descriptors, so that nobody who changes it meanwhile can lead out of it. */
import { closeSync, constants, fstatSync, openSync, read, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { promisify } from 'node:util';
import { hasCode } from '../errno.ts';
import { asSystemError } from '../libc.ts';
import { type TarMember, tarEnd, tarHeader, tarPadding } from './tar-header.ts';

const O_PATH = 0x200000;
const PIECE = 64 * 1024;
const PERMISSIONS = 0o777;

const readAt = promisify(read);

/** `skipped` is told of what is neither file, folder nor symbolic link. Throws SystemError; an error where a file becomes shorter than it was. */
export async function* packTree(
  fd: number,
  name: string,
  skipped: (name: string) => void,
): AsyncGenerator<Uint8Array, void> {
  try {
    yield* member(fd, name, undefined, skipped);
    yield tarEnd();
  } catch (error) {
    throw asSystemError(error, name);
  }
}

/** `target`: of a symbolic link. */
async function* member(
  fd: number,
  name: string,
  target: string | undefined,
  skipped: (name: string) => void,
): AsyncGenerator<Uint8Array, void> {
  const stat = fstatSync(fd);
  const of = (type: TarMember['type'], size = 0): TarMember => ({
    name,
    type,
    size,
    mode: stat.mode & PERMISSIONS,
    mtime: stat.mtimeMs / 1000,
    ...(target !== undefined && { target }),
  });
  if (stat.isSymbolicLink()) yield tarHeader(of('symlink'));
  else if (stat.isFile()) yield* file(fd, name, of);
  else if (stat.isDirectory()) {
    yield tarHeader(of('folder'));
    for (const child of readdirSync(`/proc/self/fd/${fd}`).sort()) {
      const opened = openChild(fd, child);
      if (opened === undefined) continue;
      try {
        yield* member(opened.fd, `${name}/${child}`, opened.target, skipped);
      } finally {
        closeSync(opened.fd);
      }
    }
  } else skipped(name);
}

/** Undefined: it has gone. */
function openChild(folder: number, name: string): { fd: number; stat: Stats; target?: string } | undefined {
  const path = `/proc/self/fd/${folder}/${name}`;
  let fd: number | undefined;
  try {
    fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
    const stat = fstatSync(fd);
    return { fd, stat, ...(stat.isSymbolicLink() && { target: readlinkSync(path) }) };
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    if (hasCode(error, 'ENOENT', 'EINVAL')) return undefined;
    throw error;
  }
}

/** So much of it as it has when it is begun. */
async function* file(
  path: number,
  name: string,
  of: (type: 'file', size: number) => TarMember,
): AsyncGenerator<Uint8Array, void> {
  const fd = openSync(`/proc/self/fd/${path}`, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { size } = fstatSync(fd);
    yield tarHeader(of('file', size));
    for (let at = 0; at < size; ) {
      const buffer = new Uint8Array(Math.min(PIECE, size - at));
      const { bytesRead } = await readAt(fd, buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Error(`${name} has become shorter while it was read`);
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
    yield tarPadding(size);
  } finally {
    closeSync(fd);
  }
}
