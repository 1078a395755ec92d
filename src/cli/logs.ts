import { KukeError } from '../kernel/errors.ts';
import { follow } from '../kernel/logs/follow.ts';
import { type LogRange, readerOf, type Sink } from '../kernel/logs/log-reader.ts';
import { prefixedSink, timePrefix } from '../kernel/logs/prefixed.ts';
import { describe } from '../kernel/resource.ts';
import { containersOf, pick, runtimeId, typedCell } from './cell-process/containers.ts';
import { command } from './command.ts';
import { currentConsole } from './console/console.ts';
import { openKernel } from './open-kernel.ts';
import { colour } from './output/terminal.ts';
import { scopeArgs } from './scope.ts';
import { sinceTime } from './since.ts';

/** As a shell has it of a program that Ctrl-C ended. */
const INTERRUPTED = 130;
const COLOURS = ['green', 'yellow', 'dim', 'bold'] as const;

export default command({
  summary: 'show what a container wrote to its standard output and standard error',
  examples: [
    ['logs web', 'of the root container'],
    ['logs web -c sidecar --tail 20', 'the last lines of another one'],
    ['logs web --since 5m -t', 'what was written lately, and when'],
    ['logs web -p', 'of the run before this one, of a container that was started again'],
    ['logs web -f', 'and what it writes from now on, until it ends'],
    ['logs web --all-containers -f --tail 0', 'of all containers, each line with the name of its container'],
  ],
  args: {
    cell: { type: 'positional', required: true, description: 'name of the cell: web, or cell/web' },
    container: { type: 'string', alias: 'c', valueHint: 'NAME', description: 'container (the root)' },
    'all-containers': { type: 'boolean', description: 'of all of its containers, each line with a name before it' },
    follow: { type: 'boolean', alias: 'f', description: 'go on with what is written, until it has ended' },
    tail: { type: 'string', valueHint: 'LINES', description: 'only the last so many lines (all)' },
    since: { type: 'string', valueHint: 'TIME', description: 'only what was written since: 5m, 2026-11-22T08:00:00Z' },
    timestamps: { type: 'boolean', alias: 't', description: 'before each line, by when it had been written' },
    previous: { type: 'boolean', alias: 'p', description: 'of the run before the last one' },
    ...scopeArgs,
  },
  async run(invocation) {
    const { args, program, signal } = invocation;
    if (args['all-containers'] && args.container !== undefined)
      throw new KukeError('Usage', 'give --container NAME or --all-containers, not both');
    if (args.previous && args.follow)
      throw new KukeError('Usage', '--previous: that run has ended', { remedy: 'leave out --follow' });
    const range: LogRange = {
      isPrevious: args.previous,
      since: sinceTime(args.since),
      lines: tailLines(args.tail),
    };
    const kernel = await openKernel(invocation, { reads: true });
    const cell = await containersOf(kernel, typedCell(kernel, args.cell, args));
    const chosen = args['all-containers'] ? cell.all : [pick(cell, args.container)];
    const { writeBytes } = await currentConsole().streams(program);
    const write: Sink = bytes => writeBytes(1, bytes);
    const width = Math.max(0, ...chosen.map(({ id }) => id.length));
    const files = await program.logs();
    using opened = new DisposableStack();
    const logs = chosen.flatMap(({ id, logPath }, index) => {
      const name = colour(COLOURS[index % COLOURS.length] ?? 'dim', `[${id}]`);
      const padded = args['all-containers'] ? `${name}${' '.repeat(width - id.length + 1)}` : '';
      try {
        const log = opened.use(readerOf(files, logPath, range));
        const prefix = (offset: number) => `${padded}${args.timestamps ? timePrefix(log.timeOf(offset)) : ''}`;
        const isPlain = !args['all-containers'] && !args.timestamps;
        return [{ log, sink: isPlain ? { take: write, end: async () => true } : prefixedSink(prefix, write) }];
      } catch (thrown) {
        // Of several, not each has been started again.
        if (thrown instanceof KukeError && thrown.code === 'NotFound' && chosen.length > 1) return [];
        throw thrown instanceof KukeError ? thrown.at({ resource: `${describe(cell.ref)}, container ${id}` }) : thrown;
      }
    });
    const pull = async () => {
      for (const { log, sink } of logs) if (!(await log.pull(sink.take))) return false;
      return true;
    };
    if (args.follow) {
      // Also where nothing is written any more that could tell.
      const unread = currentConsole().readerGone?.(program, signal) ?? new Promise<never>(() => {});
      const runtime = await kernel.use('runtime');
      const ended = Promise.all(chosen.map(one => runtime.wait(runtimeId(cell, one), signal)));
      const isOver = await follow(
        chosen.map(({ logPath }) => logPath),
        pull,
        ended,
        unread,
      ).then(
        () => true,
        thrown => {
          if (signal.aborted) return false;
          throw thrown;
        },
      );
      if (!isOver) return INTERRUPTED;
    } else if (!(await pull())) return 0;
    for (const { sink } of logs) await sink.end();
    return 0;
  },
});

function tailLines(given: string | undefined): number {
  if (given === undefined || given === 'all') return Number.POSITIVE_INFINITY;
  if (/^\d{1,15}$/.test(given)) return Number(given);
  throw new KukeError('Usage', `--tail: \`${given}\` is not a number of lines`, { remedy: 'give one, or `all`' });
}
