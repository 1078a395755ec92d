import { KukeError } from '../kernel/errors.ts';
import { command } from './command.ts';
import { openImages, realmArg } from './images.ts';
import { bytes } from './output/bytes.ts';
import { printable } from './output/printable.ts';
import { formatJson } from './output/resources.ts';
import { print } from './output/standard-output.ts';
import { alignColumns } from './output/table.ts';
import { tell } from './output/terminal.ts';

export default command({
  summary: 'list the images of a realm',
  examples: [
    ['image ls', 'of realm main'],
    ['image ls --realm lab -o json', 'for scripts'],
    ['image ls -q', 'names alone: `kuke image rm $(kuke image ls -q)` removes them all'],
  ],
  args: {
    ...realmArg,
    output: {
      type: 'enum',
      alias: 'o',
      options: ['table', 'json', 'name'],
      default: 'table',
      description: 'how it is printed',
    },
    // Docker prints ids that several names may share; here a name is what `image rm` and a manifest take.
    quiet: { type: 'boolean', alias: 'q', description: 'names alone, as `image rm` takes them; the same as -o name' },
  },
  async run(invocation) {
    const { quiet } = invocation.args;
    if (quiet && invocation.args.output === 'json') throw new KukeError('Usage', '-q is -o name: give one of the two');
    const { images, namespace } = await openImages(invocation);
    const all = (await images.list({ namespace })).sort((a, b) => a.name.localeCompare(b.name));
    const output = quiet ? 'name' : invocation.args.output;
    if (output === 'json') print(formatJson(all));
    else if (output === 'name') for (const { name } of all) print(name);
    else if (all.length === 0) tell('no images; pull one with `kuke image pull NAME`');
    else {
      const rows = all.map(one => [
        one.name,
        one.digest.slice(7, 19),
        bytes(one.size),
        printable(one.platforms.join(',')),
        one.createdAt,
      ]);
      print(alignColumns([['NAME', 'DIGEST', 'SIZE', 'PLATFORM', 'CREATED'], ...rows]));
    }
    return 0;
  },
});
