/**
 * What the two ends of a console say to each other (docs/api.md): a command line that runs in the daemon, with its standard input, output and
 * error, its terminal, its signals and its files at the client. Channels 0, 1 and 2 are the descriptors; those from 3 on are files.
 */
import * as v from 'valibot';

export const PATH = '/v1beta1/console';
export const UPGRADE = 'kuke-console';

/** Of a command line, with its environment, in bytes. */
export const LONGEST_REQUEST = 128 * 1024;

/** What a standard descriptor is; the size is in characters, 0 where it has none. */
const descriptorSchema = v.object({ terminal: v.boolean(), columns: v.number(), rows: v.number() });
export type Descriptor = v.InferOutput<typeof descriptorSchema>;
const descriptors = v.tuple([descriptorSchema, descriptorSchema, descriptorSchema]);

export const requestSchema = v.object({
  type: v.literal('run'),
  /** Without the program's name. */
  argv: v.array(v.string()),
  env: v.record(v.string(), v.string()),
  /** Absolute. */
  cwd: v.string(),
  stdio: descriptors,
  /** Which program it is: absent from another host. */
  program: v.exactOptional(v.string()),
});

/** Who is at the other end of the socket (unix(7), SO_PEERCRED). */
export interface Peer {
  uid: number;
  gid: number;
  pid: number;
}

export type ConsoleRequest = v.InferOutput<typeof requestSchema> & { peer: Peer };

export const WHAT = ['file', 'folder', 'other'] as const;

/** What a client says after its request. */
export const clientMessage = v.variant('type', [
  v.object({ type: v.literal('signal'), name: v.string(), stdio: v.exactOptional(descriptors) }),
  v.object({
    type: v.literal('looked'),
    channel: v.number(),
    /** null: nothing is there. */
    what: v.nullable(v.picklist(WHAT)),
    hasFolder: v.boolean(),
  }),
  v.object({ type: v.literal('saved'), channel: v.number() }),
]);
export type ClientMessage = v.InferOutput<typeof clientMessage>;

/** What the daemon says. */
export type DaemonMessage =
  /** The last one. */
  | { type: 'exit'; code: number }
  /** It is to be run by the client itself; nothing has been done. */
  | { type: 'local'; why?: string }
  /** The terminal's modes: every byte as it is, or as they were. */
  | { type: 'raw'; isOn: boolean }
  /** These signals are of interest too. */
  | { type: 'signals'; names: NodeJS.Signals[] }
  | { type: 'open'; channel: number; how: 'read' | 'write' | 'look'; path: string };

/** Of the environment, what kuke reads. */
export function isShared(name: string): boolean {
  return /^(?:KUKE_\w+|LC_\w+|LANG|LANGUAGE|NO_COLOR|TERM)$/.test(name);
}
