/** Requests of the API, for the audit log; command lines that run in the daemon write to it by themselves. */
import { type Affected, type AuditEntry, type AuditFile, affectedBy, appendAudit } from '../kernel/audit.ts';
import type { DaemonEvent } from './serve.ts';
import type { RequestAudit } from './server/server-options.ts';

/** Throws file errors. */
export function auditRequest(file: AuditFile, entry: RequestAudit): void {
  const { id, actor, request: command, outcomes, resources: others = [], error, startedAt, durationMs } = entry;
  const at = new Date(startedAt.getTime() + durationMs).toISOString();
  const append = (made: Pick<AuditEntry, 'result' | 'ms' | 'error' | 'resources'>): void =>
    appendAudit(file, { at, id, ...actor, command, ...made });
  if (entry.isGoingOn) return void append({ result: 'begun', resources: [] });
  const resources = [...affectedBy(outcomes), ...others];
  const isWell = error === undefined && resources.every(one => one.error === undefined);
  if (isWell && resources.length === 0 && outcomes.length > 0 && !entry.hasBegun) return; // it changed nothing
  append({
    result: isWell ? 'done' : 'failed',
    ms: Math.round(durationMs),
    ...(error && { error: { code: error.code, message: error.message } }),
    resources,
  });
}

const CHANGES: ReadonlySet<string> = new Set(['restarted', 'started', 'ended', 'settled', 'deleted']);

/** What of the supervisor's doings has changed a resource: `restarted main: it had ended with exit code 1`. */
export function changedByItself({ what, resource, members, message }: DaemonEvent): Affected[] {
  if (!CHANGES.has(what)) return [];
  const which = members.length > 0 ? ` ${members.join(', ')}` : '';
  return [{ resource, result: `${what}${which}${message === undefined ? '' : `: ${message}`}` }];
}
