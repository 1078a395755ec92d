/** What kukeond is made of: its figures, the API with the consoles of command lines, the supervisor, the logs of containers. */

import { type AuditFile, actorOf, appendAudit, BY_ITSELF } from '../kernel/audit.ts';
import { asKukeError } from '../kernel/errors.ts';
import { openSources } from '../kernel/event-sources/sources.ts';
import { auditRequest, changedByItself } from './audit.ts';
import { type CniCalls, startCniCalls } from './cni-calls.ts';
import { makeConsoles, type RunCommandLine } from './console/consoles.ts';
import { recordTo } from './events.ts';
import { startKeepingLogs } from './logs/part.ts';
import { makeMetricsPort } from './metrics/loopback.ts';
import { makeMetrics } from './metrics/metrics.ts';
import { startResting } from './rest.ts';
import type { ServeOptions, StartPart } from './serve.ts';
import { startApi } from './server/part.ts';
import { startSupervising } from './supervisor/part.ts';
import { makeHistory } from './usage/history.ts';
import { INTERVAL_MS, startKeepingUsage } from './usage/part.ts';

export interface PartOptions {
  audit: AuditFile;
  /** Of clients: the command line itself. */
  runCommandLine: RunCommandLine;
  /** Absent: another daemon of this host answers them. */
  cni?: CniCalls;
}

/** In the order in which they are started: whoever asks gets an answer before all cells have been looked at. */
export function partsOf({
  audit,
  runCommandLine,
  version,
  engine,
  runPath,
  cni,
}: PartOptions & ServeOptions): StartPart[] {
  const metrics = makeMetrics(version, () => engine.open({ reads: true }));
  const usage = makeHistory(INTERVAL_MS);
  const consoles = makeConsoles({ run: runCommandLine });

  const measure: StartPart = async ({ log, listeners }, { metricsPort }) => {
    const port = makeMetricsPort(metrics.text);
    const listen = (to: number | undefined): void => {
      try {
        port.listenOn(to);
      } catch (thrown) {
        log.error(`metrics are not to be had on port ${to}`, { error: asKukeError(thrown) });
      }
    };
    listen(metricsPort);
    listeners.add(metrics.heard);
    listeners.add(event => {
      const resources = changedByItself(event);
      // Nobody has asked for it but the manifest.
      const command = event.what === 'deleted' ? 'kukeond: autoDelete' : BY_ITSELF;
      if (resources.length === 0) return;
      try {
        const at = new Date().toISOString();
        appendAudit(audit, { at, ...actorOf(undefined), command, result: 'done', resources });
      } catch (thrown) {
        log.error('the audit log cannot be written', { error: asKukeError(thrown) });
      }
    });
    return {
      name: 'the metrics',
      reload: async next => listen(next.metricsPort),
      async stop() {
        port.end();
        metrics.end();
      },
    };
  };

  const api: StartPart = async (context, settings) =>
    startApi({
      audit: entry => auditRequest(audit, entry),
      events: () => openSources(audit.path, runPath),
      metrics: metrics.text,
      usage,
      console: consoles.serve,
      started(server) {
        metrics.serverIs(server.counts);
        context.listeners.add(server.changed);
      },
    })(context, settings);

  // Before the API's socket goes: command lines that run still have to tell how they ended.
  const console: StartPart = async () => ({ name: 'the consoles', stop: consoles.stop });

  const events: StartPart = async ({ log, listeners }) => {
    listeners.add(
      recordTo(runPath, thrown => log.error('the events cannot be written', { error: asKukeError(thrown) })),
    );
    return { name: 'the events', stop: async () => {} };
  };

  const calls = cni ? [startCniCalls(cni)] : [];
  return [
    measure,
    events,
    api,
    console,
    ...calls,
    startSupervising,
    startKeepingUsage(usage),
    startKeepingLogs,
    startResting,
  ];
}
