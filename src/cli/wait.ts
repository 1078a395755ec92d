import { comparable } from '../kernel/changes.ts';
import { KukeError } from '../kernel/errors.ts';
import { followChanges } from '../kernel/follow-changes.ts';
import { AGAIN_MS, withoutInBetween } from '../kernel/in-between.ts';
import type { ObserveContext, Resource } from '../kernel/kinds.ts';
import { makeObserveContext, observed, readTree } from '../kernel/observe.ts';
import { inParallel } from '../kernel/parallel.ts';
import type { Kernel } from '../kernel/registry.ts';
import { describe, keyOf, type ResourceRef } from '../kernel/resource.ts';
import { refuseDamaged } from '../kernel/tree.ts';
import { command } from './command.ts';
import { parseDuration } from './duration.ts';
import { openJournal, openKernel } from './open-kernel.ts';
import { print } from './output/standard-output.ts';
import { scopeArgs } from './scope.ts';
import { type Condition, parseCondition, refuseNoState } from './wait/condition.ts';
import { targetsIn } from './wait/targets.ts';

const AT_ONCE = 8;

export default command({
  summary: 'wait until cells, or other resources, are as they are to be',
  examples: [
    ['wait web --for Ready', 'until the cell runs, and is healthy where that is looked at'],
    ['wait web db --for Stopped --timeout 5m', 'until both have ended'],
    ['wait space/blog --for delete', 'until it is gone'],
    ['wait cells -l app=blog --for Ready', 'all that have the label'],
    ['wait web --for jsonpath=.status.containers[0].restarts=3', 'for a field; without =VALUE: until it is there'],
  ],
  args: {
    cell: { type: 'positional', required: false, description: 'cells; or KIND/NAME; or KIND and names' },
    for: {
      type: 'string',
      valueHint: 'CONDITION',
      default: 'Ready',
      description: 'a state, delete, or jsonpath=PATH=VALUE',
    },
    timeout: { type: 'string', valueHint: 'TIME', default: '30s', description: 'how long; 0: look once' },
    selector: { type: 'string', alias: 'l', valueHint: 'LABELS', description: 'those with these labels, as in get' },
    all: { type: 'boolean', description: 'all of the kind within the scope' },
    ...scopeArgs,
  },
  repeatable: ['cell'],
  async run(invocation) {
    const { args } = invocation;
    const condition = parseCondition(args.for);
    const timeoutMs = parseDuration(args.timeout, '--timeout');
    const kernel = await openKernel(invocation, { reads: true });
    const refs = targetsIn(kernel, await readTree(kernel), invocation.lists.cell ?? [], args);
    for (const { kind } of refs) refuseNoState(condition, kernel.kinds.get(kind));
    const left = new Map(refs.map(ref => [describe(ref), ref]));
    const journal = openJournal(invocation);
    let last: Looked[] = [];
    const look = async (): Promise<boolean | number> => {
      // One look at the host for all of them.
      const context = makeObserveContext(await readTree(kernel));
      const found = await inParallel([...left.values()], AT_ONCE, ref => lookAt(kernel, context, ref, condition));
      const seen = found
        .flatMap(one => one ?? [])
        .map(one => [keyOf(one.ref), { resource: one, text: comparable(one) }] as const);
      // What another command is at work on is on its way to something else.
      const { told, isHeld } = condition.isAbsence
        ? { told: new Map(seen), isHeld: false }
        : await withoutInBetween(kernel, journal, undefined, new Map(seen));
      last = [...left.values()].map(ref => {
        const now = told.get(keyOf(ref))?.resource;
        return { ref, found: now, isMet: condition.isMet(now) };
      });
      for (const { ref, isMet } of last) {
        if (!isMet) continue;
        left.delete(describe(ref));
        print(`${describe(ref)} ${condition.words}`);
      }
      return left.size > 0 && timeoutMs > 0 && (isHeld ? AGAIN_MS : true);
    };
    const signal = AbortSignal.any([invocation.signal, AbortSignal.timeout(timeoutMs)]);
    if (await look()) await followChanges(kernel, signal, look);
    invocation.signal.throwIfAborted();
    const [first, ...others] = last.flatMap(one => (one.isMet ? [] : [stillWaiting(one, args.for, args.timeout)]));
    if (first !== undefined) throw first.with(others);
    return 0;
  },
});

interface Looked {
  ref: ResourceRef;
  found: Resource | undefined;
  isMet: boolean;
}

/** Throws NotFound for what is not there, unless that is what is waited for. */
async function lookAt(
  kernel: Kernel,
  context: ObserveContext,
  ref: ResourceRef,
  condition: Condition,
): Promise<Resource | undefined> {
  const { tree } = context;
  refuseDamaged(tree, ref, 'itself');
  const stored = condition.isAbsence ? tree.find(ref) : tree.get(ref);
  return stored && (condition.isAbsence ? stored : observed(kernel, context, stored));
}

function stillWaiting({ ref, found }: Looked, wanted: string, timeout: string): KukeError {
  const { state = 'without a state', message } = found?.manifest.status ?? {};
  const now = `${state}${message === undefined ? '' : ` (${message})`}`;
  return new KukeError('TimedOut', `waiting for ${wanted}: after ${timeout} it is ${now}`, {
    resource: describe(ref),
    remedy: 'give a longer --timeout, or see `kuke describe`',
  });
}
