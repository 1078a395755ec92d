/** cgroups, mounts, files and processes, read from the kernel's own file systems. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import '../box.ts';

/** Paths of all cgroups below the box's root, relative to it, sorted: `kukeon`, `kukeon/main`, ... */
export function cgroups(root = '/sys/fs/cgroup'): string[] {
  const below = (directory: string): string[] =>
    entries(directory)
      .filter(entry => entry.isDirectory())
      .flatMap(entry => [relative(root, join(directory, entry.name)), ...below(join(directory, entry.name))]);
  return below(root).sort();
}

export interface Mount {
  target: string;
  type: string;
  source: string;
  /** Of the mount and of the file system, as in /proc/self/mountinfo. */
  options: string[];
}

/** All mounts of the box, oldest first; proc(5), /proc/self/mountinfo. */
export function mounts(): Mount[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n');
  return lines.map(line => {
    const [mount = '', fileSystem = ''] = line.split(' - ');
    const [, , , , target = '', options = ''] = mount.split(' ');
    const [type = '', source = '', superOptions = ''] = fileSystem.split(' ');
    return {
      target: unescaped(target),
      type,
      source: unescaped(source),
      options: [...options.split(','), ...superOptions.split(',')],
    };
  });
}

const unescaped = (field: string) =>
  field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** Absolute paths of all that is below a folder, sorted; folders end in `/`. Empty where there is no such folder. */
export function filesBelow(folder: string): string[] {
  return entries(folder)
    .flatMap(entry => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? [`${path}/`, ...filesBelow(path)] : [path];
    })
    .sort();
}

export interface Process {
  pid: number;
  parent: number;
  command: string[];
}

/** Processes of the box that have a command line, so neither zombies nor the kernel's threads. */
export function processes(): Process[] {
  return entries('/proc').flatMap(({ name }) => {
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').slice(0, -1);
      const [, parent = ''] = readFileSync(`/proc/${name}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      return /^\d+$/.test(name) && command.length > 0 ? [{ pid: Number(name), parent: Number(parent), command }] : [];
    } catch {
      return []; // no process, or one that has ended meanwhile
    }
  });
}

/** What a folder holds; nothing where it is absent or goes away while it is read, as cgroups and processes do. */
function entries(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return [];
    throw error;
  }
}
