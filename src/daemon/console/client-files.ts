/** The client's files, for a daemon that asks: those alone that the command line names, and for that alone which it names them for. */
import { createReadStream, writeSync } from 'node:fs';
import { writeStreamed } from '../../host/streamed-file.ts';
import { faultOf } from './client-input.ts';
import { look } from './look.ts';
import type { Receiver, Sender } from './mux.ts';
import type { ClientMessage, DaemonMessage } from './protocol.ts';

type Open = Extract<DaemonMessage, { type: 'open' }>;

type Say = (message: ClientMessage) => void;

/** Whether the command line names the path, for the daemon to do that with it: it may be another host's. */
export type IsNamed = (how: Open['how'], path: string) => boolean;

export function tellOf({ channel, how, path }: Open, isNamed: IsNamed, say: Say): void {
  const looked = isNamed(how, path) ? look(path) : { what: null, hasFolder: false };
  say({ type: 'looked', channel, ...looked });
}

/** Whatever becomes of it, the daemon is told. */
export async function sendFile(open: Open, to: Sender, isNamed: IsNamed): Promise<void> {
  const { path } = open;
  try {
    if (!isNamed(open.how, path)) throw refusal(path);
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
export async function takeFiles(open: Open, from: Receiver, isNamed: IsNamed, say: Say): Promise<void> {
  const { channel, path } = open;
  try {
    if (!isNamed(open.how, path)) throw refusal(path);
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
