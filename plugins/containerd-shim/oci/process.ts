/** The process of a container: its arguments, environment and working directory. */
import { posix } from 'node:path';
import { type ContainerConfig, type ImageConfig, KukeError } from 'kuke/plugin';
import { PATH } from './defaults.ts';

/**
 * Kubernetes' table: `command` replaces ENTRYPOINT and CMD, `args` alone replaces CMD. An empty list counts as absent.
 * Throws CommandNotFound when that leaves nothing to run.
 */
export function processArgs(
  config: Pick<ContainerConfig, 'command' | 'args'>,
  image: Pick<ImageConfig, 'name' | 'entrypoint' | 'cmd'>,
): string[] {
  const command = config.command ?? [];
  const args = config.args ?? [];
  const entrypoint = command.length > 0 ? command : image.entrypoint;
  const rest = command.length > 0 || args.length > 0 ? args : image.cmd;
  const all = [...entrypoint, ...rest];
  if (all.length > 0) return all;
  throw new KukeError('CommandNotFound', `image ${image.name} has neither ENTRYPOINT nor CMD`, {
    field: 'command',
    remedy: 'give `command`',
  });
}

/** What is in the environment whoever says nothing of it. */
export interface EnvironmentBasis {
  hostname: string;
  home: string;
  /** Programs that know nothing of it take it for an xterm, as Docker has it. */
  hasTerminal?: boolean;
}

/**
 * Later ones win: PATH, HOSTNAME and HOME as Docker sets them, the image's ENV, `defaultEnv`, `env`; TERM where there is a
 * terminal. Throws InvalidManifest for an entry of ours that is not KEY=VALUE; such a one of the image's is passed over, as in Docker.
 */
export function processEnv(
  config: Pick<ContainerConfig, 'defaultEnv' | 'env'>,
  image: Pick<ImageConfig, 'env'>,
  { hostname, home, hasTerminal = false }: EnvironmentBasis,
): string[] {
  const merged = new Map([
    ['PATH', PATH],
    ['HOSTNAME', hostname],
    ['HOME', home],
    ...(hasTerminal ? [['TERM', 'xterm'] as const] : []),
  ]);
  for (const entry of image.env) {
    const [key, value] = split(entry);
    if (key !== undefined) merged.set(key, value);
  }
  for (const entry of [...config.defaultEnv, ...config.env]) {
    const [key, value] = split(entry);
    if (key === undefined) {
      throw new KukeError('InvalidManifest', `${JSON.stringify(entry)} is not KEY=VALUE`, { field: 'env' });
    }
    merged.set(key, value);
  }
  return [...merged].map(([key, value]) => `${key}=${value}`);
}

/** `workingDir`, else the image's, else `/`. The runtime makes it if it is not there. Throws InvalidManifest for a relative one. */
export function processCwd(
  config: Pick<ContainerConfig, 'workingDir'>,
  image: Pick<ImageConfig, 'workingDir'>,
): string {
  if (config.workingDir === undefined) return posix.resolve('/', image.workingDir);
  if (config.workingDir.startsWith('/') && !config.workingDir.includes('\0')) return posix.normalize(config.workingDir);
  throw new KukeError('InvalidManifest', `${JSON.stringify(config.workingDir)} is not an absolute path`, {
    field: 'workingDir',
  });
}

function split(entry: string): [key: string | undefined, value: string] {
  const at = entry.indexOf('=');
  return at > 0 && !entry.includes('\0') ? [entry.slice(0, at), entry.slice(at + 1)] : [undefined, ''];
}
