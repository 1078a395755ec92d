/** The daemon's side of consoles: command lines of clients, each over a connection of its own that was HTTP until its upgrade. */

import type { Duplex } from 'node:stream';
import { makeQuota } from '../server/quota.ts';
import { readMessage, readRequest } from './messages.ts';
import { Mux, type Transport } from './mux.ts';
import { programIdentity } from './program-identity.ts';
import {
  type ClientMessage,
  type ConsoleRequest,
  type DaemonMessage,
  LONGEST_REQUEST,
  type Peer,
  type RunRequest,
  UPGRADE,
} from './protocol.ts';

/** What a command line's end of the console is. */
export interface ConsoleLink {
  mux: Mux;
  say(message: DaemonMessage): void;
  /** Called with what the client says, from now on; undefined: it has gone. */
  hear(listener: (message: ClientMessage | undefined) => void): void;
  /** It goes on until this has, though the client is told of an end before: a command that is called off has something to undo. */
  lastsAs(work: Promise<unknown>): void;
}

/** Runs a command line. Resolves to its exit code; `local`: the client is to run it itself, and nothing has been done. Never rejects. */
export type RunCommandLine = (
  request: ConsoleRequest,
  link: ConsoleLink,
) => Promise<number | { local: string | undefined }>;

export interface Consoles {
  /** Takes over a connection whose request for the upgrade has been read; nothing has been answered yet. */
  serve(socket: Duplex, head: Buffer, peer: Peer): void;
  /** How many command lines run. */
  readonly count: number;
  /** Takes no more, and ends those that run as SIGTERM does. Resolves when all have ended. */
  stop(): Promise<void>;
}

export interface ConsolesOptions {
  run: RunCommandLine;
  /** At once: of all users, and of each. */
  most?: number;
  mostOfUser?: number;
  /** How long a client has to say what is to be run. */
  patienceMs?: number;
}

const UPGRADED = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${UPGRADE}\r\n\r\n`;
const MOST = 256;
const MOST_OF_USER = 128;
const PATIENCE_MS = 30_000;
/** What was said last has so long to arrive. */
const LAST_WORDS_MS = 1000;
/** What a client that does not read may make us hold: more, and it is taken for gone. */
const MOST_UNSENT = 8 << 20;

export function makeConsoles({
  run,
  most = MOST,
  mostOfUser = Math.min(most, MOST_OF_USER),
  patienceMs = PATIENCE_MS,
}: ConsolesOptions): Consoles {
  const quota = makeQuota(most, mostOfUser);
  const running = new Set<{ end(): void; ended: Promise<void> }>();
  let isStopping = false;
  return {
    serve(socket, head, peer) {
      if (socket.destroyed) return;
      socket.on('error', () => socket.destroy());
      const giveBack = isStopping ? undefined : quota.take(peer.uid);
      if (giveBack === undefined)
        return refuse(socket, isStopping ? 'the daemon ends' : `${quota.used} consoles are open`);
      socket.write(UPGRADED);
      const ended = Promise.withResolvers<void>();
      const one = { end: () => link.end(), ended: ended.promise };
      const link = linkTo(socket, head, patienceMs, (request, to) => answer(run, { ...request, peer }, to));
      running.add(one);
      link.done.finally(() => {
        running.delete(one);
        giveBack();
        ended.resolve();
      });
    },
    get count() {
      return running.size;
    },
    async stop() {
      isStopping = true;
      for (const one of running) one.end();
      await Promise.all([...running].map(({ ended }) => ended));
    },
  };
}

function refuse(socket: Duplex, why: string): void {
  socket.resume(); // what it has sent already, unread, would take the answer from it
  const body = `${JSON.stringify({ error: { code: 'Busy', message: why } })}\n`;
  const head = 'HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close';
  socket.end(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

async function answer(run: RunCommandLine, request: ConsoleRequest, link: ConsoleLink): Promise<void> {
  if (request.program !== undefined && request.program !== programIdentity())
    return link.say({ type: 'local', why: 'it is another kuke than this one' });
  const end = await run(request, link);
  if (typeof end === 'number') link.say({ type: 'exit', code: end });
  else link.say({ type: 'local', ...(end.local !== undefined && { why: end.local }) });
}

interface Link {
  /** Resolves when the connection is over, and what was run over it. */
  done: Promise<void>;
  end(): void;
}

function linkTo(
  socket: Duplex,
  head: Buffer,
  patienceMs: number,
  work: (request: RunRequest, link: ConsoleLink) => Promise<void>,
): Link {
  const done = Promise.withResolvers<void>();
  let listener: ((message: ClientMessage | undefined) => void) | undefined;
  let isBegun = false;
  let isOver = false;
  let size = head.length;
  const waiting: (ClientMessage | undefined)[] = [];
  const lasting: Promise<unknown>[] = [];
  const heard = (message: ClientMessage | undefined): void => {
    if (listener === undefined) waiting.push(message);
    else listener(message);
  };
  const transport: Transport = {
    write(bytes) {
      socket.write(bytes);
      if (socket.writableLength > MOST_UNSENT) mux.close('it does not read');
    },
    close() {
      socket.end(() => socket.destroy());
      setTimeout(() => socket.destroy(), LAST_WORDS_MS).unref(); // it may not read
    },
  };
  const mux = new Mux(transport, {
    message(value) {
      if (isBegun) return heard(readMessage(value));
      const request = readRequest(value);
      isBegun = true;
      clearTimeout(late);
      const link: ConsoleLink = {
        mux,
        say: message => mux.message(message),
        hear(given) {
          listener = given;
          for (const message of waiting.splice(0)) given(message);
        },
        lastsAs: work => void lasting.push(work),
      };
      work(request, link).finally(() => {
        isOver = true;
        mux.close('its command has ended');
        void Promise.allSettled(lasting).then(() => done.resolve());
      });
    },
    closed() {
      clearTimeout(late);
      if (isOver) return;
      if (isBegun) heard(undefined);
      else done.resolve();
    },
  });
  const late = setTimeout(() => mux.close('it says nothing'), patienceMs);
  const receive = (chunk: Uint8Array): void => {
    size += chunk.length;
    if (!isBegun && size > LONGEST_REQUEST) mux.close('too long a request');
    else mux.received(chunk);
  };
  socket.on('data', receive);
  socket.on('close', () => mux.close('the client has gone'));
  socket.on('end', () => mux.close('the client has gone'));
  if (head.length > 0) receive(head);
  return {
    done: done.promise,
    end() {
      if (isBegun) heard({ type: 'signal', name: 'SIGTERM' });
      else mux.close('the daemon ends');
    },
  };
}
