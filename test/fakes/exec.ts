/** Further processes in a fake container: what `program.ts` makes of their command, and `cat`. */
import fs from 'node:fs';
import type { ExecParams, ExecProcess } from '../../src/kernel/backends/index.ts';
import { KukeError } from '../../src/kernel/errors.ts';
import type { FakeContainer } from './host.ts';
import { onSignal, run } from './program.ts';

/** `env` is the container's own. */
export function fakeExec(container: FakeContainer, params: ExecParams, env: ReadonlyMap<string, string>): ExecProcess {
  const { command, stdin, stdout } = params;
  if (container.task?.state !== 'running') throw new KukeError('Conflict', `container ${params.id} is not running`);
  const [program = ''] = command;
  if (program.includes('no-such')) throw new KukeError('ProgramNotFound', `${program} cannot be run: not found`);
  const added = params.env.map(entry => [entry.replace(/=.*/s, ''), entry.replace(/^[^=]*=/, '')] as const);
  const { exitCode, output } = run(command, new Map([...env, ...added]));
  const code = Promise.withResolvers<number>();
  fs.writeSync(stdout, output);
  if (program === 'cat') {
    if (stdin !== undefined) fs.writeSync(stdout, fs.readFileSync(stdin));
    code.resolve(0);
  } else if (exitCode !== undefined) code.resolve(exitCode);
  return {
    exited: code.promise,
    async signal(name) {
      const by = onSignal(command, name);
      if (by !== undefined) code.resolve(by);
    },
    resize: async () => {},
  };
}
