/** The supervisor beside the command line, in a process of its own that can be killed. */
import { join } from 'node:path';
import { eventually } from '../../suites/contract.ts';
import type { Cell } from '../kuke/cells.ts';
import { get } from '../kuke/kuke.ts';

export interface Said {
  what: string;
  members?: string[];
  message?: string;
  ref?: { path: string[] };
}

export interface RunningSupervisor extends AsyncDisposable {
  said: Said[];
  pid: number;
  /** With SIGTERM, in good order. Returns its exit code. */
  end(): Promise<number>;
  kill(): Promise<void>;
}

export async function startSupervisor(): Promise<RunningSupervisor> {
  const program = Bun.spawn(['bun', join(import.meta.dir, 'supervisor-process.ts')], {
    stdout: 'pipe',
    stderr: 'inherit',
  });
  const said: Said[] = [];
  void (async () => {
    let rest = '';
    for await (const bytes of program.stdout) {
      const lines = (rest + new TextDecoder().decode(bytes)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) said.push(JSON.parse(line));
    }
  })();
  await eventually(async () => said.find(({ what }) => what === 'ready'));
  const kill = async () => {
    program.kill('SIGKILL');
    await program.exited;
  };
  return {
    said,
    pid: program.pid,
    async end() {
      program.kill('SIGTERM');
      return program.exited;
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

export type Status = Cell['status'];

/** Its status, once it is as `isSo` says. */
export const statusWhen = (name: string, isSo: (status: Status) => boolean): Promise<Status> =>
  eventually(async () => {
    const { status } = await get<Cell>('cell', name);
    return isSo(status) ? status : undefined;
  });

export const containerIn = (status: Status, id: string): Status['containers'][number] => {
  const found = status.containers.find(one => one.id === id);
  if (found === undefined) throw new Error(`no container ${id}`);
  return found;
};

/** Of an inventory's lines. */
export const isNotSupervisor = (line: string): boolean => !line.endsWith('supervisor-process.ts');
