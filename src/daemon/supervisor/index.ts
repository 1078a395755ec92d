/** Keeps every resource that says so as it is to be (docs/supervision.md): started by the daemon, ended by its signal. */
import type { Journal } from '../../kernel/journal.ts';
import type { Kernel } from '../../kernel/registry.ts';
import type { ResourceRef } from '../../kernel/resource.ts';
import type { EngineOptions } from '../../kernel/session.ts';

export interface SupervisorEvent {
  ref: ResourceRef;
  what: 'ended' | 'started' | 'restarted' | 'settled' | 'deleted' | 'healthy' | 'unhealthy' | 'failed';
  /** The containers that it is about. */
  members: string[];
  /** Of `failed` and `unhealthy`: why. */
  message?: string;
}

export interface SupervisorOptions {
  /** With all plugins, for commands that change the host. */
  openKernel(): Promise<Kernel>;
  journal: Journal;
  engine: Pick<EngineOptions, 'lockTimeoutMs' | 'progress' | 'notice'>;
  signal: AbortSignal;
  onChange?(event: SupervisorEvent): void;
}

export interface Supervisor {
  /** All that is under way has come to its end; nothing of it is undone. Never rejects. */
  ended: Promise<void>;
  /** Looks at everything now. */
  sweep(): Promise<void>;
}
