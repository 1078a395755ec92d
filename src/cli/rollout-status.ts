import { readTree } from '../kernel/observe.ts';
import { describe } from '../kernel/resource.ts';
import { untilReady } from '../kernel/rollout/ready.ts';
import { command } from './command.ts';
import { parseDuration } from './duration.ts';
import { openJournal, openKernel } from './open-kernel.ts';
import { print } from './output/standard-output.ts';
import { readyTimeoutArg } from './rollout/wait-args.ts';
import { scopeArgs } from './scope.ts';
import { targetsIn } from './wait/targets.ts';

export default command({
  summary: 'wait until cells are Ready, and healthy where they have health checks, or cannot become so any more',
  examples: [
    ['rollout status web', 'after an apply or a restart; exit code 6: not in time, 1: it never will be'],
    ['rollout status -A --timeout 0', 'look once at all cells of this host'],
  ],
  args: {
    cell: { type: 'positional', required: false, description: 'cells; or KIND/NAME; or KIND and names' },
    selector: { type: 'string', alias: 'l', valueHint: 'LABELS', description: 'those with these labels, as in get' },
    all: { type: 'boolean', description: 'all of them within the scope' },
    'all-scopes': { type: 'boolean', alias: 'A', description: 'all of them in all realms, spaces and stacks' },
    ...readyTimeoutArg,
    ...scopeArgs,
  },
  repeatable: ['cell'],
  async run(invocation) {
    const { args, lists, signal } = invocation;
    const timeoutMs = parseDuration(args.timeout, '--timeout');
    const kernel = await openKernel(invocation, { reads: true });
    const refs = targetsIn(kernel, await readTree(kernel), lists.cell ?? [], args);
    const [first, ...others] = await untilReady(kernel, refs, {
      timeoutMs,
      signal,
      journal: openJournal(invocation),
      ready: (ref, how) => print(`${describe(ref)} ${how}`),
    });
    if (first !== undefined) throw first.with(others);
    return 0;
  },
});
