import { readAudit } from '../kernel/audit.ts';
import { KukeError } from '../kernel/errors.ts';
import { readTree } from '../kernel/observe.ts';
import { describe } from '../kernel/resource.ts';
import { auditPath } from './audit.ts';
import { command } from './command.ts';
import { operationRows, operationsOn } from './describe/operations.ts';
import { openKernel } from './open-kernel.ts';
import { changeText } from './output/outcomes.ts';
import { printable } from './output/printable.ts';
import { print } from './output/standard-output.ts';
import { alignColumns } from './output/table.ts';
import { tell } from './output/terminal.ts';
import { textOutputArg } from './output-arg.ts';
import { namedArgs, namedRef, scopeArgs } from './scope.ts';

const LAST = 20;

export default command({
  summary: 'see what was done to a cell, or to another resource: when, by whom, what changed, how it ended',
  examples: [
    ['history web', 'of a cell; by the audit log, so of one that is gone, too'],
    ['history space dmz', 'of another resource'],
    ['history web -o json --last 1000', 'for scripts: the newest first'],
  ],
  args: {
    ...namedArgs,
    last: { type: 'string', valueHint: 'N', default: `${LAST}`, description: 'only the last so many' },
    ...textOutputArg,
    ...scopeArgs,
  },
  async run(invocation) {
    const { args, globals } = invocation;
    if (!/^[1-9]\d{0,6}$/.test(args.last))
      throw new KukeError('Usage', `--last: \`${args.last}\` is not a number of operations`);
    const kernel = await openKernel(invocation, { reads: true });
    const { ref } = namedRef(kernel, args);
    const name = describe(ref);
    const operations = operationsOn(name, await readAudit(auditPath(globals), name), Number(args.last));
    // Of one that is gone there is its past; of one that never was there is neither.
    if (operations.length === 0) (await readTree(kernel)).get(ref);
    if (args.output === 'json') print(JSON.stringify(operations, null, 2));
    else if (operations.length === 0) tell(`nothing is known to have been done to ${describe(ref)}`);
    else {
      const [head = '', ...rows] = alignColumns(operationRows(operations, new Date())).split('\n');
      print(head);
      rows.forEach((row, index) => {
        const { changes = [], error } = operations[index] ?? {};
        const more = [...changes.map(changeText), ...(error === undefined ? [] : [error.message])];
        print([row, ...more.map(line => `  ${printable(line)}`)].join('\n'));
      });
    }
    return 0;
  },
});
