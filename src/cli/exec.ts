import { KukeError } from '../kernel/errors.ts';
import { describe } from '../kernel/resource.ts';
import { auditOf } from './audit.ts';
import { containersOf, pick, runtimeId, typedCell, whyNot } from './cell-process/containers.ts';
import { checkEnv } from './cell-process/env.ts';
import { takeSignals } from './cell-process/pass-signals.ts';
import { followSize, requireTyping, terminalHere } from './cell-process/terminal.ts';
import { command } from './command.ts';
import { currentConsole } from './console/console.ts';
import { openKernel, requireRoot } from './open-kernel.ts';
import { scopeArgs } from './scope.ts';

export default command({
  summary: 'run a command in a container that runs',
  examples: [
    ['exec web -- ls -l /srv', 'in the root container; the exit code is that of the command'],
    ['exec -it web -- sh', 'a shell, on this terminal'],
    ['exec web -c sidecar -u nobody -w /tmp -e DEBUG=1 -- id', 'in another container, as another user'],
    ['exec -i db -- psql < dump.sql', 'standard input goes in'],
  ],
  args: {
    cell: { type: 'positional', required: true, description: 'name of the cell: web, or cell/web' },
    command: { type: 'positional', required: true, description: 'program and arguments, after --' },
    container: { type: 'string', alias: 'c', valueHint: 'NAME', description: 'container (the root)' },
    interactive: { type: 'boolean', alias: 'i', description: 'pass standard input on' },
    tty: { type: 'boolean', alias: 't', description: 'give it a terminal' },
    env: { type: 'string', alias: 'e', valueHint: 'KEY=VALUE', description: 'besides the container’s own environment' },
    workdir: { type: 'string', alias: 'w', valueHint: 'DIR', description: 'folder to run it in (the container’s own)' },
    user: {
      type: 'string',
      alias: 'u',
      valueHint: 'USER[:GROUP]',
      description: 'name or number (the container’s own)',
    },
    ...scopeArgs,
  },
  repeatable: ['env', 'command'],
  async run(invocation) {
    const { args, lists, program, signal } = invocation;
    const env = checkEnv(lists.env ?? []);
    if (args.workdir?.startsWith('/') === false)
      throw new KukeError('Usage', `--workdir: \`${args.workdir}\` is not an absolute path`);
    const terminal = args.tty === true ? requireTerminal(args.interactive === true) : undefined;
    requireRoot();
    const kernel = await openKernel(invocation, { reads: true });
    const cell = await containersOf(kernel, typedCell(kernel, args.cell, args));
    const container = pick(cell, args.container);
    const runtime = await kernel.use('runtime');
    signal.throwIfAborted();
    const signals = takeSignals({ hasTerminal: terminal !== undefined });
    const console = currentConsole();
    const streams = terminal === undefined ? undefined : await console.streams(program);
    let restore: (() => void) | undefined;
    const descriptors = await console.descriptors(args.interactive === true, program);
    try {
      const params = {
        ...runtimeId(cell, container),
        command: lists.command ?? [],
        env,
        ...(args.workdir !== undefined && { workingDir: args.workdir }),
        ...(args.user !== undefined && { user: args.user }),
        ...(streams && terminal !== undefined && { terminal: streams.terminalSize(terminal) }),
        ...(args.interactive && { stdin: descriptors.stdin }),
        stdout: descriptors.stdout,
        stderr: descriptors.stderr,
      };
      const process = await runtime.exec(params, signals.signal);
      auditOf(invocation).did([{ resource: describe(cell.ref), result: 'exec' }]);
      signals.to(process);
      try {
        // Only now does Ctrl-C have another to go to.
        if (terminal !== undefined && args.interactive) restore = streams?.rawTerminal(0);
        if (streams && terminal !== undefined) followSize(streams, terminal, process);
      } catch (thrown) {
        // The terminal has gone meanwhile: the command goes, too, and nothing of it stays.
        await process.signal('SIGKILL').catch(() => {});
        await process.exited.catch(() => {});
        throw thrown;
      }
      return await process.exited;
    } catch (thrown) {
      restore?.();
      const why = await whyNot(kernel, cell.ref, container.id, args, thrown);
      throw why instanceof KukeError ? why.at({ resource: `${describe(cell.ref)}, container ${container.id}` }) : why;
    } finally {
      await descriptors.close();
      restore?.();
    }
  },
});

/** The descriptor of ours whose size the process's terminal takes. */
function requireTerminal(isInteractive: boolean): number {
  if (isInteractive) requireTyping('exec -i');
  const here = terminalHere();
  if (here !== undefined) return here;
  throw new KukeError('Usage', '-t: neither standard input nor standard output is a terminal', {
    remedy: 'leave it out',
  });
}
