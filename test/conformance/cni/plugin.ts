/** Executing a plugin as a runtime does: environment and standard input in, one JSON document and an exit status out. */
import { join } from 'node:path';
import { path } from './implementation.ts';

export type Json = Record<string, unknown>;

export interface Execution {
  /** Type of the plugin. */
  type: string;
  /** CNI_*; an empty string is set, undefined is not. CNI_PATH is there unless it says otherwise. */
  env: Record<string, string | undefined>;
  /** Standard input: an object is written as JSON. */
  stdin: Json | string;
  /** Name of the network namespace that is the host's here. */
  host: string;
  cwd?: string;
  /** Where the plugin is, if not among those under test. */
  folder?: string | undefined;
}

export interface Answer {
  /** Exit status; null if a signal ended it. */
  status: number | null;
  stdout: string;
  stderr: string;
  /** What stdout holds; undefined where that is no JSON object. */
  json: Json | undefined;
}

/** A plugin that runs. */
export interface Running {
  pid: number;
  kill(signal: NodeJS.Signals): void;
  answer: Promise<Answer>;
}

export function start({ type, env, stdin, host, cwd, folder = path }: Execution): Running {
  const variables = { PATH: process.env.PATH, CNI_PATH: path, ...env };
  const program = Bun.spawn(['ip', 'netns', 'exec', host, join(folder, type)], {
    env: variables,
    stdin: Buffer.from(typeof stdin === 'string' ? stdin : JSON.stringify(stdin)),
    stdout: 'pipe',
    stderr: 'pipe',
    // The reference plugin takes a relative dataDir, from there.
    cwd: cwd ?? '/',
  });
  const answer = Promise.all([program.stdout.text(), program.stderr.text(), program.exited]).then(
    ([stdout, stderr]): Answer => ({ status: program.exitCode, stdout, stderr, json: parsed(stdout) }),
  );
  // `ip netns exec` becomes the plugin, so the process is the plugin's.
  return { pid: program.pid, kill: signal => program.kill(signal), answer };
}

export function execute(execution: Execution): Promise<Answer> {
  return start(execution).answer;
}

function parsed(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}
