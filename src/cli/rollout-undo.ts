import { apply } from '../kernel/apply.ts';
import { refuseStateless } from '../kernel/desired-state.ts';
import { inRevision } from '../kernel/revisions/undo.ts';
import { command } from './command.ts';
import { parseDuration } from './duration.ts';
import { openJournal, openKernel, requireRoot, withEngine } from './open-kernel.ts';
import { printPlanned } from './output/plan.ts';
import { planArgs, planFlags } from './plan-flags.ts';
import { parseRevision } from './rollout/revision-arg.ts';
import { readyTimeoutArg } from './rollout/wait-args.ts';
import { namedArgs, namedRef, scopeArgs } from './scope.ts';
import { applyOptions, strictArg } from './strict.ts';

export default command({
  summary: 'bring a cell back to what its manifest was before the last change, or to an earlier revision',
  examples: [
    ['rollout undo web', 'the revision before the last; once more, and it is the last again'],
    ['rollout undo web --to-revision 3', 'one of those that `kuke rollout history` shows'],
    ['rollout undo web --dry-run', 'what that would do'],
    ['rollout undo web --wait', 'and be done when it is Ready'],
  ],
  args: {
    ...namedArgs,
    'to-revision': { type: 'string', valueHint: 'N', description: 'number of the revision (the one before the last)' },
    wait: { type: 'boolean', description: 'wait until it is Ready, and healthy where it has health checks' },
    ...readyTimeoutArg,
    ...scopeArgs,
    ...strictArg,
    ...planArgs,
  },
  async run(invocation) {
    const { args } = invocation;
    const to = parseRevision(args['to-revision'], '--to-revision');
    const timeoutMs = parseDuration(args.timeout, '--timeout');
    requireRoot(invocation);
    const kernel = await openKernel(invocation);
    const { kind, ref } = namedRef(kernel, args);
    refuseStateless(kind, 'rollout undo');
    const desired = inRevision(kernel, ref, to);
    const outcomes = await withEngine(invocation, options =>
      apply(kernel, openJournal(invocation), desired, options, applyOptions(args)),
    );
    const status = await printPlanned(invocation, kernel, outcomes);
    if (!args.wait || planFlags(args).isDryRun) return status;
    const { settleApplied } = await import('./rollout/settle-applied.ts');
    return settleApplied(invocation, kernel, outcomes, { timeoutMs, isAtomic: false });
  },
});
