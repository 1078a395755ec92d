/** The process that an exec runs: the container's own, with another command, and what else was asked for. */
import { closeSync, constants, openSync } from 'node:fs';
import type { ExecParams, OciSpec, TerminalSize } from 'kuke/plugin';
import { processCwd, processEnv } from '../oci/process.ts';
import { readInRoot } from '../oci/rootfs.ts';
import { type ResolvedUser, resolveUser } from '../oci/user.ts';

/** An OCI runtime's `process` (runtime-spec, config.md). */
export type ExecSpec = OciSpec['process'];

type Asked = Pick<ExecParams, 'command' | 'env' | 'workingDir' | 'user' | 'terminal'>;

/** Users are looked up in the files that the running container has now. Throws InvalidManifest for one that is not there. */
export function processFor(spec: OciSpec, asked: Asked, pid: number): ExecSpec {
  const { process } = spec;
  if (asked.user === undefined) return execProcess(spec, asked);
  const files = userFiles(pid);
  const own = resolveUser(String(process.user.uid), files, 'InvalidManifest');
  return execProcess(spec, asked, { user: resolveUser(asked.user, files, 'InvalidManifest'), home: own.home });
}

/** `another`: the user that was asked for, and the home of the container's own, which is not this one's. */
export function execProcess(
  { process, hostname = '' }: Pick<OciSpec, 'process' | 'hostname'>,
  { command, env, workingDir, terminal }: Asked,
  another?: { user: ResolvedUser; home: string },
): ExecSpec {
  const own = process.env.filter(entry => another === undefined || entry !== `HOME=${another.home}`);
  const { uid, gid, additionalGids, home } = another?.user ?? { ...process.user, home: '/' };
  const { consoleSize: _, ...rest } = process;
  const hasTerminal = terminal !== undefined;
  return {
    ...rest,
    terminal: hasTerminal,
    ...(terminal && { consoleSize: consoleSize(terminal) }),
    user: { ...process.user, uid, gid, ...(additionalGids && { additionalGids }) },
    args: command,
    env: processEnv({ defaultEnv: [], env }, { env: own }, { hostname, home, hasTerminal }),
    cwd: processCwd(workingDir === undefined ? {} : { workingDir }, { workingDir: process.cwd }),
  };
}

const consoleSize = ({ columns: width, rows: height }: TerminalSize) => ({ width, height });

function userFiles(pid: number) {
  const root = openSync(`/proc/${pid}/root`, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return { passwd: readInRoot(root, '/etc/passwd'), group: readInRoot(root, '/etc/group') };
  } finally {
    closeSync(root);
  }
}
