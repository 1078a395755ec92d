/** Connections to the daemon: whose each is, how many there may be, and how long one may take over a request. */
import { type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type PeerCredentials, peerCredentials } from '../../host/peer-credentials.ts';
import { errorBody } from '../../kernel/error-body.ts';
import { KukeError } from '../../kernel/errors.ts';
import type { Limits } from './limits.ts';
import { makeQuota } from './quota.ts';

export interface Connection {
  peer: PeerCredentials;
  /** Its headers are here, the rest has to come in time as well. */
  requestBegun(): void;
  /** All of it is here. */
  requestRead(): void;
  /** It is answered, and the next one may come. */
  answered(): void;
  /** It is no HTTP any more. */
  upgraded(): void;
}

export interface Connections {
  readonly count: number;
  accept(socket: Socket): void;
  of(socket: object): Connection | undefined;
  /** Those that wait for a request at once, the others when they are answered. */
  closeIdle(): void;
  closeAll(): void;
}

type State = 'idle' | 'reading' | 'answering' | 'upgraded' | 'closed';

export function makeConnections(http: Server, limits: Limits): Connections {
  const quota = makeQuota(limits.connections, limits.connectionsPerUser);
  const bySocket = new Map<object, { connection: Connection; state(): State; socket: Socket }>();
  return {
    get count() {
      return bySocket.size;
    },
    accept(socket) {
      socket.on('error', () => socket.destroy()); // a client that is gone
      const peer = peerOf(socket);
      const giveBack = peer && quota.take(peer.uid);
      if (peer === undefined || giveBack === undefined) {
        const why = new KukeError('Busy', 'too many connections', { remedy: 'close some, then try again' });
        return refuse(socket, why);
      }
      let state: State = 'idle';
      let timer: Timer | undefined;
      const enter = (next: State, ms?: number): void => {
        clearTimeout(timer);
        if (state === 'closed') return;
        state = next;
        timer = ms === undefined ? undefined : setTimeout(late, ms);
        timer?.unref();
      };
      const late = (): void => {
        // Whoever has sent nothing waits for no answer.
        if (state === 'idle' && socket.bytesRead === read) return void socket.destroy();
        refuse(socket, new KukeError('RequestTimeout', `the request was not here within ${limits.requestMs / 1000} s`));
      };
      let read = 0;
      const connection: Connection = {
        peer,
        requestBegun: () => enter('reading', limits.requestMs),
        // The rest of a request may come after its answer.
        requestRead: () => state === 'reading' && enter('answering'),
        answered() {
          if (state === 'upgraded') return;
          read = socket.bytesRead;
          enter('idle', limits.idleMs);
        },
        upgraded: () => enter('upgraded'),
      };
      bySocket.set(socket, { connection, state: () => state, socket });
      socket.once('close', () => {
        enter('closed');
        bySocket.delete(socket);
        giveBack();
      });
      enter('idle', limits.requestMs);
      http.emit('connection', socket);
    },
    of: socket => bySocket.get(socket)?.connection,
    closeIdle() {
      for (const { socket, state } of [...bySocket.values()]) if (state() === 'idle') socket.destroy();
    },
    closeAll() {
      for (const { socket } of [...bySocket.values()]) socket.destroy();
    },
  };
}

/** Undefined: it is gone already. */
function peerOf(socket: Socket): PeerCredentials | undefined {
  // Bun's sockets have their descriptor there (reference: node:net has no public name for it).
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  try {
    return typeof fd === 'number' && fd >= 0 ? peerCredentials(fd) : undefined;
  } catch {
    return undefined;
  }
}

/** One that reads nothing is not waited for any longer. */
const PARTING_MS = 1000;

/** The last that is said on a connection, where there is no request to answer. */
export function refuse(socket: Duplex, error: KukeError, status = error.httpStatus): void {
  if (!socket.writable) return void socket.destroy();
  const body = `${JSON.stringify({ error: errorBody(error) })}\n`;
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  // With bytes unread, the client would be told of a reset in place of this.
  socket.resume();
  socket.once('end', () => socket.destroy());
  setTimeout(() => socket.destroy(), PARTING_MS).unref();
}
