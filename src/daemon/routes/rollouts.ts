/** What can be started is started anew, and brought back to what its manifest was (docs/rollouts.md). */
import * as v from 'valibot';
import { apply } from '../../kernel/apply.ts';
import { hasDesiredState } from '../../kernel/desired-state.ts';
import type { KindDefinition, KindRegistry } from '../../kernel/kinds.ts';
import { DEFAULT_STOP_TIMEOUT_MS } from '../../kernel/planning.ts';
import { revisionsOf, toldRevisions } from '../../kernel/revisions/revision.ts';
import { inRevision } from '../../kernel/revisions/undo.ts';
import { refuseDamaged } from '../../kernel/tree.ts';
import { listOf } from './answer-shapes.ts';
import { answerChange } from './change.ts';
import { dryRun, refIn, settlingOf, strict, timeout, told, wait } from './changes.ts';
import { wholeNumber } from './query.ts';
import { pathOfKind } from './resources.ts';
import { type Route, route } from './route.ts';

const MOST = 999_999_999;

export const rolloutRoutes = (kinds: KindRegistry): Route[] =>
  kinds
    .all()
    .filter(hasDesiredState)
    .flatMap(kind => routesOf(kinds, kind));

function routesOf(kinds: KindRegistry, kind: KindDefinition): Route[] {
  const path = pathOfKind(kinds, kind);
  const name = kind.kind.toLowerCase();
  return [
    route({
      method: 'POST',
      path: `${path}/restart` as '/',
      id: `restart${kind.kind}`,
      summary: `stop the containers of a ${name} that runs, and start them again, in the order of what each depends on; addresses stay`,
      query: { dryRun, timeout },
      changes: true,
      answers: told,
      run(call) {
        const { dryRun: isDryRun, timeout: stopTimeoutMs = DEFAULT_STOP_TIMEOUT_MS } = call.query;
        const ref = refIn(kinds, kind, call);
        return answerChange(call, {
          isDryRun: isDryRun === true,
          change: (kernel, journal, options) =>
            apply(
              kernel,
              journal,
              tree => {
                refuseDamaged(tree, ref, 'itself');
                return [tree.get(ref)];
              },
              options,
              { verb: 'restart', stopTimeoutMs },
            ),
        });
      },
    }),
    route({
      method: 'POST',
      path: `${path}/undo` as '/',
      id: `undo${kind.kind}`,
      summary: `bring a ${name} back to the revision before the last, or to another one; whether it runs stays as it is`,
      query: {
        toRevision: v.pipe(wholeNumber('number of the revision; absent: the one before the last', MOST)),
        dryRun,
        strict,
        wait,
      },
      changes: true,
      answers: told,
      run(call) {
        const { toRevision, dryRun: isDryRun, strict: isStrict, wait: timeoutMs } = call.query;
        const ref = refIn(kinds, kind, call);
        return answerChange(call, {
          isDryRun: isDryRun === true,
          settling: settlingOf(timeoutMs),
          change: (kernel, journal, options) =>
            apply(kernel, journal, inRevision(kernel, ref, toRevision), options, {
              verb: 'apply',
              stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS,
              strict: isStrict === true,
            }),
        });
      },
    }),
    route({
      method: 'GET',
      path: `${path}/revisions` as '/',
      id: `listRevisions${kind.kind}`,
      summary: `the revisions of a ${name}’s manifest that are kept, the oldest first; the last is what holds`,
      answers: { 200: listOf('each with who made it, and what it changed', 'Revision') },
      async run(call) {
        const ref = refIn(kinds, kind, call);
        const kernel = await call.daemon.reading();
        await kernel.instance();
        const { tree } = await call.daemon.view.now();
        refuseDamaged(tree, ref, 'itself');
        return { json: { items: toldRevisions(kind, await revisionsOf(kernel, tree.get(ref))) } };
      },
    }),
  ];
}
