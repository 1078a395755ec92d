/** The compiled program on a terminal of its own. */
import { eventually } from '../../suites/contract.ts';
import { binary } from './kuke.ts';

/**
 * A command line of kuke, as a shell reads it, followed by what stty says of the terminal then. Escapes are shown as `␛`.
 * `shown` resolves to all of it, once it matches.
 */
export function onTerminal(argv: string, env: Record<string, string> = {}) {
  let shown = '';
  const data = (_: unknown, bytes: Uint8Array) => {
    shown += Buffer.from(bytes).toString('utf8').replaceAll('\u001b', '␛');
  };
  const { PATH = '' } = process.env;
  // Ctrl-C is for the command; the shell goes on.
  const program = Bun.spawn(['/bin/sh', '-c', `trap : INT; ${binary} ${argv}; echo "ended with $?"; stty -a`], {
    env: { PATH, TERM: 'xterm', ...env },
    terminal: { cols: 90, rows: 20, data },
  });
  return {
    type: (keys: string) => program.terminal?.write(keys),
    resize: (columns: number, rows: number) => program.terminal?.resize(columns, rows),
    shown: (what: RegExp) => eventually(async () => (what.test(shown) ? shown : undefined), 60_000),
    /** Nobody sits at it any more. */
    hangUp: () => program.terminal?.close(),
    exited: program.exited,
  };
}
