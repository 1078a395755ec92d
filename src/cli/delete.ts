import { asKukeError, KukeError } from '../kernel/errors.ts';
import type { KindDefinition } from '../kernel/kinds.ts';
import { readTree } from '../kernel/observe.ts';
import { DEFAULT_STOP_TIMEOUT_MS } from '../kernel/planning.ts';
import type { Kernel } from '../kernel/registry.ts';
import { remove } from '../kernel/remove.ts';
import { describe, type ResourceRef } from '../kernel/resource.ts';
import type { ResourceTree } from '../kernel/tree.ts';
import { timeoutArg } from './change-state.ts';
import { command, type Invocation } from './command.ts';
import { parseDuration } from './duration.ts';
import { readResources } from './manifest-files.ts';
import { openJournal, openKernel, requireRoot, withEngine } from './open-kernel.ts';
import { printFailure } from './output/failure.ts';
import { printPlanned } from './output/plan.ts';
import { planArgs } from './plan-flags.ts';
import { kindOf, namedRefs, SCOPES, scopeArgs } from './scope.ts';

const args = {
  kind: { type: 'positional', required: false, description: 'realm, space, stack or cell' },
  name: { type: 'positional', required: false, description: 'its name, or several, or KIND/NAME' },
  filename: {
    type: 'string',
    alias: 'f',
    valueHint: 'FILE',
    description: 'delete what these manifests name; - for standard input',
  },
  ...scopeArgs,
  cascade: { type: 'boolean', description: 'with all that is in it (a cell’s containers too)' },
  force: { type: 'boolean', description: 'SIGKILL at once, also to processes that are no container’s' },
  'ignore-not-found': { type: 'boolean', description: 'what is gone already is no failure' },
  ...timeoutArg,
  ...planArgs,
} as const;

export default command({
  summary: 'delete resources, and everything on the host that is theirs',
  examples: [
    ['delete cell web --cascade', 'a cell with its containers'],
    ['delete cell web db --cascade', 'several; one that is not there keeps none of the others'],
    ['delete -f cell.yaml --cascade', 'what a manifest names'],
    ['delete cell web --cascade --dry-run', 'what would go'],
    ['delete realm lab --cascade --force', 'a tenant with all that it has, without waiting for its processes'],
  ],
  args,
  repeatable: ['filename', 'name'],
  async run(invocation) {
    requireRoot(invocation);
    const kernel = await openKernel(invocation);
    const refs = await refsOf(kernel, invocation);
    const { cascade, force, timeout } = invocation.args;
    const graceMs = typeof timeout === 'string' ? parseDuration(timeout, '--timeout') : DEFAULT_STOP_TIMEOUT_MS;
    const outcomes = await withEngine(invocation, options => {
      const forcing = force ? { stopTimeoutMs: 0, killing: options.notice } : { stopTimeoutMs: graceMs };
      return remove(kernel, openJournal(invocation), refs, { cascade: cascade === true, ...forcing }, options);
    });
    const status = await printPlanned(invocation, kernel, outcomes);
    const absent = outcomes.filter(({ result }) => result === 'not found');
    if (absent.length === 0 || invocation.args['ignore-not-found']) return status;
    const tree = await readTree(kernel);
    const errors = absent.map(({ ref }) => notThere(tree, ref));
    // Of many in a space that is gone, say, all that is to be said is that.
    for (const error of new Map(errors.map(one => [one.summary, one])).values()) printFailure(error);
    return status || errors[0]?.exitCode;
  },
});

/** With the nearest name of what is there still. */
function notThere(tree: ResourceTree, ref: ResourceRef): KukeError {
  const remedy = 'with --ignore-not-found this is no failure';
  try {
    tree.get(ref);
  } catch (thrown) {
    const { code, message, details } = asKukeError(thrown);
    return new KukeError(code, message, { ...details, remedy });
  }
  return new KukeError('NotFound', 'not found', { resource: describe(ref), remedy });
}

async function refsOf(kernel: Kernel, invocation: Invocation<typeof args>): Promise<ResourceRef[]> {
  const { kind } = invocation.args;
  const names = invocation.lists.name ?? [];
  const files = invocation.lists.filename ?? [];
  if (files.length > 0) {
    if (kind !== undefined) throw new KukeError('Usage', 'give KIND NAME or -f FILE, not both');
    const stray = SCOPES.find(
      flag => Object.hasOwn(invocation.args, flag) && Reflect.get(invocation.args, flag) !== undefined,
    );
    if (stray !== undefined) {
      const remedy = 'leave it out: manifests say themselves where they belong';
      throw new KukeError('Usage', `--${stray} has no meaning with -f FILE`, { remedy });
    }
    return (await readResources(kernel, files, invocation.signal)).map(({ ref }) => ref);
  }
  if (kind === undefined || names.length === 0) throw new KukeError('Usage', 'KIND and NAME are needed, or -f FILE');
  const check = (one: KindDefinition) => void kernel.kinds.lifecycle(one.kind);
  return namedRefs(kernel, kindOf(kernel, kind, invocation.args), names, invocation.args, check);
}
