import { KukeError } from '../kernel/errors.ts';
import { readTree } from '../kernel/observe.ts';
import { command } from './command.ts';
import { currentConsole } from './console/console.ts';
import { openKernel } from './open-kernel.ts';
import { warn } from './output/failure.ts';
import { formatJson, printRows } from './output/resources.ts';
import { print } from './output/standard-output.ts';
import { tell } from './output/terminal.ts';
import { textOutputArg } from './output-arg.ts';
import { kindOf, levelArg, refFor, scopeArgs } from './scope.ts';
import { isUtf8, treeRows } from './tree/draw.ts';
import { treeNodes } from './tree/nodes.ts';

export default command({
  summary: 'see the whole hierarchy, from realms to containers, with states, addresses, memory and CPU time',
  examples: [
    ['tree', 'all that is there'],
    ['tree stack blog', 'one stack, and what is in it'],
    ['tree --level cell', 'without containers'],
    ['tree -o json', 'for scripts'],
  ],
  args: {
    kind: { type: 'positional', required: false, description: 'realm, space, stack or cell' },
    name: { type: 'positional', required: false, description: 'its name' },
    ...scopeArgs,
    level: { ...levelArg, default: 'container', description: 'how far down' },
    ...textOutputArg,
  },
  async run(invocation) {
    const { kind: word, name, level, output } = invocation.args;
    const kernel = await openKernel(invocation, { reads: true });
    if (word === undefined) {
      const stray = Object.keys(scopeArgs).find(flag => Reflect.get(invocation.args, flag) !== undefined);
      if (stray !== undefined)
        throw new KukeError('Usage', `--${stray} has no meaning without KIND and NAME`, {
          remedy: 'say `kuke tree stack NAME`, or leave it out',
        });
    } else if (name === undefined) throw new KukeError('Usage', 'NAME is needed with KIND');
    const kind = word === undefined ? undefined : kindOf(kernel, word, invocation.args);
    if (kind?.embedded !== undefined) throw new KukeError('Usage', `nothing is in a ${kind.kind.toLowerCase()}`);
    const tree = await readTree(kernel);
    for (const problem of tree.problems) warn(`${problem.path}: ${problem.message}`);
    const root = kind && name !== undefined ? refFor(kernel, kind, name, invocation.args) : undefined;
    const nodes = await treeNodes(kernel, tree, { ...(root && { root }), level: kernel.kinds.lookup(level) });
    if (output === 'json') print(formatJson(nodes));
    else if (nodes.length === 0) tell('nothing is there; make this host ready with `kuke init`');
    else printRows(treeRows(nodes, { utf8: isUtf8(currentConsole().env) }));
    return 0;
  },
});
