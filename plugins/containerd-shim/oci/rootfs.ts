/** Reading files of a container's root file system without ever leaving it, whatever symbolic links its image holds. */

import { closeSync, constants, fstatSync, mkdirSync, openSync, readSync, rmdirSync } from 'node:fs';
import { KukeError } from 'kuke/plugin';
import { hasCode } from '../../../src/host/errno.ts';
import { openInRoot } from '../../../src/host/in-root.ts';
import { checked, cstring, libc } from '../../../src/host/libc.ts';
import { unmount } from '../../../src/host/mount.ts';

/** What a snapshotter says how to mount: as in containerd's types.Mount. */
export interface SnapshotMount {
  type: string;
  source: string;
  options: readonly string[];
}

const O_PATH = 0x200000;
const O_CLOEXEC = 0x80000;
const MS_READ_ONLY_AND_INERT = 0x1 | 0x2 | 0x4 | 0x8; // MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC
const MAX_MOUNT_DATA = 4095; // what is longer, mount(2) would cut short unseen
const MAX_BYTES = 4 << 20;

/**
 * The contents of files of a snapshot, undefined for one that is not there. It is mounted at `mountPoint` (made and removed again)
 * for a moment in which nothing else runs. Throws InvalidImage for a file that is none or too large.
 */
export function readSnapshotFiles<K extends string>(
  mounts: readonly SnapshotMount[],
  mountPoint: string,
  paths: readonly K[],
): Record<K, string | undefined> {
  const root = openSnapshot(mounts, mountPoint);
  try {
    return Object.fromEntries(paths.map(path => [path, readInRoot(root, path)])) as Record<K, string | undefined>;
  } finally {
    closeSync(root);
  }
}

/** Takes away what a reader that was killed left at its mount point. */
export function clearMountPoint(mountPoint: string): void {
  while (unmount(mountPoint, { detach: true }));
  try {
    rmdirSync(mountPoint);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

/** Reads a file below the directory that `root` is open on, links resolved as after chroot(2). */
export function readInRoot(root: number, path: string): string | undefined {
  const file = openInRoot(root, path);
  if (file === undefined) return undefined;
  try {
    // Looked at before it is opened in earnest: opening a FIFO would block, opening a device could do anything.
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new KukeError('InvalidImage', `${path} in the image is not a regular file`);
    if (stat.size > MAX_BYTES) throw new KukeError('InvalidImage', `${path} in the image has ${stat.size} bytes`);
    return readAtMost(`/proc/self/fd/${file}`, stat.size);
  } finally {
    closeSync(file);
  }
}

/** No more than its size says: what a running container has linked there may be a file of /proc, which has none and may never end. */
function readAtMost(path: string, size: number): string {
  if (size === 0) return '';
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const bytes = new Uint8Array(size);
    return new TextDecoder().decode(bytes.subarray(0, readSync(fd, bytes)));
  } finally {
    closeSync(fd);
  }
}

/** A descriptor of the snapshot's root. What is a plain directory is opened as it is. */
function openSnapshot(mounts: readonly SnapshotMount[], mountPoint: string): number {
  const [mount, ...more] = mounts;
  if (mount === undefined || more.length > 0) {
    throw new KukeError('Unsupported', `the snapshotter gives ${mounts.length} mounts for a root file system`);
  }
  if (mount.type === 'bind') return openDirectory(mount.source);
  if (mount.type !== 'overlay') return openMounted(mount.type, mount.source, dataOf(mount.options), mountPoint);
  // Without the writable layer: reading needs only the image's.
  const lower =
    mount.options
      .find(option => option.startsWith('lowerdir='))
      ?.slice('lowerdir='.length)
      .split(':') ?? [];
  if (lower.length === 1) return openDirectory(lower[0] ?? '');
  // As descriptors, because mount(2) takes one page of options, and containerd's paths would fill it with 50 layers.
  const layers: number[] = [];
  try {
    for (const path of lower) layers.push(openDirectory(path));
    const paths = layers.map(fd => `/proc/self/fd/${fd}`).join(':');
    return openMounted('overlay', 'overlay', `lowerdir=${paths}`, mountPoint);
  } finally {
    for (const fd of layers) closeSync(fd);
  }
}

/** Mounts, opens the root, and takes the mount out of sight at once: it is gone for good when the descriptor is closed. */
function openMounted(type: string, source: string, data: string, mountPoint: string): number {
  if (data.length > MAX_MOUNT_DATA) throw new KukeError('Unsupported', 'the image has too many layers to be mounted');
  clearMountPoint(mountPoint);
  mkdirSync(mountPoint, { recursive: true, mode: 0o700 });
  try {
    const result = libc().mount(
      cstring(source),
      cstring(mountPoint),
      cstring(type),
      MS_READ_ONLY_AND_INERT,
      cstring(data),
    );
    checked('mount', result, `${type} on ${mountPoint}`);
    return openDirectory(mountPoint);
  } finally {
    clearMountPoint(mountPoint);
  }
}

function openDirectory(path: string): number {
  return openSync(path, O_PATH | constants.O_DIRECTORY | O_CLOEXEC);
}

const dataOf = (options: readonly string[]) => options.filter(option => option !== 'ro' && option !== 'rw').join(',');
