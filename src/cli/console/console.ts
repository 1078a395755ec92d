/**
 * Whose command it is that runs: the three descriptors, environment, folder, files and signals of whoever typed it. In `kuke` they are the
 * process's own; in kukeond, which runs many commands at once, each has its own, and `currentConsole()` gives that of the command that asks.
 * It follows every await. What somebody else calls back (an event of a socket or of a file, a signal) is `bound` to its command before.
 */

import type { Looked } from '../../daemon/console/look.ts';
import type { Program, Streams } from '../command.ts';
import type { Unpacked } from '../cp/file-trees.ts';
import type { ColourMode } from '../global-flags.ts';
import { ownConsole } from './own-console.ts';

/** Standard output: what cannot be written is told once, at the end. */
export interface Output {
  write(text: string): void;
  /** False once nothing can be written any more, as when the reader has gone. */
  isHeard(): boolean;
  /** Resolves when all that was written so far has been taken. */
  flush(): Promise<void>;
  /** Resolves when all of it is written, to why it could not be: `No space left on device (ENOSPC)`; undefined when all is well. */
  end(): Promise<string | undefined>;
}

/** Files that the person has named, with that person's rights, and relative to that person's folder. Errors are as node:fs has them. */
export interface Files {
  look(path: string): Promise<Looked>;
  read(path: string): AsyncIterable<Uint8Array>;
  /** A file is there whole, or not at all. Throws what the archive throws, too. */
  /** A file or a folder as a tar archive, in which it has that name. */
  pack(path: string, name: string, program: Pick<Program, 'fileTrees'>): AsyncIterable<Uint8Array>;
  /** A tar archive to that path, or into it, if it is a folder. */
  unpack(
    path: string,
    isFolder: boolean,
    archive: AsyncIterable<Uint8Array>,
    program: Pick<Program, 'fileTrees'>,
  ): Promise<Unpacked>;
  save(path: string, archive: AsyncIterable<Uint8Array>, program: Pick<Program, 'writeStreamed'>): Promise<void>;
}

export interface KeyEvents {
  /** Singly and unseen. */
  key(bytes: Uint8Array): void;
  /** Nobody types any more: the terminal has gone. */
  ended(): void;
}

/** Descriptors of this process for a process in a container. */
export interface GivenDescriptors {
  stdin: number;
  stdout: number;
  stderr: number;
  /** After its end: resolves when all that it wrote has been passed on. */
  close(): Promise<void>;
}

export interface Console {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Who asked kukeond for it; absent: the process's own user. */
  readonly peer?: { uid: number; gid: number; pid: number };
  /** Absolute. */
  cwd(): string;
  isTerminal(fd: 0 | 1 | 2): boolean;
  /** Of a terminal as it is now, in characters; 80 by 24 where it says none. */
  size(fd: 1 | 2): { columns: number; rows: number };
  readonly output: Output;
  /** To standard error. Who does not listen any more is no failure. */
  tell(text: string): void;
  stdin(): AsyncIterable<Uint8Array>;
  /** What is typed at the terminal that standard input is, until the returned function is called. */
  keys(events: KeyEvents): () => void;
  readonly files: Files;
  streams(program: Program): Promise<Streams>;
  /** Resolves when nobody reads standard output any more, before something more is written; absent: that is not known. */
  readerGone?(program: Program, signal: AbortSignal): Promise<void>;
  /** `isInput`: standard input is passed on. */
  descriptors(isInput: boolean, program: Program): Promise<GivenDescriptors>;
  on(signal: NodeJS.Signals, listener: (name: NodeJS.Signals) => void): void;
  off(signal: NodeJS.Signals, listener: (name: NodeJS.Signals) => void): void;
  /** Takes a signal over: whoever listened to it does not hear it any more. */
  take(signal: NodeJS.Signals, listener: (name: NodeJS.Signals) => void): void;
  /** For who does not want to wait any longer: what still runs is not waited for. */
  exit(code: number): void;
  /** What `--color` and `--verbose` say. */
  colours: ColourMode;
  isVerbose: boolean;
}

/** How a process that runs several commands tells them apart: an AsyncLocalStorage. */
export interface Consoles {
  getStore(): Console | undefined;
  run<T>(of: Console, work: () => T): T;
}

let consoles: Consoles | undefined;

/** From here on commands have consoles of their own, where they are run `within` one. */
export function tellApart(by: Consoles): void {
  consoles = by;
}

export function currentConsole(): Console {
  return consoles?.getStore() ?? ownConsole;
}

export function within<T>(of: Console, work: () => T): T {
  return consoles === undefined ? work() : consoles.run(of, work);
}

/** The same function, which always belongs to the command that asked for this, whoever calls it. */
export function bound<A extends unknown[], R>(call: (...args: A) => R): (...args: A) => R {
  if (consoles === undefined) return call;
  const of = currentConsole();
  return (...args) => within(of, () => call(...args));
}
