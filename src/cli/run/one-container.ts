/** The manifest of a cell with one container, from the flags of `run`. */
import { resolve } from 'node:path';
import { KukeError } from '../../kernel/errors.ts';
import { API_VERSION, type Manifest, type ResourceRef } from '../../kernel/resource.ts';
import { checkEnv } from '../cell-process/env.ts';
import { currentConsole } from '../console/console.ts';

/** What the container is called in it. */
export const CONTAINER = 'main';

export interface RunFlags {
  image: string;
  /** In place of the image's CMD; empty: the image's. */
  command: string[];
  env: string[];
  volume: string[];
  publish: string[];
  workdir?: string | undefined;
  user?: string | undefined;
  tty?: boolean | undefined;
  stdin?: boolean | undefined;
  stdinOnce?: boolean | undefined;
  autoDelete?: boolean | undefined;
}

/** `scope`: the spec's fields that name its parents. Throws Usage for a flag that cannot be read; what it says is checked as any manifest is. */
export function oneContainer({ path }: ResourceRef, scope: Record<string, string>, flags: RunFlags): Manifest {
  const { image, command, env, volume, publish, workdir, user, tty, stdin, stdinOnce, autoDelete } = flags;
  const some = <T>(key: string, list: T[]) => (list.length > 0 ? { [key]: list } : {});
  const container = {
    id: CONTAINER,
    image,
    ...some('args', command),
    ...some('env', checkEnv(env)),
    ...some('volumes', volume.map(bindMount)),
    ...some('ports', publish),
    ...(workdir !== undefined && { workingDir: workdir }),
    ...(user !== undefined && { user }),
    ...(tty && { tty }),
    ...(stdin && { stdin }),
    ...(stdinOnce && { stdinOnce }),
  };
  return {
    apiVersion: API_VERSION,
    kind: 'Cell',
    metadata: { name: path.at(-1) ?? '' },
    spec: { ...scope, ...(autoDelete && { autoDelete }), containers: [container] },
  };
}

/** By what is given each field of it. */
const PLACES: Readonly<Record<string, string>> = {
  image: 'IMAGE',
  args: 'COMMAND',
  env: '--env',
  volumes: '--volume',
  ports: '--publish',
  workingDir: '--workdir',
  user: '--user',
};

/** There is no manifest to mend: what was wrong with it is a fault of what was typed. */
export function inFlags(thrown: unknown): unknown {
  if (!(thrown instanceof KukeError) || thrown.code !== 'InvalidManifest') return thrown;
  const { message, details, also } = thrown;
  const [prefix = '', name = ''] = /^spec\.containers\[0\]\.(\w+)[^:]*/.exec(details.field ?? '') ?? [];
  const place = PLACES[name];
  if (place === undefined) return thrown;
  const said = message.startsWith(prefix) ? message.slice(prefix.length + 2) : message;
  return new KukeError('Usage', `${place}: ${said}`, { remedy: 'see `kuke run --help`' }, also);
}

/** `SRC:DST[:ro|rw]`; a relative source is one of the current folder's. */
export function bindMount(text: string): Record<string, unknown> {
  const [source = '', target, mode = 'rw', ...more] = text.split(':');
  const isPath = /^(?:\/|\.{1,2}(?:\/|$))/.test(source);
  if (target === undefined || more.length > 0 || !['ro', 'rw'].includes(mode)) {
    throw new KukeError('Usage', `--volume: \`${text}\` is not SRC:DST or SRC:DST:ro`);
  }
  if (!isPath) {
    throw new KukeError('Usage', `--volume: \`${source}\` is not a path`, {
      remedy: `give a path: \`./${source}:${target}\`; volumes by name are not there yet`,
    });
  }
  return {
    kind: 'bind',
    source: resolve(currentConsole().cwd(), source),
    target,
    ...(mode === 'ro' && { readOnly: true }),
  };
}
