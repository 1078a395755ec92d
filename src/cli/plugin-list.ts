import { command } from './command.ts';
import { openKernel } from './open-kernel.ts';
import { print } from './output/standard-output.ts';
import { alignColumns } from './output/table.ts';
import { tableOutputArg } from './output-arg.ts';

export default command({
  summary: 'list plugins, and what each costs at start',
  examples: [
    ['plugin list', 'name, version and origin'],
    ['plugin list --timing', 'with milliseconds'],
  ],
  args: {
    timing: { type: 'boolean', description: 'what loading each one cost' },
    ...tableOutputArg,
  },
  async run(invocation) {
    const { plugins } = await openKernel(invocation, { reads: true });
    if (invocation.args.output === 'json') {
      print(JSON.stringify(plugins, null, 2));
      return 0;
    }
    const timing = invocation.args.timing === true;
    const rows = plugins.map(one => [one.name, one.version, one.origin, ...(timing ? [one.ms.toFixed(1)] : [])]);
    print(alignColumns([['NAME', 'VERSION', 'ORIGIN', ...(timing ? ['MS'] : [])], ...rows]));
    return 0;
  },
});
