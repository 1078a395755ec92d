/**
 * kukeond itself, the compiled program, for a test to start, kill and start again, and what there is to ask of the cells that it keeps. Commands go
 * through it where the test sets `KUKE_NO_DAEMON=0`.
 */
import { readFileSync } from 'node:fs';
import { eventually } from '../../suites/contract.ts';
import type { Cell } from '../kuke/cells.ts';
import { binary, get } from '../kuke/kuke.ts';
import { output } from '../observe/command.ts';

const SOCKET = '/run/kukeon/kukeond.sock';

/** A line of its log. */
export interface Said {
  level: string;
  /** Of what it has seen or done: `died`, `restarted`, ... */
  message: string;
  resource?: string;
  members?: string[];
  why?: string;
  runtime?: string;
}

export interface Kukeond extends AsyncDisposable {
  said: Said[];
  program: Bun.Subprocess;
  /** Resident, in MiB. */
  resident(): number;
  /** With SIGTERM, in good order. Returns its exit code. */
  end(): Promise<number>;
  kill(): Promise<void>;
}

/** Resolves when it is ready: all has been looked at. */
export async function startKukeond(env: Record<string, string> = {}): Promise<Kukeond> {
  const program = Bun.spawn([binary, 'daemon', 'serve'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env.PATH, ...env },
  });
  const said: Said[] = [];
  const ready = Promise.withResolvers<void>();
  void (async () => {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const bytes of program.stderr) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      said.push(...lines.map(lineOf));
      if (said.some(({ message }) => message === 'kukeond is ready')) ready.resolve();
    }
    ready.reject(new Error(`kukeond ended: ${said.map(({ message }) => message).join('\n')}${rest}`));
  })();
  await ready.promise;
  const end = async () => {
    program.kill('SIGTERM');
    return program.exited;
  };
  return {
    said,
    program,
    resident: () =>
      Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${program.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024,
    end,
    async kill() {
      program.kill('SIGKILL');
      await program.exited;
    },
    async [Symbol.asyncDispose]() {
      await end();
    },
  };
}

/** What is no JSON is told all the same. */
function lineOf(line: string): Said {
  try {
    return JSON.parse(line);
  } catch {
    return { level: 'none', message: line };
  }
}

/** By curl, as a person would. Throws for an answer that is an error. */
export const ask = (path: string): Promise<string> =>
  output('curl', '-sS', '--fail-with-body', '--unix-socket', SOCKET, `http://kukeond${path}`);

export type Status = Cell['status'];

/** Its status, once it is as `isSo` says. */
export const statusWhen = (name: string, isSo: (status: Status) => boolean, limitMs?: number): Promise<Status> =>
  eventually(async () => {
    const { status } = await get<Cell>('cell', name);
    return isSo(status) ? status : undefined;
  }, limitMs);

export const containerIn = (status: Status, id: string): Status['containers'][number] => {
  const found = status.containers.find(one => one.id === id);
  if (found === undefined) throw new Error(`no container ${id}`);
  return found;
};

/** Of an inventory's lines. */
export const isNotKukeond = (line: string): boolean =>
  !/ daemon serve$|\/run\/kukeon\/(?:cni\.sock|kukeond\.(?:pid|sock))$|\/var\/log\/kukeon\/kukeond\.log$/.test(line);
