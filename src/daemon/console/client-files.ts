/** The client's files, for a daemon that asks: those alone that the command line names. */
import { createReadStream, writeSync } from 'node:fs';
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
export async function sendFile(open: Open, to: Sender, argv: readonly string[]): Promise<void> {
  const { path } = open;
  try {
    if (!isIn(path, argv) || (open.how === 'pack' && !argv.includes('cp'))) throw refusal(path);
    const bytes = open.how === 'pack' ? (await trees()).packPath(path, open.name, leftOut) : createReadStream(path);
    for await (const chunk of bytes) {
      to.write(chunk);
      if (!(await to.sent())) return;
    }
    to.end();
  } catch (thrown) {
    to.fail(faultOf(thrown));
  }
}

/** A file is there whole, or not at all. */
export async function takeFiles(open: Open, from: Receiver, argv: readonly string[], say: Say): Promise<void> {
  const { channel, path } = open;
  try {
    if (!isIn(path, argv) || !argv.includes(open.how === 'unpack' ? 'cp' : 'save')) throw refusal(path);
    if (open.how === 'unpack') {
      const done = await (await trees()).unpackTo(path, open.isFolder, from, leftOut);
      say({ type: 'unpacked', channel, ...done });
    } else {
      await writeStreamed(path, from);
      say({ type: 'saved', channel });
    }
  } catch (thrown) {
    from.fail(faultOf(thrown));
  }
}

const trees = () => import('../../host/file-tree/places.ts');

/** In the words of the command line. */
function leftOut(name: string): void {
  writeSync(2, `warning: ${name} is left out: it is no file, folder or link\n`);
}

const refusal = (path: string) => ({ code: 'EACCES', message: `EACCES: ${path} is not named by the command` });

/** A daemon, of another host say, gets no file that the person has not named: `-f FILE`, `-fFILE`, `--output=jsonpath-file=FILE`. */
function isIn(path: string, argv: readonly string[]): boolean {
  const isOne = (word: string) => word === path || word.endsWith(`=${path}`) || word === word.slice(0, 2) + path;
  return path !== '' && argv.some(isOne);
}
