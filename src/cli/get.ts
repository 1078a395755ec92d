import { KukeError } from '../kernel/errors.ts';
import type { KindDefinition, Resource } from '../kernel/kinds.ts';
import { embedded, makeObserveContext, observed, readTree } from '../kernel/observe.ts';
import { inParallel } from '../kernel/parallel.ts';
import type { Kernel } from '../kernel/registry.ts';
import { nameOf } from '../kernel/resource.ts';
import type { ResourceTree } from '../kernel/tree.ts';
import { command } from './command.ts';
import { limitColumns } from './limits/columns.ts';
import { openKernel } from './open-kernel.ts';
import { warn } from './output/failure.ts';
import { FORMATS, printResources } from './output/resources.ts';
import { kindOf, refFor, scopeArgs, scopePath } from './scope.ts';
import { matchesSelector, parseSelector } from './selector.ts';

const AT_ONCE = 8;

export default command({
  summary: 'show resources with the state that the host gives them now',
  examples: [
    ['get cells', 'of realm main, space and stack default'],
    ['get cells -A -o wide', 'of all realms, with more columns'],
    ['get cell web -o yaml', 'one resource as a manifest with its status'],
    ['get co --cell web', 'the containers of a cell'],
    ['get cells -l app=blog,tier!=db', 'by label'],
    ['get cells -A --resources', 'what limits they have, and what they use; -o wide says why one is not enforced'],
  ],
  args: {
    kind: {
      type: 'positional',
      required: true,
      description: 'realms, spaces, stacks, cells or containers (r sp st ce co)',
    },
    name: { type: 'positional', required: false, description: 'one of them' },
    ...scopeArgs,
    cell: { type: 'string', valueHint: 'NAME', description: 'cell, for containers' },
    'all-scopes': { type: 'boolean', alias: 'A', description: 'of all realms, spaces, stacks and cells' },
    selector: { type: 'string', alias: 'l', valueHint: 'LABELS', description: 'a=b, a!=b, a, !a; several with commas' },
    resources: { type: 'boolean', description: 'limits and use in place of the other columns' },
    output: { type: 'enum', alias: 'o', options: [...FORMATS], default: 'table', description: 'how it is printed' },
  },
  async run(invocation) {
    const { args } = invocation;
    if (args.resources && !['table', 'wide'].includes(args.output)) {
      const remedy = 'leave it out: limits are in every status, and `kuke top -o json` has what is used';
      throw new KukeError('Usage', '--resources is of tables', { remedy });
    }
    const kernel = await openKernel(invocation, { reads: true });
    const kind = kindOf(kernel, args.kind, args);
    const tree = await readTree(kernel);
    for (const problem of tree.problems) warn(`${problem.path}: ${problem.message}`);
    const wanted = select(kernel, tree, kind, args);
    const resources = await withStatus(kernel, tree, kind, wanted, args.name);
    const selector = parseSelector(args.selector ?? '');
    const selected = resources.filter(({ manifest }) => matchesSelector(selector, manifest.metadata.labels ?? {}));
    printResources(kernel, kind, selected, args.output, {
      one: args.name !== undefined,
      all: args['all-scopes'] === true,
      ...(args.resources && { columns: await limitColumns(kernel) }),
    });
    return 0;
  },
});

/** Of an embedded kind: the resources that declare it. */
function select(kernel: Kernel, tree: ResourceTree, kind: KindDefinition, args: Record<string, unknown>): Resource[] {
  const stored = kind.embedded === undefined ? kind : kernel.kinds.get(kind.parent ?? '');
  if (args['all-scopes'] === true && args.name === undefined) return tree.all(stored.kind);
  if (kind.embedded !== undefined) {
    const path = args.cell === undefined ? scopePath(kernel, stored, args) : scopePath(kernel, kind, args);
    return args.cell === undefined ? tree.all(stored.kind, path) : [tree.get({ kind: stored.kind, path })];
  }
  if (typeof args.name === 'string') return [tree.get(refFor(kernel, kind, args.name, args))];
  return tree.all(kind.kind, scopePath(kernel, kind, args));
}

async function withStatus(
  kernel: Kernel,
  tree: ResourceTree,
  kind: KindDefinition,
  wanted: Resource[],
  name?: string,
): Promise<Resource[]> {
  const context = makeObserveContext(tree);
  const seen = await inParallel(wanted, AT_ONCE, resource => observed(kernel, context, resource));
  if (kind.embedded === undefined) return seen;
  const declared = embedded(kernel, kind.kind, seen);
  if (name === undefined) return declared;
  const found = declared.filter(({ ref }) => nameOf(ref).toLowerCase() === name.toLowerCase());
  if (found.length > 0) return found;
  const there = declared.map(({ ref }) => nameOf(ref)).join(', ') || 'none';
  throw new KukeError('NotFound', `not found; there: ${there}`, { resource: `${kind.kind.toLowerCase()} ${name}` });
}
