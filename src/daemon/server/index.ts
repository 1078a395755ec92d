/** kukeond's HTTP API on its socket. */
import { createServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { asKukeError, KukeError } from '../../kernel/errors.ts';
import type { Kernel } from '../../kernel/registry.ts';
import type { Daemon } from '../daemon.ts';
import { onceWell } from '../once-well.ts';
import { makeView } from '../revisions/view.ts';
import type { RouteTable } from '../routes/match.ts';
import { routesFor } from '../routes/table.ts';
import { type Answering, answer } from './answer.ts';
import { makeConnections, refuse } from './connections.ts';
import { LIMITS } from './limits.ts';
import { makeQuota } from './quota.ts';
import { makeRunningChanges } from './running-changes.ts';
import type { RunningServer, ServerOptions } from './server-options.ts';
import { listenOn, removeSocket } from './unix-socket.ts';
import { upgrade } from './upgrade.ts';

export type { RequestAudit, RunningServer, ServerCounts, ServerOptions } from './server-options.ts';

const GRACE_MS = 30_000;

/** Listens; whoever calls it is the only daemon of the host. Throws Conflict where something else stands at the path, and file errors. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { engine, log, version, socketPath } = options;
  const limits = { ...LIMITS, ...options.limits };
  const reading = onceWell((): Promise<Kernel> => engine.open({ reads: true }));
  const changes = makeRunningChanges(limits);
  const daemon: Daemon = {
    engine,
    version,
    limits,
    reading,
    view: makeView({ kernel: reading, journal: engine.journal(), log }),
    changes,
    async audit(entry) {
      try {
        await options.audit?.(entry);
      } catch (thrown) {
        log('error', `the audit log: ${asKukeError(thrown).summary}`);
      }
    },
    log,
    ...(options.events && { events: options.events }),
    ...(options.metrics && { metrics: options.metrics }),
    ...(options.usage && { usage: options.usage }),
  };
  const answered = new Map<string, number>();
  let seconds = 0;
  let watchers = 0;
  const stop = new AbortController();
  const answering: Answering = {
    daemon,
    table: onceWell(async (): Promise<RouteTable> => routesFor((await reading()).kinds, version, options.console)),
    requests: makeQuota(limits.requests, limits.requestsPerUser),
    memory: makeQuota(limits.bodiesBytes),
    stopping: stop.signal,
    told(route, status, took) {
      const key = `${route} ${status}`;
      answered.set(key, (answered.get(key) ?? 0) + 1);
      seconds += took;
    },
    streaming() {
      watchers += 1;
      return () => {
        watchers -= 1;
      };
    },
  };
  const http = createServer({
    maxHeaderSize: limits.headerBytes,
    keepAlive: true,
    keepAliveTimeout: limits.idleMs, // which answers tell
    requireHostHeader: false,
  });
  const connections = makeConnections(http, limits);
  http.on('request', (request, response) => {
    const connection = connections.of(request.socket);
    if (connection === undefined) return void response.destroy();
    if (stop.signal.aborted) response.shouldKeepAlive = false;
    void answer(answering, connection, request, response);
  });
  http.on('upgrade', (request, socket, head) => {
    const connection = connections.of(socket);
    if (connection === undefined) return void socket.destroy();
    void upgrade(answering, connection, request, socket, head);
  });
  http.on('connect', (_, socket) => {
    refuse(socket, new KukeError('Usage', 'CONNECT: kukeond is no proxy'));
  });
  http.on('checkExpectation', ({ socket }) => {
    refuse(socket, new KukeError('Usage', 'Expect: only `100-continue` can be met'), 417);
  });
  http.on('clientError', (thrown, socket) => refuseMalformed(thrown, socket));
  const listener = await listenOn(socketPath, options.group ?? 'kukeon', connections.accept);
  listener.on('error', thrown => log('error', `the socket: ${thrown.message}`));
  return {
    socketPath,
    counts: () => ({ connections: connections.count, requests: answering.requests.used, watchers, answered, seconds }),
    changed: () => daemon.view.outdate(),
    async stop(graceMs = GRACE_MS) {
      removeSocket(socketPath);
      listener.close();
      stop.abort(new KukeError('Cancelled', 'the daemon ends'));
      connections.closeIdle();
      await changes.ended(graceMs);
      // Answers that are on their way.
      for (let turn = 0; turn < 20 && answering.requests.used > 0; turn++) await Bun.sleep(10);
      daemon.view.stop();
      connections.closeAll();
    },
  };
}

/** What is no HTTP, or more of it than anybody needs. */
function refuseMalformed(thrown: Error, socket: Duplex): void {
  const code: unknown = Reflect.get(thrown, 'code');
  if (typeof code !== 'string' || !code.startsWith('HPE_')) return void socket.destroy();
  const isLong = code === 'HPE_HEADER_OVERFLOW';
  const message = isLong ? 'the headers are too long' : thrown.message;
  refuse(
    socket,
    new KukeError(isLong ? 'TooLarge' : 'Usage', message, { remedy: 'send HTTP/1.1' }),
    isLong ? 431 : 400,
  );
}
