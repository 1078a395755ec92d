import { apply } from '../kernel/apply.ts';
import { traced } from '../kernel/trace.ts';
import { command } from './command.ts';
import { parseDuration } from './duration.ts';
import { filenameArg, readResources } from './manifest-files.ts';
import { openJournal, openKernel, requireRoot, withEngine } from './open-kernel.ts';
import { printPlanned } from './output/plan.ts';
import { planArgs, planFlags } from './plan-flags.ts';
import { readyTimeoutArg } from './rollout/wait-args.ts';
import { applyOptions, strictArg } from './strict.ts';

export default command({
  summary: 'create or change what manifests describe, in any order; one that is invalid, and nothing is done',
  examples: [
    ['apply -f cell.yaml', 'bring a cell up, or change it field by field'],
    ['apply -f space.yaml -f cell.yaml', 'several files'],
    ['get cell web -o yaml | kuke apply -f -', 'what is there, unchanged'],
    ['apply -f cell.yaml --dry-run', 'what that would do, operation by operation'],
    ['apply -f cell.yaml --dry-run --explain', 'as a script of the commands that a person would type for it'],
    ['apply -f cell.yaml --strict', 'or not at all, if the host cannot enforce one of its limits'],
    ['apply -f cell.yaml --wait', 'and be done when it is Ready, and healthy where it has health checks'],
    ['apply -f cell.yaml --atomic --timeout 2m', 'or all of it as it was before, also at Ctrl-C'],
  ],
  args: {
    ...filenameArg,
    ...strictArg,
    wait: { type: 'boolean', description: 'wait until all of it is Ready, and healthy where it has health checks' },
    atomic: { type: 'boolean', description: 'wait, and take all of it back if it does not become Ready' },
    ...readyTimeoutArg,
    ...planArgs,
  },
  repeatable: ['filename'],
  async run(invocation) {
    const { wait, atomic, timeout } = invocation.args;
    const timeoutMs = parseDuration(timeout, '--timeout');
    const kernel = await openKernel(invocation);
    const read = () => readResources(kernel, invocation.lists.filename ?? [], invocation.signal);
    const resources = await traced('command', 'read the manifests', read);
    requireRoot(invocation);
    await kernel.instance();
    const outcomes = await withEngine(invocation, options =>
      apply(kernel, openJournal(invocation), resources, options, applyOptions(invocation.args)),
    );
    const status = await printPlanned(invocation, kernel, outcomes);
    if (!(wait || atomic) || planFlags(invocation.args).isDryRun) return status;
    const { settleApplied } = await import('./rollout/settle-applied.ts');
    return settleApplied(invocation, kernel, outcomes, { timeoutMs, isAtomic: atomic === true });
  },
});
