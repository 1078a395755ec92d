/**
 * The reservations of a network on disk, in the reference plugin's layout, so that either can go on where the other stopped, and both
 * may run at once: `<dataDir>/<network>/` holds a file for each address that is given (`<container id>\r\n<interface>`), the last
 * address of each range set (`last_reserved_ip.N`), and `lock`, which whoever reads or writes them has locked.
 *
 * Of our own is `.by-id/`, so that an attachment's addresses are found, and another is added, at the same cost however many there are:
 * `<hash of the content>.0`, `.1`, ... are symbolic links to its reservations. The reference plugin removes with a reservation also the
 * link to it, for it looks through the whole tree. That nobody else has changed the two folders is seen by their times, which are set to a
 * fixed moment after each change of ours; else all is read, and `.by-id` made anew. It goes with the last link.
 */
import {
  closeSync,
  constants,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { hasCode } from '../../../host/errno.ts';
import { asSystemError } from '../../../host/libc.ts';
import { writeWhole } from '../../../host/write-whole.ts';
import { digest } from '../label.ts';
import type { Endpoint } from '../plugin.ts';
import { shellWord } from '../shell-word.ts';
import type { Trace } from '../trace.ts';
import { namesIn, readText, remove } from './files.ts';

const BY_ID = '.by-id';
const DIGITS = 32;

/** Seconds since 1970: the time of folders that nobody has changed since `.by-id` was right. Another layout takes another moment. */
const UNCHANGED = 1_000_000_000;

// What a crash leaves under this name is another name of a complete reservation, or nothing that anybody needs.
const NEW = '.new';

/** So many addresses are looked at one by one before all are read. */
const GLANCES = 16;

const ADDRESS = /^(?:\d+\.\d+\.\d+\.\d+|[0-9a-f]*:[0-9a-f:.]*)$/;
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants;

/** The addresses that are taken: names of files. */
export function takenIn(folder: string): Set<string> {
  return new Set(namesIn(folder).filter(name => ADDRESS.test(name)));
}

/** Valid while the lock is held: see inReservations. Throws SystemError. */
export class Reservations {
  readonly #folder: string;
  readonly #byId: string;
  readonly #trace: Trace;
  /** Of each address that has been looked up, its link in `.by-id`. */
  readonly #links = new Map<string, string>();
  /** All, by the hash of their content, where `.by-id` could not be put right. */
  #all: Map<string, string[]> | undefined;
  #taken: Set<string> | undefined;
  #glances = 0;
  #isSealed: boolean;

  /** Puts `.by-id` right, and removes what those who were killed have left half done. */
  constructor(folder: string, trace: Trace) {
    this.#folder = folder;
    this.#byId = join(folder, BY_ID);
    this.#trace = trace;
    this.#isSealed = isUnchanged(folder) && isUnchanged(this.#byId);
    if (!this.#isSealed) this.#readAll();
  }

  isTaken(address: string): boolean {
    this.#glances++;
    if (this.#glances > GLANCES) this.#taken ??= takenIn(this.#folder);
    return this.#taken?.has(address) ?? isThere(join(this.#folder, address));
  }

  /** The addresses of an attachment. Very old versions of the reference plugin wrote no interface name. */
  heldBy({ containerId, ifName }: Endpoint): string[] {
    const own = this.#withContent(contentFor({ containerId, ifName }));
    return own.length > 0 ? own : this.#withContent(containerId);
  }

  /** Reserves a free address, as the latest of its range set. A crash leaves the whole reservation or none; an error leaves none. */
  reserve(address: string, endpoint: Endpoint, set: number): void {
    const content = contentFor(endpoint);
    const temporary = join(this.#folder, NEW);
    const path = join(this.#folder, address);
    const last = this.#lastFile(set);
    const { containerId, ifName } = endpoint;
    const hash = digest(content, DIGITS);
    let isMade = false;
    try {
      const write = `printf '%s\\r\\n%s' ${shellWord(containerId)} ${shellWord(ifName)} > ${shellWord(temporary)}`;
      this.#effect(write, temporary, () => writeFile(temporary, O_EXCL, content));
      this.#effect(`ln ${shellWord(temporary)} ${shellWord(path)}`, path, () => linkSync(temporary, path));
      isMade = true;
      this.#taken?.add(address);
      this.#link(address, hash, this.#linked(hash).length);
      this.#remove(temporary);
      this.#effect(`printf %s ${address} > ${shellWord(last)}`, last, () => writeFile(last, O_TRUNC, address));
    } catch (error) {
      this.#undo(temporary, isMade ? [address] : []);
      throw error;
    }
  }

  /** The address that was reserved last in a range set; whatever the file says. */
  lastReserved(set: number): string | undefined {
    return readText(this.#lastFile(set));
  }

  /** All that an attachment holds, of those that were looked up. */
  release(addresses: readonly string[]): void {
    // A crash must not leave a link without those before it.
    for (const address of addresses.toReversed()) {
      const link = this.#links.get(address);
      this.#remove(join(this.#folder, address), ...(link === undefined ? [] : [link]));
      this.#taken?.delete(address);
      this.#links.delete(address);
    }
    if (addresses.length > 0) this.#removeById();
  }

  /** Frees what no valid attachment holds. */
  collect(valid: readonly Endpoint[]): void {
    const kept = new Set(valid.flatMap(endpoint => [contentFor(endpoint), endpoint.containerId]));
    const contents = new Set([...takenIn(this.#folder)].map(address => this.#contentOf(address)));
    for (const content of contents) {
      if (content !== undefined && !kept.has(content)) this.release(this.#withContent(content));
    }
  }

  /** To be called at the end, so that the next one need not read all. */
  seal(): void {
    if (this.#isSealed || this.#all !== undefined) return;
    const folders = [this.#byId, this.#folder].filter(isThere);
    const command = `touch -d @${UNCHANGED} ${folders.map(shellWord).join(' ')}`;
    try {
      this.#trace(command, () => {
        for (const one of folders) utimesSync(one, UNCHANGED, UNCHANGED);
      });
    } catch {
      // The next one reads all.
    }
  }

  #withContent(content: string): string[] {
    const hash = digest(content, DIGITS);
    const isOwn = (address: string) => this.#contentOf(address) === content;
    const found = this.#lookUp(hash);
    if (found.every(isOwn)) return found;
    this.#readAll(); // somebody has changed what is in .by-id
    return this.#lookUp(hash).filter(isOwn);
  }

  #lookUp(hash: string): string[] {
    return this.#all === undefined ? this.#linked(hash) : (this.#all.get(hash) ?? []);
  }

  #linked(hash: string): string[] {
    const found: string[] = [];
    for (;;) {
      const link = this.#linkPath(hash, found.length);
      const stat = lstatSync(link, { throwIfNoEntry: false });
      if (stat === undefined) return found;
      const address = stat.isSymbolicLink() ? basename(readlinkSync(link)) : '';
      found.push(address);
      this.#links.set(address, link);
    }
  }

  /** Makes `.by-id` anew. A reservation that is empty: who made it was killed. */
  #readAll(): void {
    if (isThere(join(this.#folder, NEW))) this.#remove(join(this.#folder, NEW));
    const all = new Map<string, string[]>();
    for (const address of takenIn(this.#folder)) {
      const content = this.#contentOf(address);
      if (content === '') this.#remove(join(this.#folder, address));
      if (!content) continue;
      const hash = digest(content, DIGITS);
      all.set(hash, [...(all.get(hash) ?? []), address]);
    }
    try {
      const clear = () => rmSync(this.#byId, { recursive: true, force: true });
      if (isThere(this.#byId)) this.#effect(`rm -rf ${shellWord(this.#byId)}`, this.#byId, clear);
      for (const [hash, addresses] of all)
        for (const [index, address] of addresses.entries()) this.#link(address, hash, index);
    } catch {
      this.#all = all; // a full disk, say: all will be read again the next time
    }
  }

  #link(address: string, hash: string, index: number): void {
    const link = this.#linkPath(hash, index);
    const target = join('..', address);
    this.#effect(`mkdir -p ${shellWord(this.#byId)} && ln -s ${target} ${shellWord(link)}`, link, () => {
      try {
        symlinkSync(target, link);
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) throw error;
        mkdirSync(this.#byId);
        symlinkSync(target, link);
      }
    });
    this.#links.set(address, link);
  }

  /** Without white space around it; undefined for what is no file. */
  #contentOf(address: string): string | undefined {
    return readText(join(this.#folder, address))?.trim();
  }

  /** After a failure, which is the one to tell. */
  #undo(temporary: string, made: string[]): void {
    try {
      remove(temporary);
      this.release(made);
    } catch {
      // GC removes it.
    }
  }

  #remove(...paths: string[]): void {
    this.#effect(`rm -f ${paths.map(shellWord).join(' ')}`, paths.join(' '), () => paths.forEach(remove));
  }

  #removeById(): void {
    const command = `rmdir --ignore-fail-on-non-empty ${shellWord(this.#byId)}`;
    this.#effect(command, this.#byId, () => {
      try {
        rmdirSync(this.#byId);
      } catch (error) {
        if (!hasCode(error, 'ENOENT', 'ENOTEMPTY')) throw error;
      }
    });
  }

  #linkPath(hash: string, index: number): string {
    return join(this.#byId, `${hash}.${index}`);
  }

  #lastFile(set: number): string {
    return join(this.#folder, `last_reserved_ip.${set}`);
  }

  #effect(command: string, path: string, effect: () => void): void {
    this.#isSealed = false;
    try {
      this.#trace(command, effect);
    } catch (error) {
      throw asSystemError(error, path);
    }
  }
}

/** One that is not there was not made either: that would have changed the folder that it is in. */
function isUnchanged(folder: string): boolean {
  return (statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? UNCHANGED * 1000) === UNCHANGED * 1000;
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function contentFor({ containerId, ifName }: Endpoint): string {
  return `${containerId}\r\n${ifName}`;
}

function writeFile(path: string, flag: number, text: string): void {
  const fd = openSync(path, O_WRONLY | O_CREAT | O_NOFOLLOW | flag, 0o644);
  try {
    writeWhole(fd, text);
  } finally {
    closeSync(fd);
  }
}
