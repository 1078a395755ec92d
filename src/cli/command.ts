/** What a verb is: flags in citty's terms, examples for its help, and what it does. */
import type { ArgsDef, ParsedArgs } from 'citty';
import type { TerminalSize } from '../kernel/backends/index.ts';
import type { Logs } from '../kernel/logs/log-reader.ts';
import type { PluginSource } from '../kernel/registry.ts';
import type { FindChangeable } from '../kernel/trusted-path.ts';
import type { FileTrees } from './cp/file-trees.ts';
import type { DaemonDoor } from './daemon/door.ts';
import type { GlobalFlags } from './global-flags.ts';

export interface Command<A extends ArgsDef = ArgsDef> {
  summary: string;
  /** A command line without `kuke`, and what it does. */
  examples: [line: string, what: string][];
  args: A;
  /** Flags that may be given several times, and the last positional if it takes all that follow; they are in `lists`. */
  repeatable?: (keyof A & string)[];
  /** Resolves to the exit code; nothing: 0. */
  run(invocation: Invocation<A>): Promise<number | undefined>;
}

/** What the program around the command line is made of; each loaded when it is asked for. */
export interface Program {
  /** It runs as kukeond. */
  isDaemon?: true;
  version(): Promise<string>;
  builtins(): Promise<PluginSource[]>;
  /** What plugins from disk get as `kuke/plugin`. */
  sdk(): Promise<Record<string, unknown>>;
  /** The CNI plugins in it, as files for other runtimes. */
  cniPlugins(): Promise<CniPlugins>;
  /** Opens a file for appending, as root: it throws where others could have put it there. Resolves to what gives the descriptor. */
  openLogFile(): Promise<(path: string) => number>;
  streams(): Promise<Streams>;
  /** Copies files, as tar archives. */
  fileTrees(): Promise<FileTrees>;
  /** Reads what containers wrote. */
  logs(): Promise<Logs>;
  pipes(): Promise<Pipes>;
  /** Resolves to what writes a file bit by bit, so that it is there whole, or not at all. */
  writeStreamed(): Promise<(path: string, parts: AsyncIterable<Uint8Array>) => Promise<void>>;
  /** kukeond: the process itself, and what starts and ends it. */
  daemon(): Promise<DaemonDoor>;
  /** What of a path, of all that it holds and of the way there others than root can change. */
  changeableByOthers(): Promise<FindChangeable>;
}

/** The terminal and standard output, where it is about each byte. */
export interface Streams {
  /** Every byte typed comes as it is, Ctrl-C too. Returns what puts the terminal's modes back. */
  rawTerminal(fd: number): () => void;
  terminalSize(fd: number): TerminalSize;
  /** Resolves when all is written, at the reader's pace. False: nobody reads it any more. */
  writeBytes(fd: number, bytes: Uint8Array): Promise<boolean>;
  /** Resolves when the reader of a pipe, or a terminal, has gone; rejects with the signal's reason. */
  hungUp(fd: number, signal: AbortSignal): Promise<void>;
}

/** Descriptors for others, whose other ends are ours; nothing of it holds up the event loop. */
export interface Pipes {
  makePipe(): { reading: PipeEnd; writing: PipeEnd };
  /** The next that comes, at most so much of it; undefined: that was all, or no more is wanted. */
  readPiece(fd: number, most: number, until?: AbortSignal): Promise<Uint8Array | undefined>;
  writeBytes(fd: number, bytes: Uint8Array): Promise<boolean>;
}

export interface PipeEnd {
  readonly fd: number;
  /** Done twice, it does nothing. */
  close(): void;
}

export interface CniPlugins {
  /** Where they were installed is kept in the run path. */
  install(folder: string, options: { force: boolean; runPath: string }): Promise<CniPluginFile[]>;
  /** Without a folder: from all in which they were installed. Files that are done are told of, also where others fail. */
  uninstall(folder: string | undefined, runPath: string, tell: (file: CniPluginFile) => void): Promise<void>;
  foreseeInstall(folder: string, options: { force: boolean; runPath: string }): Promise<CniForecast>;
  foreseeUninstall(folder: string | undefined, runPath: string): Promise<CniForecast>;
}

export interface CniForecast {
  files: CniPluginFile[];
  /** The commands that a person would type for it; empty where nothing is to be done. */
  script: string;
}

export interface CniPluginFile {
  plugin: string;
  path: string;
  /** `left`: another vendor's, which stays; `blocked`: a folder has its name. */
  result: 'installed' | 'renewed' | 'replaced' | 'unchanged' | 'left' | 'blocked' | 'removed' | 'not found';
}

export interface Invocation<A extends ArgsDef = ArgsDef> {
  args: ParsedArgs<A>;
  lists: Record<string, string[]>;
  globals: GlobalFlags;
  program: Program;
  /** As the user typed it. */
  line: string;
  /** Aborted by Ctrl-C and SIGTERM. */
  signal: AbortSignal;
}

/** Checks `run` against the flags; what is returned stands in tables beside commands with other flags. */
export function command<const A extends ArgsDef>(definition: Command<A>): Command {
  return definition as unknown as Command;
}

/** A command, or a word that has commands below it (`image load`). */
export type CommandEntry =
  | { summary: string; load: () => Promise<{ default: Command }> }
  | { summary: string; below: Record<string, CommandEntry> };
