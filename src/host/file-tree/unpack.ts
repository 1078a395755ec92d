/** A tar archive, laid out below a folder: no name, and no link that is there or comes with it, leads out of that. */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  futimesSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { createTarDecoder } from 'modern-tar';
import { errnoOf, hasCode } from '../errno.ts';
import { asSystemError, systemError } from '../libc.ts';
import { writeWhole } from '../write-whole.ts';
import { feed } from './feed.ts';

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;
const O_PATH = 0x200000;
/** Neither setuid nor setgid, as cp(1) has it. */
const PERMISSIONS = 0o777;

export interface Unpacked {
  files: number;
  bytes: number;
}

interface Folder {
  parts: string[];
  mode: number;
  mtime: Date;
}

/**
 * What is there already is replaced, folders aside; all that comes is ours, with the permissions that it has in the archive. `path`: what people call the folder.
 * `only`: all of it has to be that, or in it. `skipped` is told of what is neither file, folder nor link. Throws SystemError, and an error for what is no archive, or leads out.
 */
export async function unpackTree(
  base: number,
  archive: AsyncIterable<Uint8Array>,
  { path, only, skipped }: { path: string; only?: string | undefined; skipped: (name: string) => void },
): Promise<Unpacked> {
  const done: Unpacked = { files: 0, bytes: 0 };
  /** What is being laid down. */
  let name = '';
  const folders: Folder[] = [];
  const decoder = createTarDecoder({ strict: true });
  const fed = feed(archive, decoder.writable);
  try {
    for await (const { header, body } of decoder.readable) {
      name = header.name;
      const parts = partsOf(name);
      if (only !== undefined && parts[0] !== only)
        throw new Error(`\`${header.name}\` in the archive is not \`${only}\``);
      const mode = (header.mode ?? 0o644) & PERMISSIONS;
      const mtime = header.mtime ?? new Date();
      if (header.type === 'file') {
        await layFile(base, parts, body, { mode, mtime });
        done.files++;
        done.bytes += header.size;
        continue;
      }
      await body.cancel();
      if (header.type === 'directory') {
        within(base, parts, () => {});
        folders.push({ parts, mode, mtime });
      } else if (!layLink(base, parts, header)) skipped(header.name);
    }
    await fed;
    // Last, and the innermost first: what is laid into a folder changes its time, and needs to be let in.
    for (const { parts, mode, mtime } of folders.reverse()) {
      name = parts.join('/');
      if (parts.length > 0) finish(base, parts, mode, mtime);
    }
  } catch (error) {
    throw asSystemError(error, join(path, name));
  }
  return done;
}

async function layFile(
  base: number,
  path: readonly string[],
  body: AsyncIterable<Uint8Array>,
  { mode, mtime }: { mode: number; mtime: Date },
): Promise<void> {
  const [parts, name] = [path.slice(0, -1), path.at(-1) ?? ''];
  const mounted = within(base, parts, parent => mountedAt(parent, name));
  if (mounted !== undefined) return writeThrough(mounted, body);
  const temporary = temporaryName();
  const fd = within(base, parts, parent =>
    openSync(`${parent}/${temporary}`, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600),
  );
  try {
    for await (const piece of body) writeWhole(fd, piece);
    fchmodSync(fd, mode);
    futimesSync(fd, mtime, mtime);
    within(base, parts, parent => renameSync(`${parent}/${temporary}`, `${parent}/${name}`));
  } catch (error) {
    within(base, parts, parent => rmSync(`${parent}/${temporary}`, { force: true }));
    throw error;
  } finally {
    closeSync(fd);
  }
}

/**
 * A descriptor of what is mounted there, in whatever mount namespace. To replace that by rename(2) would take the mount away unasked: of mounts of
 * another namespace, the kernel only spares those that it has, too.
 */
function mountedAt(parent: string, name: string): number | undefined {
  let fd: number;
  try {
    fd = openSync(`${parent}/${name}`, O_PATH | O_NOFOLLOW);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  if (mountOf(fd) !== mountOf(Number(parent.slice(parent.lastIndexOf('/') + 1)))) return fd;
  closeSync(fd);
  return undefined;
}

/** Its id (proc_pid_fdinfo(5)). */
const mountOf = (fd: number): string | undefined =>
  /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1];

/** Into a file that is a mount of its own, such as a volume or /etc/hosts; it keeps its permissions. */
async function writeThrough(mounted: number, body: AsyncIterable<Uint8Array>): Promise<void> {
  let fd: number | undefined;
  try {
    if (!fstatSync(mounted).isFile()) throw systemError('open', errnoOf('EBUSY'), 'what is mounted there');
    fd = openSync(`/proc/self/fd/${mounted}`, O_WRONLY | constants.O_TRUNC);
    for await (const piece of body) writeWhole(fd, piece);
  } finally {
    closeSync(mounted);
    if (fd !== undefined) closeSync(fd);
  }
}

/** False: it is no link. */
function layLink(
  base: number,
  path: readonly string[],
  { type, linkname = '' }: { type?: string; linkname?: string },
): boolean {
  if (type === 'symlink') replaced(base, path, to => symlinkSync(linkname, to));
  else if (type === 'link') {
    const target = partsOf(linkname);
    within(base, target.slice(0, -1), from => replaced(base, path, to => linkSync(`${from}/${target.at(-1)}`, to)));
  } else return false;
  return true;
}

/** What is in its place, unless it is a folder, is there until the new one is. */
function replaced(base: number, path: readonly string[], make: (path: string) => void): void {
  within(base, path.slice(0, -1), parent => {
    const mounted = mountedAt(parent, path.at(-1) ?? '');
    if (mounted !== undefined) {
      closeSync(mounted);
      throw systemError('rename', errnoOf('EBUSY'), path.join('/'));
    }
    const temporary = `${parent}/${temporaryName()}`;
    make(temporary);
    try {
      renameSync(temporary, `${parent}/${path.at(-1)}`);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  });
}

function finish(base: number, parts: string[], mode: number, mtime: Date): void {
  within(base, parts, path => {
    const fd = openSync(path, O_RDONLY | O_DIRECTORY);
    try {
      fchmodSync(fd, mode);
      futimesSync(fd, mtime, mtime);
    } finally {
      closeSync(fd);
    }
  });
}

/** A folder below `base`, made where it is missing, by a path that holds as long as `use` runs. Each step on the way is a folder, and no link. */
function within<T>(base: number, parts: readonly string[], use: (path: string) => T): T {
  let at = base;
  try {
    for (const part of parts) {
      const next = step(`/proc/self/fd/${at}/${part}`);
      if (at !== base) closeSync(at);
      at = next;
    }
    return use(`/proc/self/fd/${at}`);
  } finally {
    if (at !== base) closeSync(at);
  }
}

function step(path: string): number {
  const open = () => openSync(path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  try {
    return open();
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    mkdirSync(path, 0o755);
    return open();
  }
}

/** Throws for a name that leads out. */
function partsOf(name: string): string[] {
  const parts = name.split('/').filter(part => part !== '' && part !== '.');
  if (parts.includes('..')) throw new Error(`\`${name}\` in the archive leads out of the folder`);
  return parts;
}

const temporaryName = (): string => `.kuke-${crypto.randomUUID()}`;
