/** How every change of the host runs for a client: counted, under the lock, told as it goes on or in the end, and written down. */
import type { Outcome } from '../../kernel/apply.ts';
import { type ErrorBody, errorBody } from '../../kernel/error-body.ts';
import { asKukeError, type KukeError } from '../../kernel/errors.ts';
import type { Journal } from '../../kernel/journal.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { describe } from '../../kernel/resource.ts';
import type { EngineOptions } from '../../kernel/session.ts';
import { auditedRequest } from './audited-request.ts';
import type { Answer, Call } from './route.ts';

export interface ChangeOptions {
  isDryRun: boolean;
  change(kernel: Kernel, journal: Journal, options: EngineOptions): Promise<Outcome[]>;
  /** What makes of well-done outcomes an error all the same: what was to be deleted was not there. */
  fault?(outcomes: Outcome[]): KukeError | undefined;
}

type Call_ = Pick<Call, 'daemon' | 'peer' | 'line' | 'awaits' | 'lines' | 'signal'>;

/** What has begun is done to its end, also for a client that has gone meanwhile. */
export async function answerChange(call: Call_, { isDryRun, change, fault }: ChangeOptions): Promise<Answer> {
  const { daemon, peer, line } = call;
  const lines = call.awaits ? undefined : call.lines();
  const notices: string[] = [];
  const audited = auditedRequest(call, line);
  let outcomes: Outcome[] = [];
  let failed: KukeError | undefined;
  let plan: unknown[] | undefined;
  try {
    outcomes = await daemon.changes.run(peer.uid, async signal => {
      const kernel = await daemon.engine.open({ isDryRun });
      const done = await change(kernel, audited.journal(), {
        command: `${line} (uid ${peer.uid})`,
        actor: () => audited.actor,
        lockTimeoutMs: daemon.engine.lockTimeoutMs,
        signal,
        progress: ({ type: step, ...event }) => void lines?.write({ type: 'progress', step, ...event }),
        notice(message) {
          notices.push(message);
          lines?.write({ type: 'notice', message });
        },
      });
      plan = isDryRun ? await planOf(kernel) : undefined;
      return done;
    });
    failed = outcomes.find(({ error }) => error !== undefined)?.error ?? fault?.(outcomes);
  } catch (thrown) {
    failed = asKukeError(thrown, 'Internal');
  } finally {
    if (!isDryRun) daemon.view.outdate();
  }
  const error = failed && errorBody(failed);
  if (!isDryRun) await audited.ended({ outcomes, ...(error && { error }) });
  // What was refused before anything was tried is no result.
  if (failed !== undefined && outcomes.length === 0) {
    if (lines?.isBegun !== true) throw failed;
    lines.write({ type: 'error', error });
    lines.end();
    return 'sent';
  }
  const told = outcomes.map(outcomeBody);
  const end = { ...(plan && { plan }), ...(error && { error }), exitCode: failed?.exitCode ?? 0 };
  if (lines === undefined) return { json: { outcomes: told, notices, ...end }, status: failed?.httpStatus ?? 200 };
  for (const outcome of told) lines.write({ type: 'outcome', ...outcome });
  lines.write({ type: 'result', ...end });
  lines.end();
  return 'sent';
}

export interface OutcomeBody extends Omit<Outcome, 'ref' | 'error' | 'changes' | 'previous'> {
  resource: string;
  kind: string;
  path: readonly string[];
  changes: { path: string; from?: unknown; to?: unknown; change: string }[];
  error?: ErrorBody;
}

export function outcomeBody({ ref, error, changes, previous: _, ...rest }: Outcome): OutcomeBody {
  return {
    resource: describe(ref),
    kind: ref.kind,
    path: ref.path,
    ...rest,
    changes: changes.map(({ path, from, to, change }) => ({ path, from, to, change })),
    ...(error && { error: errorBody(error) }),
  };
}

async function planOf({ dryRun }: Kernel): Promise<unknown[]> {
  if (dryRun === undefined) return [];
  return Promise.all(
    dryRun.steps.map(async ({ resource, type, explain }) => ({
      resource,
      step: type,
      command: dryRun.unknowns.inWords(await explain()),
    })),
  );
}
