/** What a container wrote, as it wrote it. */
import { containersOf, pick, runtimeId } from '../../cli/cell-process/containers.ts';
import { openLog } from '../../host/rotated-log/read.ts';
import { KukeError } from '../../kernel/errors.ts';
import { follow } from '../../kernel/logs/follow.ts';
import { prefixedSink, timePrefix } from '../../kernel/logs/prefixed.ts';
import { describe } from '../../kernel/resource.ts';
import { flag, pastMoment, text, wholeNumber } from './query.ts';
import { param } from './resources.ts';
import { type Call, type Route, route } from './route.ts';

const TYPE = 'application/octet-stream';
const MOST_LINES = 10_000_000;

/** `/v1beta1/realms/:realm/spaces/:space/stacks/:stack/cells/:cell` */
export const CELL = '/v1beta1/realms/:realm/spaces/:space/stacks/:stack/cells/:cell';

export const cellIn = (call: Pick<Call, 'params'>) => ({
  kind: 'Cell',
  path: ['realm', 'space', 'stack', 'cell'].map(part => param(call, part)),
});

export const logRoutes: Route[] = [
  route({
    method: 'GET',
    path: `${CELL}/logs`,
    id: 'readLog',
    summary: 'what a container wrote to its standard output and standard error',
    query: {
      container: text('by name; absent: the root'),
      since: pastMoment('only what was written since: 5m, or 2026-11-22T08:00:00Z'),
      timestamps: flag('before each line, by when it had been written'),
      previous: flag('of the run before the last one'),
      tail: wholeNumber('only the last so many lines', MOST_LINES),
      follow: flag('go on with what it writes, until it has ended'),
    },
    streams: ({ follow: isFollowed }) => isFollowed === true,
    answers: { 200: { what: 'its bytes', type: TYPE, schema: { type: 'string' } } },
    async run(call) {
      const kernel = await call.daemon.reading();
      const cell = await containersOf(kernel, cellIn(call));
      const chosen = pick(cell, call.query.container);
      const { previous: isPrevious, since, tail: lines, timestamps } = call.query;
      using log = openLog(chosen.logPath, { isPrevious, since, lines });
      if (log === undefined)
        throw new KukeError('NotFound', 'it has no earlier run that is known of', {
          resource: `${describe(cell.ref)}, container ${chosen.id}`,
          remedy: 'leave out `previous`',
        });
      const bytes = call.bytes(TYPE);
      bytes.begin();
      const sink = timestamps
        ? prefixedSink(offset => timePrefix(log.timeOf(offset)), bytes.write)
        : { take: bytes.write, end: async () => true };
      const pull = () => log.pull(sink.take);
      if (call.query.follow && !isPrevious) {
        const runtime = await kernel.use('runtime');
        const ended = runtime.wait(runtimeId(cell, chosen), call.signal);
        await follow([chosen.logPath], pull, ended).catch(thrown => {
          if (!call.signal.aborted) throw thrown;
        });
      } else await pull();
      await sink.end();
      bytes.end();
      return 'sent';
    },
  }),
];
