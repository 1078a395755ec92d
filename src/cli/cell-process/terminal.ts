/** The terminal of who typed the command, for a process in a container that has one of its own. */
import type { TerminalSize } from '../../kernel/backends/index.ts';
import { KukeError } from '../../kernel/errors.ts';
import type { Streams } from '../command.ts';
import { currentConsole } from '../console/console.ts';
import { isTerminal } from '../output/terminal.ts';

/** The descriptor of ours whose size the process's terminal takes; undefined: there is none. */
export const terminalHere = (): 0 | 1 | undefined => ([1, 0] as const).find(fd => isTerminal(fd));

/** Throws Usage where what is typed comes from no terminal. `otherwise`: what to type then. */
export function requireTyping(otherwise: string): void {
  if (isTerminal(0)) return;
  const remedy = `leave out -t: \`${otherwise}\` passes on what comes by a pipe or from a file`;
  throw new KukeError('Usage', '-t: standard input is not a terminal', { remedy });
}

interface Resizable {
  resize(size: TerminalSize): Promise<void>;
}

/** From now on. A process that has ended, and a terminal that is gone, have no size. */
export function followSize({ terminalSize }: Pick<Streams, 'terminalSize'>, fd: number, { resize }: Resizable): void {
  const follow = async () => resize(terminalSize(fd));
  currentConsole().on('SIGWINCH', () => void follow().catch(() => {}));
}
