/**
 * The reservations of a network on disk, in the reference plugin's layout, so that either can go on where the other stopped, and both
 * may run at once: `<dataDir>/<network>/` holds a file for each address that is given (`<container id>\r\n<interface>`), the last
 * address of each range set (`last_reserved_ip.N`), and `lock`, which whoever reads or writes them has locked.
 *
 * Of our own is `.by-id/`: for each address a second name `<hash of the content>.<address>` of the same file, so that an attachment's
 * addresses are found without reading all. It is only a hint: what the reference plugin has made meanwhile is added when it is seen,
 * and what it removes, it removes there too, for it looks through the whole tree. The folder goes with its last name.
 */
import { closeSync, constants, linkSync, mkdirSync, openSync, renameSync, rmdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../../../host/errno.ts';
import { asSystemError } from '../../../host/libc.ts';
import { digest } from '../label.ts';
import type { Endpoint } from '../plugin.ts';
import { shellWord } from '../shell-word.ts';
import type { Trace } from '../trace.ts';
import { namesIn, readText, remove } from './files.ts';

const BY_ID = '.by-id';
const DIGITS = 32;

// What a crash leaves under this name is another name of a complete reservation, or nothing that anybody needs.
const NEW = 'new';

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
  readonly #taken: Set<string>;
  /** The hash of each address's content. */
  readonly #hashes = new Map<string, string>();

  /** Puts `.by-id` right, and removes what those who were killed have left half done. */
  constructor(folder: string, trace: Trace) {
    this.#folder = folder;
    this.#byId = join(folder, BY_ID);
    this.#trace = trace;
    this.#taken = takenIn(folder);
    for (const name of namesIn(this.#byId)) this.#readName(name);
    for (const address of this.#taken) if (!this.#hashes.has(address)) this.#notice(address);
  }

  isTaken(address: string): boolean {
    return this.#taken.has(address);
  }

  /** The addresses of an attachment. Very old versions of the reference plugin wrote no interface name. */
  heldBy({ containerId, ifName }: Endpoint): string[] {
    const own = this.#withContent(contentFor({ containerId, ifName }));
    return own.length > 0 ? own : this.#withContent(containerId);
  }

  /** Reserves a free address, as the latest of its range set. A crash leaves the whole reservation or none; an error leaves none. */
  reserve(address: string, endpoint: Endpoint, set: number): void {
    const content = contentFor(endpoint);
    const hash = digest(content, DIGITS);
    const temporary = join(this.#byId, NEW);
    const path = join(this.#folder, address);
    const name = this.#name(hash, address);
    const last = this.#lastFile(set);
    const { containerId, ifName } = endpoint;
    try {
      const write = `printf '%s\\r\\n%s' ${shellWord(containerId)} ${shellWord(ifName)} > ${shellWord(temporary)}`;
      this.#effect(`mkdir -p ${shellWord(this.#byId)} && ${write}`, temporary, () => this.#write(temporary, content));
      this.#effect(`ln ${shellWord(temporary)} ${shellWord(path)}`, path, () => linkSync(temporary, path));
      this.#taken.add(address);
      this.#effect(`mv ${shellWord(temporary)} ${shellWord(name)}`, name, () => renameSync(temporary, name));
      this.#hashes.set(address, hash);
      this.#effect(`printf %s ${address} > ${shellWord(last)}`, last, () => writeFile(last, O_TRUNC, address));
    } catch (error) {
      this.#undo(temporary, address);
      throw error;
    }
  }

  /** The address that was reserved last in a range set; whatever the file says. */
  lastReserved(set: number): string | undefined {
    return readText(this.#lastFile(set));
  }

  release(addresses: readonly string[]): void {
    for (const address of addresses) {
      const hash = this.#hashes.get(address);
      this.#remove(join(this.#folder, address), ...(hash === undefined ? [] : [this.#name(hash, address)]));
      this.#taken.delete(address);
      this.#hashes.delete(address);
    }
    if (this.#hashes.size === 0) this.#removeById();
  }

  /** Frees what no valid attachment holds. */
  collect(valid: readonly Endpoint[]): void {
    const kept = new Set(valid.flatMap(endpoint => [contentFor(endpoint), endpoint.containerId]));
    const isStale = (content: string | undefined) => content !== undefined && !kept.has(content);
    this.release([...this.#taken].filter(address => isStale(this.#contentOf(address))));
  }

  #withContent(content: string): string[] {
    const hash = digest(content, DIGITS);
    const found = [...this.#hashes].flatMap(([address, of]) => (of === hash ? [address] : []));
    return found.filter(address => {
      if (this.#contentOf(address) === content) return true;
      // Its first name alone was removed, and the address then given to another.
      this.#remove(this.#name(hash, address));
      this.#hashes.delete(address);
      this.#notice(address);
      return false;
    });
  }

  #readName(name: string): void {
    const address = name.slice(DIGITS + 1);
    if (this.#taken.has(address)) this.#hashes.set(address, name.slice(0, DIGITS));
    else this.#remove(join(this.#byId, name));
  }

  /** Gives a reservation of the reference plugin's its second name. One that is empty, it was killed while it made. */
  #notice(address: string): void {
    const content = this.#contentOf(address);
    if (content === undefined) return;
    if (content === '') {
      this.#remove(join(this.#folder, address));
      this.#taken.delete(address);
      return;
    }
    const hash = digest(content, DIGITS);
    const [path, name] = [join(this.#folder, address), this.#name(hash, address)];
    try {
      this.#effect(`mkdir -p ${shellWord(this.#byId)} && ln ${shellWord(path)} ${shellWord(name)}`, name, () => {
        mkdirSync(this.#byId, { recursive: true });
        linkSync(path, name);
      });
    } catch {
      // A full disk, say: it will be read again the next time.
    }
    this.#hashes.set(address, hash);
  }

  /** Without white space around it; undefined for what is no file. */
  #contentOf(address: string): string | undefined {
    return readText(join(this.#folder, address))?.trim();
  }

  #write(path: string, content: string): void {
    try {
      writeFile(path, O_EXCL, content);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
      mkdirSync(this.#byId);
      writeFile(path, O_EXCL, content);
    }
  }

  /** After a failure, which is the one to tell. */
  #undo(temporary: string, address: string): void {
    try {
      remove(temporary);
      this.release(this.#taken.has(address) ? [address] : []);
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

  #name(hash: string, address: string): string {
    return join(this.#byId, `${hash}.${address}`);
  }

  #lastFile(set: number): string {
    return join(this.#folder, `last_reserved_ip.${set}`);
  }

  #effect(command: string, path: string, effect: () => void): void {
    try {
      this.#trace(command, effect);
    } catch (error) {
      throw asSystemError(error, path);
    }
  }
}

function contentFor({ containerId, ifName }: Endpoint): string {
  return `${containerId}\r\n${ifName}`;
}

function writeFile(path: string, flag: number, text: string): void {
  const fd = openSync(path, O_WRONLY | O_CREAT | O_NOFOLLOW | flag, 0o644);
  try {
    writeSync(fd, text);
  } finally {
    closeSync(fd);
  }
}
