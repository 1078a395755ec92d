/** How every change of the host runs for a client: counted, under the lock, told as it goes on or in the end, and written down. */
import type { Outcome } from '../../kernel/apply.ts';
import { type ErrorBody, errorBody } from '../../kernel/error-body.ts';
import { asKukeError, type KukeError } from '../../kernel/errors.ts';
import type { Journal } from '../../kernel/journal.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { describe } from '../../kernel/resource.ts';
import { type Settled, type SettleOptions, settle } from '../../kernel/rollout/settle.ts';
import { takeBack } from '../../kernel/rollout/take-back.ts';
import type { EngineOptions } from '../../kernel/session.ts';
import { auditedRequest } from './audited-request.ts';
import type { Answer, Call } from './route.ts';

export interface ChangeOptions {
  isDryRun: boolean;
  change(kernel: Kernel, journal: Journal, options: EngineOptions): Promise<Outcome[]>;
  /** What was applied is waited for: until it is Ready. */
  settling?: SettleOptions | undefined;
  /** What makes of well-done outcomes an error all the same: what was to be deleted was not there. */
  fault?(outcomes: Outcome[]): KukeError | undefined;
}

type Call_ = Pick<Call, 'daemon' | 'peer' | 'line' | 'awaits' | 'lines' | 'signal'>;

/** What has begun is done to its end, also for a client that has gone meanwhile. */
export async function answerChange(call: Call_, { isDryRun, change, settling, fault }: ChangeOptions): Promise<Answer> {
  const { daemon, peer, line } = call;
  const lines = call.awaits ? undefined : call.lines();
  const notices: string[] = [];
  const notice = (message: string): void => {
    notices.push(message);
    lines?.write({ type: 'notice', message });
  };
  const audited = auditedRequest(call, line);
  let outcomes: Outcome[] = [];
  let takenBack: Outcome[] = [];
  let failed: KukeError | undefined;
  /** Of what was applied, and is not Ready. */
  let unready: KukeError | undefined;
  let plan: unknown[] | undefined;
  try {
    await daemon.changes.run(peer.uid, async signal => {
      const kernel = await daemon.engine.open({ isDryRun });
      const engine: EngineOptions = {
        command: `${line} (uid ${peer.uid})`,
        actor: () => audited.actor,
        lockTimeoutMs: daemon.engine.lockTimeoutMs,
        signal,
        progress: ({ type: step, ...event }) => void lines?.write({ type: 'progress', step, ...event }),
        notice,
      };
      const journal = audited.journal();
      outcomes = await change(kernel, journal, engine);
      plan = isDryRun ? await planOf(kernel) : undefined;
      failed = outcomes.find(({ error }) => error !== undefined)?.error ?? fault?.(outcomes);
      for (const one of outcomes) lines?.write({ type: 'outcome', ...outcomeBody(one) });
      if (settling === undefined || isDryRun) return;
      daemon.view.outdate();
      const settled = await settleFor(call, settling, { kernel, journal, engine, outcomes });
      takenBack = settled.takenBack ?? [];
      const left = takenBack.flatMap(({ error }) => (error === undefined ? [] : [error]));
      [failed, unready] = [failed?.with(left), settled.error?.with(left)];
    });
  } catch (thrown) {
    const error = asKukeError(thrown, 'Internal');
    failed = failed?.with([error]) ?? error;
  } finally {
    if (!isDryRun) daemon.view.outdate();
  }
  // What is only waited for in vain is done all the same.
  const undone = failed ?? (takenBack.length > 0 ? unready : undefined);
  if (!isDryRun)
    await audited.ended({ outcomes: [...outcomes, ...takenBack], ...(undone && { error: errorBody(undone) }) });
  failed ??= unready;
  const error = failed && errorBody(failed);
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
  lines.write({ type: 'result', ...end });
  lines.end();
  return 'sent';
}

interface Applied {
  kernel: Kernel;
  journal: Journal;
  engine: EngineOptions;
  outcomes: Outcome[];
}

function settleFor(
  { daemon, signal: gone }: Call_,
  settling: SettleOptions,
  { kernel, journal, engine, outcomes }: Applied,
): Promise<Settled> {
  const { ending } = daemon.changes;
  const { notice } = engine;
  return settle(kernel, outcomes, {
    ...settling,
    // What may have to be taken back is waited for also where the client has gone.
    signal: settling.isAtomic ? ending : AbortSignal.any([ending, gone]),
    journal,
    ready: (ref, how) => notice(`${describe(ref)} ${how}`),
    async goBack() {
      const { signal } = new AbortController();
      const back = await takeBack(kernel, journal, outcomes, {
        ...engine,
        command: `${engine.command} (taken back)`,
        signal,
      });
      for (const { ref, result } of back) notice(`taken back: ${describe(ref)} ${result}`);
      return back;
    },
  });
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
