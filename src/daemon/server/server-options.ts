/** What the server is given. */
import type { Duplex } from 'node:stream';
import type { PeerCredentials } from '../../host/peer-credentials.ts';
import type { Outcome } from '../../kernel/apply.ts';
import type { Actor, Affected } from '../../kernel/audit.ts';
import type { ErrorBody } from '../../kernel/error-body.ts';
import type { EventSources } from '../../kernel/event-sources/sources.ts';
import type { Engine } from '../engine.ts';
import type { UsageHistory } from '../usage/history.ts';
import type { Limits } from './limits.ts';

export interface ServerOptions {
  socketPath: string;
  engine: Engine;
  version: string;
  /** Whose members may use it, besides root. */
  group?: string;
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields?: Record<string, unknown>): void;
  /** Told of each change that was asked for, when it begins to change the host, and when it has ended; what it throws is logged. */
  audit?(entry: RequestAudit): void | Promise<void>;
  /** Opened for one who asks; `using` lets go. */
  events?(): EventSources;
  /** `/metrics`, in Prometheus' text format. */
  metrics?(): string | Promise<string>;
  /** What the cgroups have used; absent: nobody keeps it. */
  usage?: UsageHistory;
  /** Command lines of clients: `POST /v1beta1/console`, upgraded to `kuke-console`. The socket is its own from then on, the 101 included. */
  console?(socket: Duplex, head: Buffer, peer: PeerCredentials): void;
  /** For tests. */
  limits?: Partial<Limits>;
}

/** What a change was, for the audit log. */
export interface RequestAudit {
  /** The same when it begins and when it has ended. */
  id: string;
  actor: Actor;
  /** `POST /v1beta1/apply?dryRun=true` */
  request: string;
  /** It begins to change the host. */
  isGoingOn?: true;
  /** That was told. */
  hasBegun: boolean;
  outcomes: Outcome[];
  /** What was done besides; to images, say. */
  resources?: Affected[];
  error?: ErrorBody;
  startedAt: Date;
  durationMs: number;
}

export interface RunningServer {
  readonly socketPath: string;
  /** For metrics. */
  counts(): ServerCounts;
  /**
   * Something was changed by others than the API's clients (the supervisor, a command line in the daemon): who reads from now on is told of what
   * is so now.
   */
  changed(): void;
  /** Takes no more requests, ends what streams, and waits for changes that run, which are called off after `graceMs`. */
  stop(graceMs?: number): Promise<void>;
}

export interface ServerCounts {
  connections: number;
  /** That are answered now. */
  requests: number;
  watchers: number;
  /** Since the start, by method, route and HTTP status: `GET /v1beta1/cells 200`. */
  answered: ReadonlyMap<string, number>;
  /** Seconds spent in all of them. */
  seconds: number;
}
