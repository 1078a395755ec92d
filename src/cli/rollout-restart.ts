import { apply } from '../kernel/apply.ts';
import { refuseStateless } from '../kernel/desired-state.ts';
import { DEFAULT_STOP_TIMEOUT_MS } from '../kernel/planning.ts';
import { nameOf } from '../kernel/resource.ts';
import { type ResourceTree, refuseDamaged } from '../kernel/tree.ts';
import { timeoutArg } from './change-state.ts';
import { command } from './command.ts';
import { parseDuration } from './duration.ts';
import { openJournal, openKernel, requireRoot, withEngine } from './open-kernel.ts';
import { printOutcomes } from './output/outcomes.ts';
import { printPlanned } from './output/plan.ts';
import { planArgs, planFlags } from './plan-flags.ts';
import { scopeArgs } from './scope.ts';
import { applyOptions, strictArg } from './strict.ts';
import { targetsIn } from './wait/targets.ts';

export default command({
  summary: 'start the containers of cells anew, each in the order of what it depends on; addresses stay',
  examples: [
    ['rollout restart web', 'a cell: its containers are stopped, and started again'],
    ['rollout restart web db', 'several; one after those that it depends on'],
    ['rollout restart cells -l app=blog', 'all that have the label'],
    ['rollout restart -A', 'all cells of this host'],
    ['rollout restart web --dry-run', 'what that would do'],
  ],
  args: {
    cell: { type: 'positional', required: false, description: 'cells; or KIND/NAME; or KIND and names' },
    selector: { type: 'string', alias: 'l', valueHint: 'LABELS', description: 'those with these labels, as in get' },
    all: { type: 'boolean', description: 'all of them within the scope' },
    'all-scopes': { type: 'boolean', alias: 'A', description: 'all of them in all realms, spaces and stacks' },
    ...scopeArgs,
    ...timeoutArg,
    ...strictArg,
    ...planArgs,
  },
  repeatable: ['cell'],
  async run(invocation) {
    const { args, lists } = invocation;
    const stopTimeoutMs =
      args.timeout === undefined ? DEFAULT_STOP_TIMEOUT_MS : parseDuration(args.timeout, '--timeout');
    requireRoot(invocation);
    const kernel = await openKernel(invocation);
    const desired = (tree: ResourceTree) =>
      targetsIn(kernel, tree, lists.cell ?? [], args).map(ref => {
        refuseStateless(kernel.kinds.get(ref.kind), 'rollout restart');
        refuseDamaged(tree, ref, 'itself');
        return tree.get(ref);
      });
    const planOptions = { ...applyOptions(args), verb: 'restart', stopTimeoutMs } as const;
    const outcomes = await withEngine(invocation, options =>
      apply(kernel, openJournal(invocation), desired, options, planOptions),
    );
    const { isDryRun, isExplained } = planFlags(args);
    if (isDryRun || isExplained) return printPlanned(invocation, kernel, outcomes);
    const told = outcomes.map(one =>
      one.result === 'unchanged'
        ? { ...one, notes: [...one.notes, `it does not run: \`kuke start cell ${nameOf(one.ref)}\``] }
        : one,
    );
    return printOutcomes(told, 'restarted');
  },
});
