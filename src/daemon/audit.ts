/** Requests of the API, for the audit log; command lines that run in the daemon write to it by themselves. */
import { type AuditFile, actorOf, affectedBy, appendAudit } from '../kernel/audit.ts';
import type { RequestAudit } from './server/server-options.ts';

/** Throws file errors. */
export function auditRequest(file: AuditFile, entry: RequestAudit): void {
  const { peer, request, outcomes, resources: others = [], error, startedAt, durationMs } = entry;
  const resources = [...affectedBy(outcomes), ...others];
  const isWell = error === undefined && resources.every(one => one.error === undefined);
  if (isWell && resources.length === 0 && outcomes.length > 0) return; // it changed nothing
  appendAudit(file, {
    at: new Date(startedAt.getTime() + durationMs).toISOString(),
    ...actorOf(peer),
    command: request,
    result: isWell ? 'done' : 'failed',
    ms: Math.round(durationMs),
    ...(error && { error: { code: error.code, message: error.message } }),
    resources,
  });
}
