/**
 * What the two ends of a console say to each other (docs/api.md): a command line that runs in the daemon, with its standard input, output and
 * error, its terminal, its signals and its files at the client. Channels 0, 1 and 2 are the descriptors; those from 3 on are files.
 */
import type { Looked } from './look.ts';

export const PATH = '/v1beta1/console';
export const UPGRADE = 'kuke-console';

/** Of a command line, with its environment, in bytes. */
export const LONGEST_REQUEST = 128 * 1024;

/** Of a terminal, each way. */
export const MOST_CHARACTERS = 10_000;

/** What a standard descriptor is; the size is in characters, 0 where it has none. */
export interface Descriptor {
  terminal: boolean;
  columns: number;
  rows: number;
}
export type Descriptors = [Descriptor, Descriptor, Descriptor];

/** The first message. */
export interface RunRequest {
  type: 'run';
  /** Without the program's name. */
  argv: string[];
  env: Record<string, string>;
  /** Absolute. */
  cwd: string;
  stdio: Descriptors;
  /** Which program it is; absent from another host. */
  program?: string;
}

/** Who is at the other end of the socket (unix(7), SO_PEERCRED). */
export interface Peer {
  uid: number;
  gid: number;
  pid: number;
}

export type ConsoleRequest = RunRequest & { peer: Peer };

/** What a client says after its request. */
export type ClientMessage =
  | { type: 'signal'; name: string; stdio?: Descriptors }
  | ({ type: 'looked'; channel: number } & Looked)
  | { type: 'saved'; channel: number }
  | { type: 'unpacked'; channel: number; files: number; bytes: number };

/** What the daemon says. */
export type DaemonMessage =
  /** The last one. */
  | { type: 'exit'; code: number }
  /** It is to be run by the client itself; nothing has been done. */
  | { type: 'local'; why?: string }
  /** The terminal's modes: every byte as it is, or as they were. */
  | { type: 'raw'; isOn: boolean }
  /** It wants to know when nobody reads standard output any more. */
  | { type: 'listen' }
  /** These signals are of interest too. */
  | { type: 'signals'; names: NodeJS.Signals[] }
  | { type: 'open'; channel: number; how: 'read' | 'write' | 'look'; path: string }
  /** A file or a folder, as a tar archive in which it has that name. */
  | { type: 'open'; channel: number; how: 'pack'; path: string; name: string }
  /** A tar archive to that path, or into the folder that it is. */
  | { type: 'open'; channel: number; how: 'unpack'; path: string; isFolder: boolean };

/** Of the environment, what kuke reads. */
export function isShared(name: string): boolean {
  return /^(?:KUKE_\w+|LC_\w+|LANG|LANGUAGE|NO_COLOR|TERM)$/.test(name);
}

/** Upgrades the connection that it is sent over. */
export const HEAD = `POST ${PATH} HTTP/1.1\r\nHost: kuke\r\nConnection: Upgrade\r\nUpgrade: ${UPGRADE}\r\nContent-Length: 0\r\n\r\n`;
