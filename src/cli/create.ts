import { apply } from '../kernel/apply.ts';
import { KukeError } from '../kernel/errors.ts';
import { scopeField } from '../kernel/kinds.ts';
import { readManifest } from '../kernel/manifest.ts';
import { API_VERSION } from '../kernel/resource.ts';
import { command } from './command.ts';
import { openJournal, openKernel, requireRoot, withEngine } from './open-kernel.ts';
import { printPlanned } from './output/plan.ts';
import { planArgs } from './plan-flags.ts';
import { kindOf, refFor, scopeArgs } from './scope.ts';
import { unlessStored } from './stored.ts';
import { applyOptions, strictArg } from './strict.ts';

export default command({
  summary: 'create an empty realm, space, stack or cell',
  examples: [
    ['create realm lab', 'a tenant of its own'],
    ['create space backend --realm lab', 'a network in it'],
    ['create cell web --stack blog', 'a cell without containers; add them with `kuke apply`'],
  ],
  args: {
    kind: { type: 'positional', required: true, description: 'realm, space, stack or cell' },
    name: { type: 'positional', required: true, description: 'its name' },
    ...scopeArgs,
    ...strictArg,
    ...planArgs,
  },
  async run(invocation) {
    const { args } = invocation;
    const kernel = await openKernel(invocation);
    const kind = kindOf(kernel, args.kind, args);
    if (kind.lifecycle === undefined) {
      throw new KukeError('Usage', `a ${kind.kind} is declared in the manifest of its ${kind.parent}`, {
        remedy: 'use `kuke apply -f FILE`',
      });
    }
    const ref = refFor(kernel, kind, args.name, args);
    const scope = kernel.kinds.above(kind.kind).map((parent, index) => [scopeField(parent.kind), ref.path[index]]);
    const manifest = {
      apiVersion: API_VERSION,
      kind: kind.kind,
      metadata: { name: args.name },
      spec: Object.fromEntries(scope),
    };
    const resource = await readManifest(kernel, manifest);
    requireRoot(invocation);
    await kernel.instance();
    const outcomes = await withEngine(invocation, options =>
      apply(kernel, openJournal(invocation), unlessStored(resource), options, applyOptions(args)),
    );
    return printPlanned(invocation, kernel, outcomes);
  },
});
