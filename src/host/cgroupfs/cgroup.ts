/** Which cgroup is meant, and its interface files: cgroups(7), Documentation/admin-guide/cgroup-v2.rst. */
import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../errno.ts';
import { readKernelFile, writeKernelFile } from '../kernel-file.ts';
import { asSystemError } from '../libc.ts';

const CGROUP2_SUPER_MAGIC = 0x63677270; // statfs(2)

/**
 * A cgroup, whether it exists or not: names below a root on cgroup2. It cannot lie outside the root: each name is a single component,
 * and cgroup2 has no symbolic links.
 */
export interface Cgroup {
  /** The directory of the root, without symbolic links. */
  readonly root: string;
  /** From the root down; empty for the root itself. */
  readonly names: readonly string[];
  readonly path: string;
}

/** A directory of cgroup2 (the mount point, say) as the root below which cgroups are made. An error if it is not on cgroup2. */
export function cgroupRoot(directory: string): Cgroup {
  try {
    const root = realpathSync(directory);
    if (statfsSync(root).type !== CGROUP2_SUPER_MAGIC) throw new Error(`${directory} is not on a cgroup2 file system`);
    return { root, names: [], path: root };
  } catch (error) {
    throw asSystemError(error, directory);
  }
}

/** A cgroup below another. RangeError for a name that is not a single component that cgroup2 accepts. */
export function descendant(cgroup: Cgroup, ...names: readonly string[]): Cgroup {
  for (const name of names) {
    if (!isCgroupName(name)) throw new RangeError(`not the name of a cgroup: ${JSON.stringify(name)}`);
  }
  return { root: cgroup.root, names: [...cgroup.names, ...names], path: join(cgroup.path, ...names) };
}

/** The cgroup and those it lies in, from the root down. */
export function lineage(cgroup: Cgroup): Cgroup[] {
  const root: Cgroup = { root: cgroup.root, names: [], path: cgroup.root };
  return [root, ...cgroup.names.map((_, depth) => descendant(root, ...cgroup.names.slice(0, depth + 1)))];
}

/** Whether this is the root of the host's hierarchy, which has no limits and no events, and may have processes. */
export function isHierarchyRoot(cgroup: Cgroup): boolean {
  return exists(cgroup) && !existsSync(join(cgroup.path, 'cgroup.type'));
}

/** Whether the cgroup exists. */
export function exists(cgroup: Cgroup): boolean {
  return lstatSync(cgroup.path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** The cgroups directly below; none if the cgroup does not exist. */
export function children(cgroup: Cgroup): Cgroup[] {
  try {
    const entries = readdirSync(cgroup.path, { withFileTypes: true });
    return entries.filter(entry => entry.isDirectory()).map(entry => descendant(cgroup, entry.name));
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV')) return [];
    throw asSystemError(error, cgroup.path);
  }
}

/** Whether cgroup2 takes the name: one component of at most 255 bytes, without a newline. */
export function isCgroupName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\0\n]/.test(name) && Buffer.byteLength(name) <= 255;
}

/** Reads an interface file such as `memory.max`. SystemError: ENOENT without that controller, or without the cgroup. */
export function readInterface(cgroup: Cgroup, file: string): string {
  return readKernelFile(interfacePath(cgroup, file));
}

/** The same; undefined where there is no such file: without the controller, on a kernel that has none of it, without the cgroup. */
export function readIfThere(cgroup: Cgroup, file: string): string | undefined {
  const path = interfacePath(cgroup, file);
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch (error) {
    // The last one: a file of what was turned off when the kernel was booted (psi=0).
    if (hasCode(error, 'ENOENT', 'ENODEV', 'EOPNOTSUPP')) return undefined;
    throw asSystemError(error, path);
  }
}

/** Writes an interface file. SystemError in the kernel's words: ENOENT without the controller, EINVAL or ERANGE for a bad value. */
export function writeInterface(cgroup: Cgroup, file: string, value: string | number): void {
  writeKernelFile(interfacePath(cgroup, file), value);
}

/** The path of an interface file: `memory.max`, `hugetlb.2MB.max`. */
export function interfacePath(cgroup: Cgroup, file: string): string {
  if (!/^\w+(\.\w+)+$/.test(file)) throw new RangeError(`not an interface file of a cgroup: ${JSON.stringify(file)}`);
  return join(cgroup.path, file);
}

/** The words of a space-separated interface file; none where it is not there. */
export function wordsIfThere(cgroup: Cgroup, file: string): string[] {
  return (readIfThere(cgroup, file) ?? '').split(/\s+/).filter(Boolean);
}

/** Words of a space-separated interface file (`cgroup.controllers`) or lines of others (`cgroup.procs`). */
export function readWords(cgroup: Cgroup, file: string): string[] {
  return readInterface(cgroup, file).split(/\s+/).filter(Boolean);
}
