/** Mounting: mount(2), umount2(2). Paths must be absolute and trusted, mount(2) follows symbolic links. */
import { hasCode } from './errno.ts';
import { checked, cstring, libc } from './libc.ts';

const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_SHARED = 0x100000;
const MNT_DETACH = 0x2;
const UMOUNT_NOFOLLOW = 0x8;

/** Makes `source` (a file or a directory) appear at `target`, which must exist and be of the same sort. */
export function bindMount(source: string, target: string, options: { recursive?: boolean } = {}): void {
  mount(source, target, MS_BIND | (options.recursive ? MS_REC : 0));
}

/** Lets mounts made under the mount point `target` appear in namespaces copied from this one. EINVAL if nothing is mounted there. */
export function makeShared(target: string): void {
  mount('', target, MS_SHARED | MS_REC);
}

/**
 * Unmounts what is on top at `target`; false if nothing is, or `target` does not exist. `detach` also takes what is in use: it
 * disappears at once and is freed with its last user. A symbolic link at `target` is not followed.
 */
export function unmount(target: string, options: { detach?: boolean } = {}): boolean {
  try {
    checked('umount', libc().umount2(cstring(target), UMOUNT_NOFOLLOW | (options.detach ? MNT_DETACH : 0)), target);
    return true;
  } catch (error) {
    if (hasCode(error, 'EINVAL', 'ENOENT')) return false;
    throw error;
  }
}

function mount(source: string, target: string, flags: number): void {
  const result = libc().mount(cstring(source), cstring(target), null, flags, null);
  checked('mount', result, source === '' ? target : `${source} on ${target}`);
}
