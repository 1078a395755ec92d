/** What the routes share: kernels, what is known of the resources, and what runs now. */
import type { Kernel } from '../kernel/registry.ts';
import type { Engine } from './engine.ts';
import type { ResourceView } from './revisions/view.ts';
import type { Limits } from './server/limits.ts';
import type { RequestAudit, ServerOptions } from './server/server-options.ts';

export interface Daemon {
  engine: Engine;
  version: string;
  limits: Limits;
  /** One for all that only read. */
  reading(): Promise<Kernel>;
  view: ResourceView;
  changes: RunningChanges;
  audit(entry: RequestAudit): Promise<void>;
  /** What has happened, and what happens from then on; absent: nobody keeps it. */
  events?: ServerOptions['events'];
  log: ServerOptions['log'];
  metrics?: ServerOptions['metrics'];
  usage?: ServerOptions['usage'];
}

export interface RunningChanges {
  /** Runs it to its end, also where the client has gone; the signal is for the daemon's own end. Throws Busy. */
  run<T>(uid: number, change: (signal: AbortSignal) => Promise<T>): Promise<T>;
  readonly count: number;
  /** Aborted when the daemon is about to end: who only waits for something ends then. */
  readonly ending: AbortSignal;
}
