/** What a route of the API is: data, from which the server, the OpenAPI document and the reference page derive. */
import type { Duplex } from 'node:stream';
import type { JsonSchema } from '@valibot/to-json-schema';
import type * as v from 'valibot';
import type { PeerCredentials } from '../../host/peer-credentials.ts';
import type { Daemon } from '../daemon.ts';
import type { Bytes, Lines } from '../server/lines.ts';

export type Query = Record<string, v.GenericSchema<unknown, unknown>>;

type Names<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | Names<Rest>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never;

type Given<Q extends Query> = { [Name in keyof Q]: v.InferOutput<Q[Name]> | undefined };

/** A request, and what it is answered with. */
export interface Call<Name extends string = string, Q extends Query = Query, B = unknown> {
  params: Record<Name, string>;
  query: Given<Q>;
  /** As the route's schema has parsed it; of manifests, the text. */
  body: B;
  /** The body of a route that takes `bytes`, as it comes; empty for others. Throws RequestTimeout where nothing comes for long, Cancelled. */
  source: AsyncIterable<Uint8Array>;
  peer: PeerCredentials;
  /** As a person would type it: `POST /v1beta1/apply?strict=true`. */
  line: string;
  daemon: Daemon;
  /** Aborted when nobody waits for the answer any more. */
  signal: AbortSignal;
  /** The client asked for one answer in the end (`Accept: application/json`), and not for lines as it goes on. */
  awaits: boolean;
  lines(): Lines;
  bytes(type: string): Bytes;
}

export type Answer =
  | { json: unknown; status?: number; headers?: Record<string, string> }
  /** JSON already. */
  | { jsonText: string; headers?: Record<string, string> }
  | { text: string; type: string }
  /** By `lines` or `bytes`. */
  | 'sent';

export interface AnswerShape {
  what: string;
  /** `application/json` where it is absent. */
  type?: string;
  schema?: JsonSchema;
}

export interface RouteDefinition<Path extends string, Q extends Query, B> {
  method: 'GET' | 'POST' | 'DELETE';
  /** `/v1beta1/realms/:realm` */
  path: Path;
  /** For clients that are generated: `listCells`. */
  id: string;
  summary: string;
  query?: Q;
  /** Of JSON; `manifests`: YAML or JSON, one or several; `bytes`: as they come, of any length. */
  body?: v.GenericSchema<unknown, B> | 'manifests' | 'bytes';
  answers: Record<number, AnswerShape>;
  /** Its answer comes bit by bit for as long as the client wants: it counts as no request that is being answered. */
  streams?: (query: Given<Q>) => boolean;
  /** It changes the host: it is counted apart, and written to the audit log by whoever runs it. */
  changes?: true;
  run(call: Call<Names<Path>, Q, B>): Promise<Answer>;
}

/** A connection that becomes something else than HTTP. */
export interface UpgradeDefinition<Path extends string, Q extends Query> {
  method: 'POST';
  path: Path;
  id: string;
  summary: string;
  query?: Q;
  /** `Upgrade: kuke-exec` */
  protocol: string;
  /** Before the 101 has been sent: what it throws is the answer. Returns what goes on with the connection, which may be gone by then. */
  accept(
    call: Pick<Call<Names<Path>, Q>, 'params' | 'query' | 'peer' | 'line' | 'daemon' | 'signal'>,
  ): Promise<(socket: Duplex, head: Buffer) => void>;
}

/** One whose types were checked where it was made. */
export type Route = Omit<RouteDefinition<string, Query, unknown>, 'run' | 'streams'> & {
  streams?: (query: Record<string, unknown>) => boolean;
  run(call: Call): Promise<Answer>;
};
export type UpgradeRoute = Omit<UpgradeDefinition<string, Query>, 'accept'> & {
  accept(
    call: Omit<Call, 'lines' | 'bytes' | 'body' | 'source' | 'awaits'>,
  ): Promise<(socket: Duplex, head: Buffer) => void>;
};

export function route<const Path extends string, const Q extends Query = Record<never, never>, B = string>(
  definition: RouteDefinition<Path, Q, B>,
): Route {
  return definition as unknown as Route;
}

export function upgradeRoute<const Path extends string, const Q extends Query>(
  definition: UpgradeDefinition<Path, Q>,
): UpgradeRoute {
  return definition as unknown as UpgradeRoute;
}
