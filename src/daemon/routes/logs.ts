/** What a container wrote, as it wrote it. */
import { containersOf, pick, runtimeId } from '../../cli/cell-process/containers.ts';
import { follow } from '../../cli/logs/follow.ts';
import { openLog } from '../../cli/logs/log-file.ts';
import { flag, text, wholeNumber } from './query.ts';
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
      tail: wholeNumber('only the last so many lines', MOST_LINES),
      follow: flag('go on with what it writes, until it has ended'),
    },
    streams: ({ follow: isFollowed }) => isFollowed === true,
    answers: { 200: { what: 'its bytes', type: TYPE, schema: { type: 'string' } } },
    async run(call) {
      const kernel = await call.daemon.reading();
      const cell = await containersOf(kernel, cellIn(call));
      const chosen = pick(cell, call.query.container);
      using log = openLog(chosen.logPath, { lines: call.query.tail ?? Number.POSITIVE_INFINITY });
      const bytes = call.bytes(TYPE);
      bytes.begin();
      const pull = () => log.pull(bytes.write);
      if (call.query.follow) {
        const runtime = await kernel.use('runtime');
        const ended = runtime.wait(runtimeId(cell, chosen), call.signal);
        await follow([chosen.logPath], pull, ended).catch(thrown => {
          if (!call.signal.aborted) throw thrown;
        });
      } else await pull();
      bytes.end();
      return 'sent';
    },
  }),
];
