import { readTree } from '../kernel/observe.ts';
import { parseSelector } from '../kernel/selector.ts';
import { auditPath } from './audit.ts';
import { command } from './command.ts';
import type { Description } from './describe/gather.ts';
import { selectResources } from './get/select.ts';
import { openKernel } from './open-kernel.ts';
import { warn } from './output/failure.ts';
import { formatJson } from './output/resources.ts';
import { print } from './output/standard-output.ts';
import { tell } from './output/terminal.ts';
import { textOutputArg } from './output-arg.ts';
import { kindOf, scopeArgs } from './scope.ts';

export default command({
  summary: 'show all that is known of a resource: spec, state, network, cgroup, limits, what was done to it last',
  examples: [
    ['describe cell web', 'with its containers, and why one has ended'],
    ['describe realm main', 'with its spaces and images'],
    ['describe container nginx --cell web', 'one container'],
    ['describe cells -l app=blog', 'all of them, one after another'],
    ['describe cell web -o json', 'for scripts'],
  ],
  args: {
    kind: { type: 'positional', required: true, description: 'realm, space, stack, cell or container' },
    name: { type: 'positional', required: false, description: 'one of them' },
    ...scopeArgs,
    cell: { type: 'string', valueHint: 'NAME', description: 'cell, for containers' },
    'all-scopes': { type: 'boolean', alias: 'A', description: 'of all realms, spaces, stacks and cells' },
    selector: { type: 'string', alias: 'l', valueHint: 'LABELS', description: 'a=b, a!=b, a, !a; several with commas' },
    ...textOutputArg,
  },
  async run(invocation) {
    const { args, globals } = invocation;
    const selector = parseSelector(args.selector ?? '');
    const kernel = await openKernel(invocation, { reads: true });
    const kind = kindOf(kernel, args.kind, args);
    const tree = await readTree(kernel);
    for (const problem of tree.problems) warn(`${problem.path}: ${problem.message}`);
    const named = args.name === undefined ? {} : { name: args.name };
    const wanted = { kind, ...named, all: args['all-scopes'] === true, selector, flags: args };
    const resources = await selectResources(kernel, tree, wanted);
    const { gather } = await import('./describe/gather.ts');
    const descriptions: Description[] = [];
    for (const resource of resources) descriptions.push(await gather(kernel, tree, resource, auditPath(globals)));
    if (args.output === 'json') {
      const items = descriptions.map(asJson);
      print(formatJson(args.name !== undefined && items.length === 1 ? items[0] : { items }));
    } else if (descriptions.length === 0) tell(`no ${kind.plural}`);
    else {
      const { descriptionText } = await import('./describe/text.ts');
      print(descriptions.map(one => descriptionText(one, new Date())).join('\n\n\n'));
    }
    return 0;
  },
});

/** docs/cli.md has its shape. */
function asJson({ resource, file, usage, children, operations, images, unknown }: Description): object {
  return {
    manifest: resource.manifest,
    path: resource.ref.path,
    ...(file !== undefined && { file }),
    ...(usage !== undefined && { usage }),
    children: children.map(({ ref, manifest }) => ({ kind: ref.kind, path: ref.path, status: manifest.status })),
    operations,
    ...(images !== undefined && { images }),
    ...(unknown.length > 0 && { unknown }),
  };
}
