/** Files of somebody else's root file system, without ever leaving it, whatever symbolic links are in it (openat2(2), Linux 5.6). */
import { ptr } from 'bun:ffi';
import { hasCode } from './errno.ts';
import { checked, cstring, libc } from './libc.ts';

const O_PATH = 0x200000;
const O_CLOEXEC = 0x80000;
const SYS_openat2 = 437; // the same number on every architecture
const RESOLVE_NO_MAGICLINKS = 0x02n;
const RESOLVE_IN_ROOT = 0x10n;

/** A descriptor that only names what is at a path below the directory that `root` is open on, links resolved as after chroot(2). Undefined: nothing is there. */
export function openInRoot(root: number, path: string): number | undefined {
  const name = cstring(path);
  const how = new BigUint64Array([BigInt(O_PATH | O_CLOEXEC), 0n, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS]);
  for (let attempt = 1; ; attempt++) {
    try {
      return checked('openat2', libc().syscall(SYS_openat2, root, ptr(name), ptr(how), how.byteLength, 0, 0), path);
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
      // EAGAIN: something was renamed or mounted meanwhile, so the kernel cannot vouch for a `..`.
      if (!hasCode(error, 'EAGAIN') || attempt === 100) throw error;
    }
  }
}
