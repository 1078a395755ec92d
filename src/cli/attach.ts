import { codeOf } from '../kernel/attend.ts';
import { KukeError } from '../kernel/errors.ts';
import { tried } from '../kernel/logs/log-reader.ts';
import { describe } from '../kernel/resource.ts';
import { attendAtInput } from './attach/at-input.ts';
import { DETACH_KEYS, parseDetachKeys } from './attach/detach-keys.ts';
import { tellLeft } from './attach/leaving.ts';
import { auditOf } from './audit.ts';
import { cellRef, containersOf, pick, runtimeId, whyNot } from './cell-process/containers.ts';
import { command } from './command.ts';
import { openKernel, requireRoot } from './open-kernel.ts';
import { isTerminal, tell } from './output/terminal.ts';
import { scopeArgs } from './scope.ts';

/** As a shell has it of a program that Ctrl-C ended. */
const INTERRUPTED = 130;

export default command({
  summary: 'be at the terminal, or the input, of a container’s first process',
  examples: [
    ['attach web', 'of the root container; the exit code is its own, once it ends'],
    ['attach web -c console --detach-keys ctrl-]', 'of another one; Ctrl-] leaves it running'],
    ['attach web --no-stdin', 'only see what it writes from now on'],
    ['attach sum < numbers.txt', 'standard input goes in; with `stdinOnce`, to its end'],
  ],
  args: {
    cell: { type: 'positional', required: true, description: 'name of the cell' },
    container: { type: 'string', alias: 'c', valueHint: 'NAME', description: 'container (the root)' },
    'detach-keys': {
      type: 'string',
      valueHint: 'KEYS',
      description: `leave it running by these: ctrl-x or characters, with commas between; \`none\` (${DETACH_KEYS})`,
    },
    'no-stdin': { type: 'boolean', description: 'pass no standard input on' },
    ...scopeArgs,
  },
  async run(invocation) {
    const { args, globals, program, signal } = invocation;
    const given = args['detach-keys'] ?? DETACH_KEYS;
    const keys = parseDetachKeys(given);
    const isFed = args['no-stdin'] !== true;
    requireRoot();
    const kernel = await openKernel(invocation, { reads: true });
    const cell = await containersOf(kernel, cellRef(kernel, args.cell, args));
    const container = pick(cell, args.container);
    const { logPath } = container;
    const runtime = await kernel.use('runtime');
    const id = runtimeId(cell, container);
    try {
      using attachment = await runtime.attach(id);
      signal.throwIfAborted();
      const { endOfLog } = await program.logs();
      const place = { runtime, id, logPath, offset: tried(() => endOfLog(logPath)) };
      if (isFed && attachment.stdin !== undefined)
        auditOf(invocation).did([{ resource: describe(cell.ref), result: 'attached' }]);
      const hasKeys = attachment.hasTerminal && attachment.stdin !== undefined && isFed && isTerminal(0);
      if (isTerminal(2) && !globals.quiet) {
        if (hasKeys && keys.length > 0) tell(`attached; ${given} leaves it running`);
        else if (isFed && attachment.stdin === undefined) tell(NOT_READING);
      }
      const end = await attendAtInput(place, attachment, { keys, isFed }, invocation);
      if (end.how === 'ended') return codeOf(end, cell.ref);
      if (hasKeys && !globals.quiet) tellLeft(args.cell, args);
      return signal.aborted ? INTERRUPTED : 0;
    } catch (thrown) {
      const why = await whyNot(kernel, cell.ref, container.id, args, thrown);
      throw why instanceof KukeError ? why.at({ resource: `${describe(cell.ref)}, container ${container.id}` }) : why;
    }
  },
});

const NOT_READING = 'attached; it reads nothing from here: its manifest has no `stdin: true`, or its input has ended';
