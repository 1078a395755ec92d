/** The client's files, for a daemon that asks: those alone that the command line names. */
import { createReadStream } from 'node:fs';
import { writeStreamed } from '../../host/streamed-file.ts';
import { faultOf } from './client-input.ts';
import { look } from './look.ts';
import type { Receiver, Sender } from './mux.ts';
import type { ClientMessage, DaemonMessage } from './protocol.ts';

type Open = Extract<DaemonMessage, { type: 'open' }>;

type Say = (message: ClientMessage) => void;

export function tellOf({ channel, path }: Open, argv: readonly string[], say: Say): void {
  const looked = isIn(path, argv) ? look(path) : { what: null, hasFolder: false };
  say({ type: 'looked', channel, ...looked });
}

/** Whatever becomes of it, the daemon is told. */
export async function sendFile({ path }: Open, to: Sender, argv: readonly string[]): Promise<void> {
  try {
    if (!isIn(path, argv)) throw refusal(path);
    for await (const chunk of createReadStream(path)) {
      to.write(chunk);
      if (!(await to.sent())) return;
    }
    to.end();
  } catch (thrown) {
    to.fail(faultOf(thrown));
  }
}

/** There whole, or not at all. */
export async function saveFile(
  { channel, path }: Open,
  from: Receiver,
  argv: readonly string[],
  say: Say,
): Promise<void> {
  try {
    if (!isIn(path, argv) || !argv.includes('save')) throw refusal(path);
    await writeStreamed(path, from);
    say({ type: 'saved', channel });
  } catch (thrown) {
    from.fail(faultOf(thrown));
  }
}

const refusal = (path: string) => ({ code: 'EACCES', message: `EACCES: ${path} is not named by the command` });

/** A daemon, of another host say, gets no file that the person has not named: `-f FILE`, `-fFILE`, `--output=jsonpath-file=FILE`. */
function isIn(path: string, argv: readonly string[]): boolean {
  const isOne = (word: string) => word === path || word.endsWith(`=${path}`) || word === word.slice(0, 2) + path;
  return path !== '' && argv.some(isOne);
}
