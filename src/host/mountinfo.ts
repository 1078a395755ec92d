/** The mount table, /proc/self/mountinfo: proc_pid_mountinfo(5). */
import { openSync, readFileSync } from 'node:fs';
import { isChanged } from './readable.ts';

export interface Mount {
  readonly id: number;
  readonly parent: number;
  /** `major:minor` of the file system's device. */
  readonly device: string;
  /** The directory of the file system that is the root of this mount; not `/` for a bind mount of a part. */
  readonly root: string;
  readonly mountPoint: string;
  readonly options: readonly string[];
  /** Propagation: `shared:7`, `master:3`, ... */
  readonly propagation: readonly string[];
  readonly fsType: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

/** Every mount that this process sees, in mount order; one may be hidden by a later one. */
export function readMounts(path = '/proc/self/mountinfo'): Mount[] {
  return parseMountinfo(readFileSync(path, 'utf8'));
}

let known: { fd: number; mounts: readonly Mount[]; byLine: ReadonlyMap<string, Mount> } | undefined;

/** The same, and the very same as before while nothing has been mounted or unmounted: of that poll(2) tells (proc_pid_mountinfo(5)). */
export function currentMounts(): readonly Mount[] {
  const fd = known?.fd ?? openSync('/proc/self/mountinfo', 'r');
  // What comes between the question and the reading is told by the next question.
  if (known === undefined || isChanged(fd)) {
    // Of hundreds, one has come or gone.
    const before = known?.byLine;
    const byLine = new Map(
      linesOf(readFileSync('/proc/self/mountinfo', 'utf8')).map(line => [line, before?.get(line) ?? parseLine(line)]),
    );
    known = { fd, mounts: [...byLine.values()], byLine };
  }
  return known.mounts;
}

/** Parses the content of a mountinfo file. A line that is none throws. */
export function parseMountinfo(text: string): Mount[] {
  return linesOf(text).map(parseLine);
}

const linesOf = (text: string): string[] => text.split('\n').filter(line => line !== '');

function parseLine(line: string): Mount {
  const fields = line.split(' ');
  const separator = fields.indexOf('-', 6);
  const [id, parent, device, root, mountPoint, options] = fields;
  const [fsType, source, superOptions = ''] = fields.slice(separator + 1);
  if (separator === -1 || device === undefined || root === undefined || mountPoint === undefined) throw malformed(line);
  if (options === undefined || fsType === undefined || source === undefined) throw malformed(line);
  return {
    id: Number(id),
    parent: Number(parent),
    device,
    root: unescapeOctal(root),
    mountPoint: unescapeOctal(mountPoint),
    options: options.split(','),
    propagation: fields.slice(6, separator),
    fsType,
    source: unescapeOctal(source),
    superOptions: superOptions.split(','),
  };
}

const malformed = (line: string) => new Error(`not a line of mountinfo: ${JSON.stringify(line)}`);

/** Undoes the kernel's escapes: space, tab, newline, backslash and `#` stand as `\` and three octal digits. */
export function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** The mount that `path` (absolute, without `.`, `..` and symbolic links) lies on, found as the kernel walks: hidden mounts don't count. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  const ids = new Set(mounts.map(mount => mount.id));
  let current = mounts.find(mount => mount.mountPoint === '/' && (!ids.has(mount.parent) || mount.parent === mount.id));
  for (let next = current; next !== undefined; next = firstOnTheWay(mounts, next, path)) current = next;
  return current;
}

function firstOnTheWay(mounts: readonly Mount[], from: Mount, path: string): Mount | undefined {
  return mounts
    .filter(mount => mount.parent === from.id && mount.id !== from.id && contains(mount.mountPoint, path))
    .reduce<Mount | undefined>(
      (first, mount) => (first && first.mountPoint.length < mount.mountPoint.length ? first : mount),
      undefined,
    );
}

function contains(directory: string, path: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}

/** Where cgroup v2 is mounted; a mount of the whole hierarchy goes before one of a part. Undefined if there is none. */
export function cgroup2MountPoint(mounts: readonly Mount[]): string | undefined {
  const visible = mounts.filter(
    mount => mount.fsType === 'cgroup2' && mountOf(mounts, mount.mountPoint)?.id === mount.id,
  );
  return (visible.find(mount => mount.root === '/') ?? visible[0])?.mountPoint;
}
