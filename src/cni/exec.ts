/** Calls a plugin by executing it (specification, section 2), and makes sure that it ends, whatever it does. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { PATH } from '../host/environment.ts';
import { type Program, type ProgramExit, runProgram } from '../host/program.ts';
import { CniError, type CniFailure, oneLine, PluginErrorSchema } from './errors.ts';
import type { Invoke, InvokeRequest } from './invoke.ts';
import { FormatError, parseJson } from './json.ts';

/** Where plugins are looked for unless the caller says otherwise: upstream's folder, then Debian's. */
export const DEFAULT_PATH: readonly string[] = ['/opt/cni/bin', '/usr/lib/cni'];

const EXCERPT = 256;

/** Executes a plugin. Its environment is CNI_* and PATH and nothing else, its working directory the root. */
export const execPlugin: Invoke = async request => {
  const file = findPlugin(request.plugin, request.path);
  if (file === undefined) throw pluginNotFound(request);
  const program = { file, env: environment(request), stdin: JSON.stringify(request.config) };
  return answer(request, await start(request, program));
};

/** The file of a plugin: the first regular file of that name in the given folders; undefined where there is none. */
export function findPlugin(type: string, path: readonly string[]): string | undefined {
  return path.map(folder => join(folder, type)).find(isRegularFile);
}

export function pluginNotFound({ command, network, plugin, path }: InvokeRequest): CniError {
  return new CniError({
    reason: 'not-found',
    command,
    network,
    plugin,
    searched: path,
    msg: `there is no such plugin in ${path.join(', ') || 'an empty CNI path'}`,
    remedy:
      "install Debian's package containernetworking-plugins, whose plugins are in /usr/lib/cni, or name the folder of this plugin in CNI_PATH",
  });
}

function isRegularFile(file: string): boolean {
  try {
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function environment({ command, containerId, netns, ifName, args, path }: InvokeRequest): Record<string, string> {
  return {
    PATH,
    CNI_COMMAND: command,
    ...(containerId !== undefined && { CNI_CONTAINERID: containerId }),
    ...(netns !== undefined && { CNI_NETNS: netns }),
    ...(ifName !== undefined && { CNI_IFNAME: ifName }),
    ...(args !== undefined && { CNI_ARGS: args }),
    CNI_PATH: path.join(':'),
  };
}

async function start(request: InvokeRequest, program: Program): Promise<ProgramExit> {
  try {
    return await runProgram(program, request);
  } catch (cause) {
    const { command, network, plugin } = request;
    const reason = cause instanceof Error && 'code' in cause ? NOT_EXECUTABLE[String(cause.code)] : undefined;
    const msg = `${program.file} can't be executed: ${reason ?? String(cause)}`;
    throw new CniError({ reason: 'not-executable', command, network, plugin, msg, cause });
  }
}

const NOT_EXECUTABLE: Readonly<Record<string, string>> = {
  EACCES: 'permission denied (EACCES): it is not marked executable, or its file system is mounted noexec',
  ENOEXEC: 'it is no program of this machine (ENOEXEC)',
  ENOENT: 'its interpreter does not exist (ENOENT)',
  ETXTBSY: 'it is being written to (ETXTBSY)',
};

function answer(request: InvokeRequest, exit: ProgramExit): unknown {
  const { command, network, plugin, timeoutMs, signal } = request;
  const { stdout, stderr, status, killedBy, stopped } = exit;
  const fail = (failure: Omit<CniFailure, 'command'>) => new CniError({ ...failure, command, network, plugin, stderr });
  const limit = `${timeoutMs / 1000} s`;

  switch (stopped) {
    case 'timed-out': {
      const msg =
        status === 0
          ? `a process that it left behind kept its output open for ${limit}`
          : `it was killed: it took over ${limit}`;
      throw fail({ reason: 'timed-out', msg });
    }
    case 'aborted':
      throw fail({ reason: 'aborted', msg: 'it was killed: the operation was called off', cause: signal?.reason });
    case 'flooded':
      throw fail({ reason: 'bad-output', msg: 'it was killed: it wrote more than 1 MiB to its standard output' });
  }
  const told = pluginError(stdout);
  if (told !== undefined && (status !== 0 || told.code > 0)) {
    throw fail({ reason: 'plugin-error', code: told.code, msg: told.msg, details: told.details || undefined });
  }
  const details =
    stdout.trim() === '' ? undefined : `its standard output begins with: ${oneLine(stdout.slice(0, EXCERPT))}`;
  if (killedBy !== undefined) throw fail({ reason: 'killed', msg: `it was killed by ${killedBy}`, details });
  if (status !== 0) throw fail({ reason: 'exit-status', msg: `it exited with ${status} and no error object`, details });
  if (command !== 'ADD' && command !== 'VERSION') return undefined;
  try {
    return parseJson(stdout);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw fail({ reason: 'bad-output', msg: `its standard output can't be read: ${error.message}`, details });
  }
}

function pluginError(stdout: string): v.InferOutput<typeof PluginErrorSchema> | undefined {
  try {
    const parsed = v.safeParse(PluginErrorSchema, parseJson(stdout));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
