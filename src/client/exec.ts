/** A process in a container, over a connection that is upgraded to `kuke-exec`. */
import { connect, type Socket } from 'node:net';
import { Mux, WINDOW } from '../daemon/console/mux.ts';
import { ApiError } from './api-error.ts';
import { pathWith, type QueryValue } from './transport.ts';
import type { ErrorBody } from './types.ts';

export interface ExecOptions {
  command: readonly string[];
  /** The root, where it is absent. */
  container?: string;
  /** `KEY=VALUE` */
  env?: readonly string[];
  workdir?: string;
  user?: string;
  /** It reads what is written to `stdin`; else nothing. */
  stdin?: boolean;
  /** It has a terminal, of this size. */
  tty?: { columns: number; rows: number };
}

export interface Exec {
  stdin: {
    /** Resolves when it is on its way. False: nobody reads it any more. */
    write(bytes: Uint8Array | string): Promise<boolean>;
    end(): void;
  };
  stdout: AsyncIterable<Uint8Array>;
  /** Of a terminal: all is in `stdout`. */
  stderr: AsyncIterable<Uint8Array>;
  signal(name: NodeJS.Signals): void;
  resize(size: { columns: number; rows: number }): void;
  /** The exit code, 128 + n after signal n. What it wrote has to be read. Rejects where the runtime or the daemon goes away. */
  exited: Promise<number>;
  /** Lets go of it: it is sent SIGHUP. */
  close(): void;
}

export interface AttachOptions {
  /** The root, where it is absent. */
  container?: string;
  /** It reads what is written to `stdin`, if its manifest has `stdin: true`. */
  stdin?: boolean;
  /** Of its terminal, if its manifest has `tty: true`. */
  size?: { columns: number; rows: number };
}

/** What it writes from now on is `stdout`; to let go of it ends nothing. */
export type Attached = Omit<Exec, 'stderr'>;

type Said = { type: 'exit'; code: number } | { type: 'error'; error: ErrorBody };

export const exec = (socketPath: string, path: string, { tty, ...given }: ExecOptions): Promise<Exec> =>
  framed(socketPath, path, { ...given, ...(tty && { tty: true, ...tty }) });

export const attach = (socketPath: string, path: string, { size, ...given }: AttachOptions): Promise<Attached> =>
  framed(socketPath, path, { ...given, ...size });

async function framed(socketPath: string, path: string, query: Record<string, QueryValue>): Promise<Exec> {
  const { socket, head } = await upgraded(socketPath, pathWith(path, query));
  const exited = Promise.withResolvers<number>();
  exited.promise.catch(() => {}); // it need not be asked for
  const transport = { write: (bytes: Uint8Array) => void socket.write(bytes), close: () => void socket.destroy() };
  const mux = new Mux(transport, {
    message(value) {
      const said = value as Said;
      if (said.type === 'exit') exited.resolve(said.code);
      else exited.reject(new ApiError(said.error));
    },
    closed: reason => exited.reject(new Error(`the connection to kukeond is gone: ${reason}`)),
  });
  const stdin = mux.sender(0, WINDOW);
  const [stdout, stderr] = [mux.receiver(1, WINDOW), mux.receiver(2, WINDOW)];
  socket.on('data', (chunk: Buffer) => mux.received(chunk));
  socket.once('close', () => mux.close('it was closed'));
  if (head.length > 0) mux.received(head);
  return {
    stdin: {
      async write(bytes) {
        stdin.write(typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes.slice());
        return stdin.sent();
      },
      end: () => stdin.end(),
    },
    stdout,
    stderr,
    signal: name => mux.message({ type: 'signal', name }),
    resize: size => mux.message({ type: 'resize', ...size }),
    exited: exited.promise,
    close: () => mux.close('it was let go'),
  };
}

/** Rejects with what the daemon says in place of the upgrade. */
function upgraded(socketPath: string, path: string): Promise<{ socket: Socket; head: Buffer }> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath, () => {
      const head = ['Host: kukeond', 'Connection: Upgrade', 'Upgrade: kuke-exec', 'Content-Length: 0'];
      socket.write(`POST ${path} HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n`);
    });
    let said = Buffer.alloc(0);
    const refused = (): void => {
      const body = said.subarray(said.indexOf('\r\n\r\n') + 4).toString();
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(said.toString())?.[1]);
      try {
        reject(new ApiError((JSON.parse(body) as { error: ErrorBody }).error, status));
      } catch {
        reject(new Error(`kukeond has closed the connection: ${said.toString().slice(0, 200)}`));
      }
    };
    const receive = (chunk: Buffer): void => {
      said = Buffer.concat([said, chunk]);
      const end = said.indexOf('\r\n\r\n');
      if (end === -1 || !said.toString('latin1', 0, 12).startsWith('HTTP/1.1 101')) return;
      socket.off('data', receive);
      socket.off('close', refused);
      resolve({ socket, head: said.subarray(end + 4) });
    };
    socket.on('error', reject);
    socket.on('data', receive);
    socket.once('close', refused);
  });
}
