/**
 * What a fake container runs: a few words of shell, enough to say what a real one would do.
 * `echo WORD|$NAME`, `exit N`, `trap "exit N" SIGNAL`, `trap "" SIGNAL`, `sleep ... & wait`; statements end with `;`. Anything else runs until it is stopped.
 */

export interface Outcome {
  /** Undefined: it runs on. */
  exitCode?: number;
  output: string;
}

/** Exit codes by signal; `null`: ignored. */
type Traps = Map<string, number | null>;

const SIGNALS: Record<string, number> = { HUP: 1, INT: 2, QUIT: 3, KILL: 9, USR1: 10, USR2: 12, TERM: 15 };

const plainName = (signal: string) => signal.replace(/^SIG/, '').toUpperCase();

/** Of `sh -c SCRIPT`; of any other program, undefined. */
function statements(argv: readonly string[]): string[] | undefined {
  const [program = '', option, script = ''] = argv;
  if (!/(^|\/)sh$/.test(program) || option !== '-c') return undefined;
  return script.split(';').map(statement => statement.trim());
}

export function run(argv: readonly string[], env: ReadonlyMap<string, string>): Outcome {
  let output = '';
  const script = statements(argv);
  if (script === undefined) return { output };
  for (const statement of script) {
    const [, word] = statement.match(/^echo "?([^"]*)"?$/) ?? [];
    if (word !== undefined) output += `${word.replace(/\$(\w+)/g, (_, name) => env.get(name) ?? '')}\n`;
    const [, code] = statement.match(/^exit (\d+)$/) ?? [];
    if (code !== undefined) return { exitCode: Number(code), output };
    if (/^(do )?sleep /.test(statement)) return { output };
  }
  return { exitCode: 0, output };
}

/** The exit code that `signal` leads to; undefined when the program runs on. */
export function onSignal(argv: readonly string[], signal: string): number | undefined {
  const name = plainName(signal);
  const traps: Traps = new Map();
  for (const statement of statements(argv) ?? []) {
    const [, action, trapped] = statement.match(/^trap ["'](?:exit (\d+))?["'] (\w+)$/) ?? [];
    if (trapped !== undefined) traps.set(plainName(trapped), action === undefined ? null : Number(action));
  }
  const trap = name === 'KILL' ? undefined : traps.get(name);
  if (trap === null) return undefined;
  return trap ?? 128 + (SIGNALS[name] ?? 15);
}
