/** Who runs a pod on this machine, each in the way that its users do: programs from the command line, or calls from a client. */
import '../../test/host/box.ts';

/** A pod is up when its containers run and its address is known; what is asked of each is that, and nothing beside it. */
export interface Peer {
  name: string;
  /** A pod with one container. */
  up(pod: string): Promise<void>;
  /** One more container in it; absent where there is no such thing. */
  second?(pod: string): Promise<void>;
  /** It and all of its containers are gone, with address and network namespace. */
  down(pod: string): Promise<void>;
  /** The same for many, as fast as it goes: what is not measured. */
  clear(pods: string[]): Promise<void>;
  /** Of one with a daemon that watches: it may work while it is measured, and is held while others are. */
  awake?(isAwake: boolean): Promise<void>;
}

/** Standard output; throws with the standard error of a program that fails. */
export async function output(command: string[], options: Options = {}): Promise<string> {
  const { stdin, env } = options;
  const program = Bun.spawn(command, {
    stdin: stdin === undefined ? 'ignore' : Buffer.from(stdin),
    stdout: 'pipe',
    stderr: 'pipe',
    ...(env && { env }),
  });
  const [stdout, stderr, status] = await Promise.all([program.stdout.text(), program.stderr.text(), program.exited]);
  if (status !== 0) throw new Error(`${command.join(' ')}: exit status ${status}: ${stderr.trim()}${stdout.trim()}`);
  return stdout;
}

interface Options {
  stdin?: string;
  env?: Record<string, string | undefined>;
}

/** Its output goes nowhere: a daemon that it leaves behind would hold a pipe open. */
export async function done(command: string[], options: Options = {}): Promise<void> {
  const { stdin, env } = options;
  const program = Bun.spawn(command, {
    stdin: stdin === undefined ? 'ignore' : Buffer.from(stdin),
    stdout: 'ignore',
    stderr: 'ignore',
    ...(env && { env }),
  });
  if ((await program.exited) !== 0) throw new Error(`${command.join(' ')}: exit status ${program.exitCode}`);
}

/** What all of them run. */
export const COMMAND = ['/bin/sh', '-c', 'trap "exit 0" TERM; sleep 100000 & wait'];
