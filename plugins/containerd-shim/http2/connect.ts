/** An HTTP/2 connection over a unix socket. */
import { Connection } from './connection.ts';
import { ConnectError } from './errors.ts';

/** Throws ConnectError, with the errno and the kernel's words for it. */
export async function connectUnix(path: string): Promise<Connection> {
  let connection: Connection | undefined;
  let reason = 'closed by the peer';
  try {
    await Bun.connect({
      unix: path,
      socket: {
        open(socket) {
          connection = new Connection(socket, path);
        },
        data(_socket, chunk) {
          connection?.received(chunk);
        },
        drain() {
          connection?.drained();
        },
        error(_socket, error) {
          reason = error.message;
        },
        close() {
          connection?.lost(reason);
        },
      },
    });
  } catch (error) {
    throw await connectError(path, error);
  }
  if (connection === undefined) throw new ConnectError(path, 'ECONNABORTED', 'closed before it was open', undefined);
  return connection;
}

async function connectError(path: string, error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('code' in error) || !('errno' in error)) return error;
  const { getSystemErrorMap } = await import('node:util');
  const text = getSystemErrorMap().get(Number(error.errno))?.[1] ?? error.message;
  const hint = error.code === 'EINVAL' ? '; the path of a socket has 107 bytes at most' : '';
  return new ConnectError(path, String(error.code), text + hint, error);
}
