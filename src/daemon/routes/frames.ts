/**
 * A process in a container, over a connection that becomes `kuke-exec`: frames as consoles have them (daemon/console/mux.ts). Channel 0 is its
 * standard input, 1 its output, 2 its error output; messages are `{type: 'signal', name}` and `{type: 'resize', columns, rows}` from the client,
 * and in the end `{type: 'exit', code}` or `{type: 'error', error}` to it.
 */
import type { Duplex } from 'node:stream';
import * as v from 'valibot';
import type { ExecProcess } from '../../kernel/backends/index.ts';
import { errorBody } from '../../kernel/error-body.ts';
import { characters } from '../console/messages.ts';
import { Mux, WINDOW } from '../console/mux.ts';

export const PROTOCOL = 'kuke-exec';
const UPGRADED = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${PROTOCOL}\r\n\r\n`;
/** What a client that does not read may make us hold. */
const MOST_UNSENT = 4 * WINDOW;

const message = v.variant('type', [
  v.object({ type: v.literal('signal'), name: v.pipe(v.string(), v.regex(/^SIG[A-Z0-9]{2,8}$/)) }),
  v.object({ type: v.literal('resize'), columns: characters, rows: characters }),
]);

export interface Served {
  process: ExecProcess;
  /** The client has gone before its end. */
  gone(): void;
  /** It has ended, or is not to be told of any more: resolves when all that it wrote has been passed on. */
  ended(): Promise<void>;
}

/** What goes on with the connection: `begin` is given the channels. */
export function serveFrames(begin: (mux: Mux) => Served): (socket: Duplex, head: Buffer) => void {
  return (socket, head) => {
    socket.on('error', () => socket.destroy());
    socket.write(UPGRADED);
    const mux = new Mux(
      {
        write(bytes) {
          socket.write(bytes);
          if (socket.writableLength > MOST_UNSENT) mux.close('it does not read');
        },
        close: () => socket.destroy(),
      },
      {
        message: value => hear(value, served.process),
        closed: () => served.gone(),
      },
    );
    const served = begin(mux);
    socket.on('data', chunk => mux.received(chunk));
    socket.once('close', () => mux.close('the client has gone'));
    socket.once('end', () => mux.close('the client has gone'));
    if (head.length > 0) mux.received(head);
    const end = async (): Promise<void> => {
      const told = await served.process.exited.then(
        code => ({ type: 'exit', code }),
        thrown => ({ type: 'error', error: errorBody(thrown) }),
      );
      await served.ended();
      if (!mux.isOpen) return;
      mux.message(told);
      socket.end();
    };
    void end();
    if (socket.destroyed) mux.close('the client has gone');
  };
}

/** What is no message is a breach of the protocol, and throws. */
function hear(value: unknown, process: ExecProcess): void {
  const heard = v.parse(message, value);
  // One that has ended is told nothing.
  if (heard.type === 'signal') process.signal(heard.name as NodeJS.Signals).catch(() => {});
  else process.resize({ columns: heard.columns, rows: heard.rows }).catch(() => {});
}
