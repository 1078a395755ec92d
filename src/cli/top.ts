import { setTimeout as wait } from 'node:timers/promises';
import { KukeError } from '../kernel/errors.ts';
import { command } from './command.ts';
import { currentConsole } from './console/console.ts';
import { parseDuration } from './duration.ts';
import { openKernel } from './open-kernel.ts';
import { warn } from './output/failure.ts';
import { print } from './output/standard-output.ts';
import { isTerminal } from './output/terminal.ts';
import { tableOutputArg } from './output-arg.ts';
import { levelArg, SCOPES } from './scope.ts';
import { formatRows, plainColumns } from './top/columns.ts';
import { sampleJson } from './top/json.ts';
import { showLive } from './top/live.ts';
import { SORTS } from './top/rows.ts';
import { makeSampler, type Sample, type Sampler } from './top/sampler.ts';

const LEAST_MS = 100;

export default command({
  summary: 'see what realms, spaces, stacks, cells and containers use of CPU, memory, io and processes',
  examples: [
    ['top', 'live, down to the cells; q ends'],
    ['top --level container --stack blog --sort memory', 'the containers of one stack, those with most memory first'],
    ['top --level realm | cat', 'one sample as a table: over a second, or --interval'],
    ['top --last 1h', 'averages and peaks of the last hour, as kukeond has kept them; with -o json all points'],
    ['top -o json', 'one sample for scripts'],
  ],
  args: {
    level: { ...levelArg, default: 'cell', description: 'how far down' },
    realm: { type: 'string', valueHint: 'NAME', description: 'only this realm' },
    space: { type: 'string', valueHint: 'NAME', description: 'only spaces of this name, and what is in them' },
    stack: { type: 'string', valueHint: 'NAME', description: 'only stacks of this name' },
    cell: { type: 'string', valueHint: 'NAME', description: 'only cells of this name' },
    sort: { type: 'enum', options: [...SORTS], default: 'cpu', description: 'what has most of it comes first' },
    interval: { type: 'string', valueHint: 'TIME', description: 'between two readings (2s; for one sample 1s)' },
    last: {
      type: 'string',
      valueHint: 'TIME',
      description: 'what was used until now, in place of what is: 10m, up to 1h',
    },
    ...tableOutputArg,
  },
  async run(invocation) {
    const { args, signal } = invocation;
    const isLive = args.output === 'table' && isTerminal(1) && currentConsole().env.TERM !== 'dumb';
    const scope = Object.fromEntries(SCOPES.map(flag => [flag, Reflect.get(args, flag)]));
    if (args.last !== undefined) {
      const { last, level, sort } = args;
      if (args.interval !== undefined) throw new KukeError('Usage', '--interval has no meaning with --last');
      const kernel = await openKernel(invocation, { reads: true });
      const { showPast } = await import('./top/past.ts');
      await showPast(kernel, invocation, { last, level, scope, sort, isJson: args.output === 'json' });
      return 0;
    }
    const intervalMs = parseDuration(args.interval ?? (isLive ? '2s' : '1s'), '--interval');
    if (intervalMs < LEAST_MS) throw new KukeError('Usage', `--interval: give ${LEAST_MS}ms or more`);
    const kernel = await openKernel(invocation, { reads: true });
    const sampler = await makeSampler(kernel, args.level, scope);
    if (isLive) {
      await showLive(sampler, { sort: args.sort, intervalMs }, signal);
      return 0;
    }
    const sample = await oneSample(sampler, intervalMs, signal);
    for (const { path, message } of sample.problems) warn(`${path}: ${message}`);
    if (args.output === 'json') print(JSON.stringify(sampleJson(sample, args.sort), null, 2));
    else print(formatRows(plainColumns, sample.rows(args.sort)).join('\n'));
    return 0;
  },
});

/** Rates take two readings. */
async function oneSample(sampler: Sampler, intervalMs: number, signal: AbortSignal): Promise<Sample> {
  await sampler.sample();
  await wait(intervalMs, undefined, { signal }).catch(() => {
    throw signal.reason;
  });
  return sampler.sample();
}
