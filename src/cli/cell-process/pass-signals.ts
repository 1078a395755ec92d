/** Signals that are meant for a process in a container, and not for kuke. */
import { KukeError } from '../../kernel/errors.ts';
import { currentConsole } from '../console/console.ts';

/** What a user, a shell or a supervisor sends to a program; those of the terminal (SIGTSTP, SIGWINCH) and of the kernel are not among them. */
const PASSED = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const;
const LETHAL: readonly string[] = ['SIGINT', 'SIGTERM'];
/** What ends a kuke that has nobody to pass it on to yet, and with which exit code the second time. */
const ENDING: Readonly<Record<string, number>> = { SIGHUP: 129, SIGINT: 130, SIGQUIT: 131, SIGTERM: 143 };
/** How long a process has that was told that its terminal is gone. */
const HANGUP_GRACE_MS = 10_000;

export interface SignalTarget {
  signal(name: NodeJS.Signals): Promise<void>;
}

export interface PassedSignals {
  /** Aborted by what is to end kuke while there is no target: Cancelled. */
  signal: AbortSignal;
  /** Passes on what comes from now on, and what came before. */
  to(target: SignalTarget): void;
}

/**
 * Takes the signals over from here on: until there is a target they wait, or call off what is to make one; a second such one ends kuke, save SIGHUP. A
 * second SIGINT or SIGTERM to the target kills it, for it may ignore the first; a third ends kuke. `hasTerminal`: what ends the terminal's session ends the target too, if need be by SIGKILL.
 */
export function takeSignals({ hasTerminal = false } = {}): PassedSignals {
  const console = currentConsole();
  const early: NodeJS.Signals[] = [];
  let target: SignalTarget | undefined;
  const calledOff = new AbortController();
  let lethal = 0;
  const beforehand = (name: NodeJS.Signals): void => {
    const code = ENDING[name];
    // A terminal that goes away says so more than once (main.ts).
    if (code !== undefined && name !== 'SIGHUP' && calledOff.signal.aborted) return void console.exit(code);
    early.push(name);
    if (code !== undefined) calledOff.abort(new KukeError('Cancelled', `cancelled by ${name}`));
  };
  const pass = (name: NodeJS.Signals): void => {
    if (target === undefined) return void beforehand(name);
    if (LETHAL.includes(name)) lethal++;
    if (lethal > 2) return void console.exit(name === 'SIGINT' ? 130 : 143);
    const send = (one: NodeJS.Signals) => void target?.signal(one).catch(() => {}); // how it ends is told by its exit
    send(lethal > 1 ? 'SIGKILL' : name);
    if (hasTerminal && (name === 'SIGHUP' || name === 'SIGTERM')) setTimeout(send, HANGUP_GRACE_MS, 'SIGKILL').unref();
  };
  for (const name of PASSED) console.take(name, pass);
  return {
    signal: calledOff.signal,
    to(given) {
      target = given;
      for (const name of early.splice(0)) pass(name);
    },
  };
}
