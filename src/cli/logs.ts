import { KukeError } from '../kernel/errors.ts';
import { cellRef, containersOf, pick, runtimeId } from './cell-process/containers.ts';
import { command } from './command.ts';
import { currentConsole } from './console/console.ts';
import { follow } from './logs/follow.ts';
import { openLog, type Sink } from './logs/log-file.ts';
import { prefixedSink } from './logs/prefixed.ts';
import { openKernel } from './open-kernel.ts';
import { colour } from './output/terminal.ts';
import { scopeArgs } from './scope.ts';

/** As a shell has it of a program that Ctrl-C ended. */
const INTERRUPTED = 130;
const COLOURS = ['green', 'yellow', 'dim', 'bold'] as const;

export default command({
  summary: 'show what a container wrote to its standard output and standard error',
  examples: [
    ['logs web', 'of the root container'],
    ['logs web -c sidecar --tail 20', 'the last lines of another one'],
    ['logs web -f', 'and what it writes from now on, until it ends'],
    ['logs web --all-containers -f --tail 0', 'of all containers, each line with the name of its container'],
  ],
  args: {
    cell: { type: 'positional', required: true, description: 'name of the cell' },
    container: { type: 'string', alias: 'c', valueHint: 'NAME', description: 'container (the root)' },
    'all-containers': { type: 'boolean', description: 'of all of its containers, each line with a name before it' },
    follow: { type: 'boolean', alias: 'f', description: 'go on with what is written, until it has ended' },
    tail: { type: 'string', valueHint: 'LINES', description: 'only the last so many lines (all)' },
    since: { type: 'string', valueHint: 'TIME', description: 'refused: a log has no times, only what was written' },
    timestamps: { type: 'boolean', alias: 't', description: 'refused, likewise' },
    ...scopeArgs,
  },
  async run(invocation) {
    const { args, program, signal } = invocation;
    const timely = args.since !== undefined ? '--since' : args.timestamps ? '--timestamps' : undefined;
    if (timely !== undefined) {
      const remedy = 'leave it out; --tail LINES takes the end of the log';
      throw new KukeError('Usage', `${timely}: a log has no times, only what the container wrote`, { remedy });
    }
    if (args['all-containers'] && args.container !== undefined)
      throw new KukeError('Usage', 'give --container NAME or --all-containers, not both');
    const lines = tailLines(args.tail);
    const kernel = await openKernel(invocation, { reads: true });
    const cell = await containersOf(kernel, cellRef(kernel, args.cell, args));
    const chosen = args['all-containers'] ? cell.all : [pick(cell, args.container)];
    const { writeBytes } = await currentConsole().streams(program);
    const write: Sink = bytes => writeBytes(1, bytes);
    const width = Math.max(0, ...chosen.map(({ id }) => id.length));
    using opened = new DisposableStack();
    const logs = chosen.map(({ id, logPath }, index) => {
      const prefix = colour(COLOURS[index % COLOURS.length] ?? 'dim', `[${id}]`);
      const padded = `${prefix}${' '.repeat(width - id.length + 1)}`;
      const sink = args['all-containers'] ? prefixedSink(padded, write) : { take: write, end: async () => true };
      return { log: opened.use(openLog(logPath, { lines })), sink };
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
