/** What changes resources: apply, diff, delete, start, stop and kill. */
import { apply } from '../../kernel/apply.ts';
import { DESIRED_BY, hasDesiredState, inState } from '../../kernel/desired-state.ts';
import { errorBody } from '../../kernel/error-body.ts';
import { KukeError } from '../../kernel/errors.ts';
import type { KindDefinition, KindRegistry } from '../../kernel/kinds.ts';
import { DEFAULT_STOP_TIMEOUT_MS } from '../../kernel/planning.ts';
import { remove } from '../../kernel/remove.ts';
import { describe, type ResourceRef } from '../../kernel/resource.ts';
import type { SettleOptions } from '../../kernel/rollout/settle.ts';
import { refTo, shape } from './answer-shapes.ts';
import { answerChange, outcomeBody } from './change.ts';
import { readResources } from './manifests.ts';
import { duration, flag } from './query.ts';
import { param, pathOfKind } from './resources.ts';
import { type Call, type Route, route } from './route.ts';

export const dryRun = flag('only say what would be done');
export const strict = flag('refuse limits that the host cannot enforce');
export const timeout = duration('from the first signal to SIGKILL: `10s`');

export const wait = duration('so long at most, until all of it is Ready, and healthy where it has health checks: `5m`');

/** Lines as it goes on, or one answer in the end. */
export const told = {
  200: {
    what: 'all went well (`Accept: application/json`), or lines, of which the last says so; a failure has the HTTP status of its error',
    schema: refTo('Result'),
  },
} as const;

export function changeRoutes(kinds: KindRegistry): Route[] {
  const own = kinds.all().filter(({ lifecycle }) => lifecycle !== undefined);
  return [
    route({
      method: 'POST',
      path: '/v1beta1/apply',
      id: 'apply',
      summary: 'create or change what manifests describe, in any order; one that is invalid, and nothing is done',
      query: {
        dryRun,
        strict,
        wait,
        atomic: flag('wait (5m, where `wait` does not say), and take all of it back if it does not become Ready'),
      },
      body: 'manifests',
      changes: true,
      answers: told,
      async run(call) {
        const { dryRun: isDryRun, strict: isStrict, wait: timeoutMs, atomic: isAtomic = false } = call.query;
        const resources = await readResources(await call.daemon.reading(), call.body);
        await (await call.daemon.reading()).instance();
        return answerChange(call, {
          isDryRun: isDryRun === true,
          settling: settlingOf(isAtomic ? (timeoutMs ?? ATOMIC_MS) : timeoutMs, isAtomic),
          change: (kernel, journal, options) =>
            apply(kernel, journal, resources, options, {
              verb: 'apply',
              stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS,
              strict: isStrict === true,
            }),
        });
      },
    }),
    route({
      method: 'POST',
      path: '/v1beta1/diff',
      id: 'diff',
      summary: 'what an apply of these manifests would change',
      body: 'manifests',
      answers: { 200: shape('what would become of each, field by field', 'Result') },
      async run(call) {
        const { daemon, signal, line, body } = call;
        const resources = await readResources(await daemon.reading(), body);
        const kernel = await daemon.engine.open({ isDryRun: true });
        await kernel.instance();
        const notices: string[] = [];
        const notice = (message: string) => void notices.push(message);
        const { lockTimeoutMs } = daemon.engine;
        const outcomes = await apply(kernel, daemon.engine.journal(), resources, {
          command: line,
          lockTimeoutMs,
          signal,
          progress: () => {},
          notice,
        });
        const failed = outcomes.find(({ error }) => error !== undefined)?.error;
        const json = {
          outcomes: outcomes.map(outcomeBody),
          notices,
          ...(failed && { error: errorBody(failed) }),
          exitCode: failed?.exitCode ?? 0,
        };
        return { json, status: failed?.httpStatus ?? 200 };
      },
    }),
    ...own.map(kind => deleteRoute(kinds, kind)),
    ...own.filter(hasDesiredState).flatMap(kind => stateRoutes(kinds, kind)),
  ];
}

const ATOMIC_MS = 5 * 60_000;

/** Undefined: nobody waits. */
export const settlingOf = (timeoutMs: number | undefined, isAtomic = false): SettleOptions | undefined =>
  timeoutMs === undefined ? undefined : { timeoutMs, isAtomic };

/** From the path of a request. */
export function refIn(kinds: KindRegistry, kind: KindDefinition, call: Pick<Call, 'params'>): ResourceRef {
  const levels = [...kinds.above(kind.kind), kind].map(one => one.kind.toLowerCase());
  return { kind: kind.kind, path: levels.map(level => param(call, level)) };
}

function deleteRoute(kinds: KindRegistry, kind: KindDefinition): Route {
  return route({
    method: 'DELETE',
    path: pathOfKind(kinds, kind) as '/',
    id: `delete${kind.kind}`,
    summary: `delete a ${kind.kind.toLowerCase()}, and everything on the host that is its`,
    query: {
      cascade: flag('with all that is in it (a cell’s containers too)'),
      force: flag('SIGKILL at once, also to processes that are no container’s'),
      timeout,
      dryRun,
    },
    changes: true,
    answers: told,
    async run(call) {
      const { cascade, force, timeout: graceMs = DEFAULT_STOP_TIMEOUT_MS, dryRun: isDryRun } = call.query;
      const ref = refIn(kinds, kind, call);
      return answerChange(call, {
        isDryRun: isDryRun === true,
        change: (kernel, journal, options) => {
          const forcing = force ? { stopTimeoutMs: 0, killing: options.notice } : { stopTimeoutMs: graceMs };
          return remove(kernel, journal, [ref], { cascade: cascade === true, ...forcing }, options);
        },
        fault: outcomes =>
          outcomes.some(({ result }) => result === 'not found')
            ? new KukeError('NotFound', 'not found', { resource: describe(ref), remedy: 'it is gone already' })
            : undefined,
      });
    },
  });
}

function stateRoutes(kinds: KindRegistry, kind: KindDefinition): Route[] {
  return (['start', 'stop', 'kill'] as const).map(verb =>
    route({
      method: 'POST',
      path: `${pathOfKind(kinds, kind)}/${verb}` as '/',
      id: `${verb}${kind.kind}`,
      summary: `${verb} a ${kind.kind.toLowerCase()}: its desiredState becomes ${DESIRED_BY[verb]}`,
      query: { dryRun, strict, timeout },
      changes: true,
      answers: told,
      run(call) {
        const { dryRun: isDryRun, strict: isStrict, timeout: stopTimeoutMs = DEFAULT_STOP_TIMEOUT_MS } = call.query;
        const ref = refIn(kinds, kind, call);
        return answerChange(call, {
          isDryRun: isDryRun === true,
          change: (kernel, journal, options) =>
            apply(kernel, journal, inState(kernel, [ref], verb), options, {
              verb,
              stopTimeoutMs,
              strict: isStrict === true,
            }),
        });
      },
    }),
  );
}
