/** Mounting: mount(2), umount2(2). Paths must be absolute and trusted, mount(2) follows symbolic links. */
import { hasCode } from './errno.ts';
import { checked, cstring, libc } from './libc.ts';

const MS_NOSUID = 0x2;
const MS_NODEV = 0x4;
const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_SHARED = 0x100000;
const MNT_DETACH = 0x2;
const UMOUNT_NOFOLLOW = 0x8;

/** Makes `source` (a file or a directory) appear at `target`, which must exist and be of the same sort. */
export function bindMount(source: string, target: string, options: { recursive?: boolean } = {}): void {
  mount(source, target, '', MS_BIND | (options.recursive ? MS_REC : 0), '');
}

/** Mounts a tmpfs at a directory, `nosuid,nodev`. `sizeBytes` is its limit (half of memory if not given), `mode` that of its root. */
export function mountTmpfs(target: string, options: { sizeBytes?: number; mode?: number } = {}): void {
  const data = [
    options.sizeBytes === undefined ? '' : `size=${options.sizeBytes}`,
    options.mode === undefined ? '' : `mode=${options.mode.toString(8)}`,
  ];
  mount('tmpfs', target, 'tmpfs', MS_NOSUID | MS_NODEV, data.filter(Boolean).join(','));
}

/** Lets mounts made under the mount point `target` appear in namespaces copied from this one. EINVAL if nothing is mounted there. */
export function makeShared(target: string): void {
  mount('', target, 'none', MS_SHARED | MS_REC, '');
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

function mount(source: string, target: string, type: string, flags: number, data: string): void {
  const result = libc().mount(cstring(source), cstring(target), cstring(type), flags, cstring(data));
  checked('mount', result, type === 'tmpfs' || source === '' ? target : `${source} on ${target}`);
}
