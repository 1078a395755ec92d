/** Connections that become something else than HTTP: each route of that sort says which word asks for it. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { asKukeError, KukeError } from '../../kernel/errors.ts';
import { type Answering, readQuery, urlOf } from './answer.ts';
import { type Connection, refuse } from './connections.ts';

export async function upgrade(
  answering: Answering,
  connection: Connection,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const gone = new AbortController();
  socket.once('close', () => gone.abort(new KukeError('Cancelled', 'the client has gone')));
  const began = performance.now();
  let status = 101;
  let name = 'none';
  connection.upgraded();
  try {
    const { pathname, searchParams } = urlOf(request);
    const found = (await answering.table()).matchUpgrade(request.method ?? '', pathname);
    if (found === undefined)
      throw new KukeError('Usage', 'nothing here is upgraded', { remedy: 'leave `Upgrade` out' });
    const { route, params } = found;
    name = `${route.method} ${route.path}`;
    if (request.headers.upgrade?.toLowerCase() !== route.protocol)
      throw new KukeError('Usage', `this is upgraded to ${route.protocol} alone`);
    const counted = answering.requests.take(connection.peer.uid);
    if (counted === undefined) throw new KukeError('Busy', 'too many requests at once');
    // It is no request any more once it is upgraded; connections have a bound of their own.
    try {
      const query = readQuery(route.query ?? {}, searchParams);
      const { daemon } = answering;
      const line = `${request.method} ${(request.url ?? '').slice(0, 500)}`;
      const signal = AbortSignal.any([gone.signal, answering.stopping]);
      const goOn = await route.accept({ params, query, peer: connection.peer, line, daemon, signal });
      goOn(socket, head); // also where the client has gone: what was made for it is to go, too
    } finally {
      counted();
    }
  } catch (thrown) {
    const error = asKukeError(thrown, 'Internal');
    status = error.httpStatus;
    if (error.code === 'Internal') answering.daemon.log('error', `${name}: ${error.message}`, { route: name });
    refuse(socket, error);
  } finally {
    answering.told(name, status, (performance.now() - began) / 1000);
  }
}
