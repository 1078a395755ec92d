/** kukeond itself: one process that holds the parts, from its start to its end. */
import { setPriority } from 'node:os';
import type { DaemonPlaces } from '../kernel/daemon-places.ts';
import { asKukeError } from '../kernel/errors.ts';
import type { LogLimits } from '../kernel/log-limits.ts';
import type { Engine } from './engine.ts';
import { claim } from './single-instance.ts';
import { type Log, type LogLevel, makeLog } from './structured-log.ts';
import { makeNotifier } from './systemd.ts';
import { endOnUncaught } from './uncaught.ts';

/** Of the configuration file, `daemon`. */
export interface DaemonSettings {
  logLevel: LogLevel;
  /** TCP port on the loopback addresses where metrics are read, too; absent: on the socket alone. */
  metricsPort?: number;
  /** Of the configuration file, `logs`: of containers that do not say. */
  logs?: LogLimits;
}

/** What the daemon is given by the program around it. */
export interface ServeOptions {
  places: DaemonPlaces;
  runPath: string;
  version: string;
  /** As they are now: read again at each reload. */
  settings(): Promise<DaemonSettings>;
  engine: Engine;
}

/** What the daemon has seen or done. */
export interface DaemonEvent {
  /** `cell main/default/blog/web` */
  resource: string;
  what: string;
  /** The containers that it is about. */
  members: readonly string[];
  message?: string;
  exitCode?: number;
}

export interface DaemonContext extends ServeOptions {
  log: Log;
  /** Parts that want to hear what others see. */
  listeners: Set<(event: DaemonEvent) => void>;
  /** Aborted when the daemon is to end. */
  signal: AbortSignal;
}

/** A part of it: the API, the supervisor. They are started in their order, and ended in the reverse one. */
export interface DaemonPart {
  name: string;
  /** Ends in good order: what runs is finished or undone. */
  stop(): Promise<void>;
  /** The configuration file may have changed. */
  reload?(settings: DaemonSettings): Promise<void>;
}

export type StartPart = (context: DaemonContext, settings: DaemonSettings) => Promise<DaemonPart>;

/** Who tells it to end or to reload. */
export interface Signals {
  on(name: 'SIGTERM' | 'SIGINT' | 'SIGHUP', listener: () => void): unknown;
  off(name: 'SIGTERM' | 'SIGINT' | 'SIGHUP', listener: () => void): unknown;
}

const NICE = -10;

/** It needs little of the processors, and answers also while fifty containers start, each of which needs much. Of this thread alone: setpriority(2). */
function goFirst(log: Log): void {
  try {
    setPriority(NICE);
  } catch (thrown) {
    log.debug(`it has the usual priority: ${asKukeError(thrown).message}`);
  }
}

/** Resolves when it has ended in good order. Throws HostNotReady where another one runs, and what its parts throw at their start. */
export async function serve(
  daemon: ServeOptions,
  starters: readonly StartPart[],
  signals: Signals = process,
): Promise<void> {
  using _ = claim(daemon.places);
  const notifier = makeNotifier();
  let settings = await daemon.settings();
  const log = makeLog(settings.logLevel);
  using __ = endOnUncaught(log);
  goFirst(log);
  const ending = new AbortController();
  const context: DaemonContext = { ...daemon, log, listeners: new Set(), signal: ending.signal };
  const parts: DaemonPart[] = [];
  const alive = notifier.watchdogMs && setInterval(notifier.alive, notifier.watchdogMs);

  const end = (): void => ending.abort();
  let reloading = Promise.resolve();
  const reload = (): void => {
    reloading = reloading.then(async () => {
      notifier.reloading();
      try {
        settings = await daemon.settings();
        log.setLevel(settings.logLevel);
        // One that cannot take it keeps none of the others from it.
        for (const part of parts)
          await part
            .reload?.(settings)
            .catch(thrown => log.error(`${part.name}: cannot be reloaded`, { error: asKukeError(thrown) }));
        log.info('reloaded');
      } catch (thrown) {
        log.error('the configuration is as it was: it cannot be reloaded', { error: asKukeError(thrown) });
      }
      notifier.ready();
    });
  };
  signals.on('SIGTERM', end);
  signals.on('SIGINT', end);
  signals.on('SIGHUP', reload);
  try {
    const ended = new Promise<void>(resolve => ending.signal.addEventListener('abort', () => resolve()));
    for (const start of starters) if (!ending.signal.aborted) parts.push(await start(context, settings));
    log.info('kukeond is ready', { version: daemon.version, pid: process.pid, runPath: daemon.runPath });
    notifier.ready();
    await ended;
    notifier.stopping();
    log.info('kukeond ends');
    await reloading;
  } finally {
    for (const part of parts.toReversed())
      await part.stop().catch(thrown => log.error(`${part.name} did not end well`, { error: asKukeError(thrown) }));
    clearInterval(alive || undefined);
    signals.off('SIGTERM', end);
    signals.off('SIGINT', end);
    signals.off('SIGHUP', reload);
  }
}
