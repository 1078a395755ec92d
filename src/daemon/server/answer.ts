/** One request, from its line to its answer. Whatever a client sends, it is told what was wrong with it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as v from 'valibot';
import { errorBody } from '../../kernel/error-body.ts';
import { asKukeError, KukeError } from '../../kernel/errors.ts';
import { faultsOf } from '../../kernel/schema.ts';
import type { Daemon } from '../daemon.ts';
import type { RouteTable } from '../routes/match.ts';
import type { Answer, Call, Query, Route } from '../routes/route.ts';
import { type Body, bytesOf, readBody } from './body.ts';
import { type Connection, refuse } from './connections.ts';
import { type Bytes, isHead, type Lines, makeBytes, makeLines } from './lines.ts';
import type { Quota } from './quota.ts';

export interface Answering {
  daemon: Daemon;
  table(): Promise<RouteTable>;
  requests: Quota;
  memory: Quota;
  /** Aborted when the server is to stop: what streams ends. */
  stopping: AbortSignal;
  /** `GET /v1beta1/cells`, and the status that was answered. */
  told(route: string, status: number, seconds: number): void;
  streaming(): () => void;
}

export async function answer(
  answering: Answering,
  connection: Connection,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const began = performance.now();
  const gone = new AbortController();
  response.once('close', () => {
    gone.abort(new KukeError('Cancelled', 'the client has gone'));
    connection.answered();
  });
  const isGone = () => gone.signal.aborted || response.destroyed;
  let name = 'none';
  let status = 500;
  let isBegun = () => false;
  try {
    const { pathname, searchParams } = urlOf(request);
    const { route, params } = (await answering.table()).match(request.method ?? '', pathname);
    name = `${request.method} ${route.path}`;
    const query = readQuery(route.query ?? {}, searchParams);
    const streams = route.streams?.(query) === true;
    using _counted = counted(answering, connection, streams);
    using body = await bodyFor(answering, connection, request, route);
    const outlets: (Lines | Bytes)[] = [];
    isBegun = () => outlets.some(one => one.isBegun);
    const kept = <T extends Lines | Bytes>(outlet: T): T => {
      outlets.push(outlet);
      return outlet;
    };
    const { limits } = answering.daemon;
    const call: Call = {
      params,
      query,
      body: typeof route.body === 'object' ? readJson(route.body, body.text) : body.text,
      source: route.body === 'bytes' ? bytesOf(request, limits.requestMs) : nothing(),
      peer: connection.peer,
      line: `${request.method} ${(request.url ?? '').slice(0, 500)}`,
      daemon: answering.daemon,
      signal: streams ? AbortSignal.any([gone.signal, answering.stopping]) : gone.signal,
      awaits: (request.headers.accept ?? '').includes('application/json'),
      lines: () => kept(makeLines(response, limits, isGone)),
      bytes: type => kept(makeBytes(response, limits, type, isGone)),
    };
    send(response, await route.run(call), isGone);
    if (isBegun() && !isGone() && !response.writableEnded) response.end();
    status = response.statusCode;
  } catch (thrown) {
    status = asKukeError(thrown, 'Internal').httpStatus;
    fail(answering.daemon, response, thrown, { isBegun: isBegun(), isGone: isGone(), name });
  } finally {
    answering.told(name, status, (performance.now() - began) / 1000);
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** Throws Usage. */
export function urlOf(request: IncomingMessage): URL {
  const given = request.url ?? '/';
  try {
    // Only the path counts: the host of a Unix socket is whatever a client makes up.
    if (given.startsWith('/')) return new URL(`http://kukeond${given.startsWith('//') ? '/.' : ''}${given}`);
    return new URL(given);
  } catch {
    throw new KukeError('Usage', 'the path cannot be read', { remedy: 'mend the path' });
  }
}

/** Throws Busy. */
function counted({ requests, streaming }: Answering, { peer }: Connection, streams: boolean): Disposable {
  const giveBack = streams ? streaming() : requests.take(peer.uid);
  if (giveBack === undefined) throw new KukeError('Busy', 'too many requests at once');
  return { [Symbol.dispose]: giveBack };
}

async function bodyFor(
  { daemon, memory }: Answering,
  connection: Connection,
  request: IncomingMessage,
  { body }: Route,
): Promise<Body> {
  connection.requestBegun();
  if (body === 'bytes')
    connection.requestRead(); // it may take as long as it comes
  else if (body !== undefined) {
    const read = await readBody(request, daemon.limits, memory, connection.peer.uid);
    connection.requestRead();
    return read;
  }
  // What nobody asked for is read past, and bounded by time.
  else {
    request.resume();
    if (request.complete) connection.requestRead();
    else request.once('end', connection.requestRead);
  }
  return { text: '', [Symbol.dispose]() {} };
}

/** Throws Usage with the nearest name for what is unknown. */
export function readQuery(schema: Query, given: URLSearchParams): Record<string, unknown> {
  const raw: Record<string, unknown> = Object.create(null);
  for (const key of new Set(given.keys())) {
    const values = given.getAll(key);
    raw[key] = values.length === 1 ? values[0] : values;
  }
  const plain = Object.fromEntries(Object.entries(raw));
  const entries = v.strictObject(schema);
  const [fault] = faultsOf(entries, plain, []);
  if (fault !== undefined) {
    const remedy = `it takes ${Object.keys(schema).join(', ') || 'nothing'}`;
    throw new KukeError('Usage', `query: ${fault.path}: ${fault.message}`, { field: fault.path, remedy });
  }
  return v.parse(entries, plain);
}

function readJson(schema: v.GenericSchema, text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new KukeError('Usage', `the body is not JSON: ${why}`, { remedy: 'send JSON' });
  }
  const [first, ...others] = faultsOf(schema, value, []).map(
    ({ path, message }) => new KukeError('Usage', `${path || 'the body'}: ${message}`, { field: path }),
  );
  if (first !== undefined) throw first.with(others);
  return v.parse(schema, value);
}

function send(response: ServerResponse, answered: Answer, isGone: () => boolean): void {
  if (answered === 'sent' || isGone()) return;
  if ('text' in answered) end(response, 200, answered.text, answered.type);
  else if ('jsonText' in answered) end(response, 200, `${answered.jsonText}\n`, JSON_TYPE, answered.headers);
  else end(response, answered.status ?? 200, `${JSON.stringify(answered.json)}\n`, JSON_TYPE, answered.headers);
}

const JSON_TYPE = 'application/json';

function end(response: ServerResponse, status: number, text: string, type: string, headers: object = {}): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text), ...headers });
  response.end(isHead(response) ? undefined : text);
}

interface Failing {
  isBegun: boolean;
  isGone: boolean;
  name: string;
}

function fail(daemon: Daemon, response: ServerResponse, thrown: unknown, { isBegun, isGone, name }: Failing): void {
  const error = asKukeError(thrown, 'Internal');
  if (error.code === 'Internal') {
    const stack = thrown instanceof Error ? thrown.stack : undefined;
    daemon.log('error', `${name}: ${error.message}`, { route: name, ...(stack !== undefined && { stack }) });
  }
  if (isGone) return;
  if (isBegun) {
    // The answer has begun: that it is not whole is seen by its having no end.
    response.destroy();
    return;
  }
  // What is left of the request is not waited for, and yet read for a moment: else a reset takes the place of this.
  if (!response.req.complete) {
    refuse(response.req.socket, error);
    return;
  }
  const allow = error.code === 'MethodNotAllowed' ? { allow: error.remedy?.replace('it takes ', '') ?? '' } : {};
  end(response, error.httpStatus, `${JSON.stringify({ error: errorBody(error) })}\n`, JSON_TYPE, allow);
}
