/** A request that changes something, as the audit log is told of it: before the host is changed, and when it has ended. */
import { type Actor, actorOf } from '../../kernel/audit.ts';
import { auditedJournal } from '../../kernel/audited-journal.ts';
import type { Journal } from '../../kernel/journal.ts';
import type { RequestAudit } from '../server/server-options.ts';
import type { Call } from './route.ts';

export interface AuditedRequest {
  actor: Actor;
  /** What plans are run with: the first leaves a line, so that also a request that is killed is known. */
  journal(): Journal;
  ended(end?: Partial<Pick<RequestAudit, 'outcomes' | 'resources' | 'error'>>): Promise<void>;
}

/** Who asks is found out now, while that process is surely there: later its pid may be another's. */
export function auditedRequest(call: Pick<Call, 'daemon' | 'peer'>, request: string): AuditedRequest {
  const { daemon, peer } = call;
  const actor = actorOf(peer);
  const startedAt = new Date();
  const began = performance.now();
  const id = crypto.randomUUID();
  let hasBegun = false;
  const tell = (more: Partial<RequestAudit>) => {
    const durationMs = Math.round(performance.now() - began);
    return daemon.audit({ id, actor, request, hasBegun, outcomes: [], startedAt, durationMs, ...more });
  };
  const begun = (): void => {
    hasBegun = true;
    void tell({ isGoingOn: true });
  };
  return {
    actor,
    journal: () => auditedJournal(daemon.engine.journal(), { begun, recovered: () => {} }),
    ended: (end = {}) => tell(end),
  };
}
