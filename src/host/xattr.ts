/** Extended attributes of files and directories: xattr(7). None of these calls follows a symbolic link at the end of the path. */
import { dlopen } from 'bun:ffi';
import { errnoOf } from './errno.ts';
import { checked, cstring, lastErrno, SONAME, systemError } from './libc.ts';

const load = () =>
  dlopen(SONAME, {
    lgetxattr: { args: ['ptr', 'ptr', 'ptr', 'usize'], returns: 'i64' },
    lsetxattr: { args: ['ptr', 'ptr', 'ptr', 'usize', 'i32'], returns: 'i32' },
    lremovexattr: { args: ['ptr', 'ptr'], returns: 'i32' },
  }).symbols;
let loaded: ReturnType<typeof load> | undefined;

function calls(): ReturnType<typeof load> {
  loaded ??= load();
  return loaded;
}

const ENODATA = errnoOf('ENODATA');
const ERANGE = errnoOf('ERANGE');
// Nearly every value fits the first; XATTR_SIZE_MAX is the largest that the kernel takes.
const SIZES = [256, 65536];

/**
 * The value of an attribute such as `user.comment`, as UTF-8; undefined if the file has none of that name. `trusted.*` is only shown to
 * those with CAP_SYS_ADMIN in the initial user namespace. SystemError: ENOENT, EOPNOTSUPP where the file system has no such attributes.
 */
export function getXattr(path: string, name: string): string | undefined {
  for (const size of SIZES) {
    const value = Buffer.alloc(size);
    const length = Number(calls().lgetxattr(cstring(path), cstring(name), value, size));
    if (length >= 0) return value.toString('utf8', 0, length);
    const errno = lastErrno();
    if (errno === ENODATA) return undefined;
    if (errno !== ERANGE) throw systemError('getxattr', errno, `${path} ${name}`);
  }
  throw systemError('getxattr', ERANGE, `${path} ${name}`);
}

/** Sets an attribute, replacing its value. SystemError: EPERM, EOPNOTSUPP, ENOENT, ENOSPC. */
export function setXattr(path: string, name: string, value: string): void {
  const bytes = Buffer.from(value);
  // An empty buffer has no address to give.
  const data = bytes.length === 0 ? Buffer.alloc(1) : bytes;
  checked('setxattr', calls().lsetxattr(cstring(path), cstring(name), data, bytes.length, 0), `${path} ${name}`);
}

/** Removes an attribute; false if there was none of that name. */
export function removeXattr(path: string, name: string): boolean {
  if (calls().lremovexattr(cstring(path), cstring(name)) === 0) return true;
  const errno = lastErrno();
  if (errno === ENODATA) return false;
  throw systemError('removexattr', errno, `${path} ${name}`);
}
