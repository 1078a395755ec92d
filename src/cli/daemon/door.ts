/** kukeond as the command line knows it, behind the door that src/main.ts gives (`Program.daemon`). */

import type { RunCommandLine } from '../../daemon/console/consoles.ts';
import type { AuditFile } from '../../kernel/audit.ts';
import type { DaemonPlaces } from '../../kernel/daemon-places.ts';
import type { Journal } from '../../kernel/journal.ts';
import type { LogLimits } from '../../kernel/log-limits.ts';
import type { Kernel } from '../../kernel/registry.ts';

export interface DaemonSettings {
  logLevel: 'debug' | 'info' | 'warn' | 'error';
  metricsPort?: number;
  logs?: LogLimits;
}

export interface DaemonEngine {
  open(options?: { reads?: boolean; isDryRun?: boolean; needs?: string[] }): Promise<Kernel>;
  journal(): Journal;
  lockTimeoutMs: number;
}

/** Where it is found, and the program with its arguments that is kukeond. */
export interface Service {
  places: DaemonPlaces;
  command: readonly string[];
}

export interface DaemonDoor {
  /** Is the daemon, until a signal ends it. */
  serveDaemon(daemon: {
    places: DaemonPlaces;
    runPath: string;
    version: string;
    settings(): Promise<DaemonSettings>;
    engine: DaemonEngine;
    audit: AuditFile;
    /** Of clients: the command line itself. */
    runCommandLine: RunCommandLine;
    /** Calls of the program as a CNI plugin: by one daemon of the host. */
    answersCni: boolean;
  }): Promise<void>;
  runningDaemon(places: DaemonPlaces): { pid: number; command: string } | undefined;
  isSystemd(): boolean;
  /** Whether systemd looks after it. */
  hasUnit(places: DaemonPlaces): boolean;
  /** Makes it run now, and after each boot where systemd runs. */
  setUp(service: Service): Promise<'started' | 'restarted' | 'unchanged'>;
  start(service: Service): Promise<void>;
  /** False: none ran. */
  stop(service: Pick<Service, 'places'>): Promise<boolean>;
  restart(service: Service): Promise<void>;
  tearDown(places: DaemonPlaces): Promise<void>;
  /** Returns why the group could not be made. */
  makeGroup(runPath: string): Promise<string | undefined>;
  isOwnGroup(runPath: string): boolean;
  removeGroup(): Promise<string | undefined>;
}
