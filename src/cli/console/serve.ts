/** Command lines that run in kukeond: what its consoles (src/daemon/console) are given to run. */
import type { RunCommandLine } from '../../daemon/console/consoles.ts';
import { findCommand } from '../arguments.ts';
import type { Program } from '../command.ts';
import { commands } from '../commands.ts';
import { main } from '../main.ts';
import { within } from './console.ts';
import { makeRemoteConsole } from './remote-console.ts';
import { asksForOwn, isOwnCommand } from './where.ts';

/** `own`: variables that say what the daemon's own settings are, such as `KUKE_RUN_PATH`. */
export function runWith(program: Program, own: Record<string, string> = {}): RunCommandLine {
  return async (request, link) => {
    const { argv, env } = request;
    if (asksForOwn(argv, env) || isOwnCommand(wordOf(argv))) return { local: undefined };
    const console = makeRemoteConsole({ ...request, env: { ...env, ...own } }, link);
    const command = within(console, () => main(argv, program));
    link.lastsAs(command);
    const status = await Promise.race([command, console.exited]);
    await console.toldAll();
    return status;
  };
}

/** What is no command is for us too: the error is the same. */
function wordOf(argv: string[]): string | undefined {
  try {
    return findCommand(argv, commands).words[0] ?? '';
  } catch {
    return '';
  }
}
