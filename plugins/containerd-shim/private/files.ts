/** Where a containerd of kuke's own keeps what (spec.md §2), and what it is told. */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { runPathTag } from 'kuke/plugin';
import * as v from 'valibot';
import { hasCode } from '../../../src/host/errno.ts';

export interface PrivatePaths {
  /** Everything that outlives a reboot: configuration, log and root. */
  folder: string;
  config: string;
  log: string;
  root: string;
  state: string;
  /** What the last one that was started was told, as JSON: `Serving`. */
  serving: string;
}

/** Symbolic links are resolved, so that one installation has one containerd, however its run path is spelt. */
export function privatePaths(runPath: string): PrivatePaths {
  const real = existsSync(runPath) ? realpathSync(runPath) : resolve(runPath);
  const folder = join(real, '.kuke/containerd');
  return {
    folder,
    config: join(folder, 'config.toml'),
    log: join(folder, 'containerd.log'),
    root: join(folder, 'root'),
    state: join('/run/kukeon', runPathTag(real), 'containerd'),
    serving: join(folder, 'serving.json'),
  };
}

const serving = v.object({
  socket: v.string(),
  /** The socket's folder and those around it that were not there before, outermost first. */
  madeFolders: v.optional(v.array(v.string()), []),
  /** Which of the plans that started one did it last: the undoing of an earlier one, left by a kuke that died, must not touch it. */
  attempt: v.optional(v.string(), ''),
});
export type Serving = v.InferOutput<typeof serving>;

/** Undefined: none was started, or what says so is damaged. */
export function servingOf(paths: PrivatePaths): Serving | undefined {
  const text = readIfThere(paths.serving);
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), serving), text);
  return parsed.success ? parsed.output : undefined;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** All that it leaves on the host; what else lies in these places is somebody's. */
export interface Remains {
  /** Kept in nobody else's use: removed with all that is in them. */
  own: string[];
  sockets: string[];
  /** Shared with every other containerd: removed where nothing is in them, in this order. */
  shared: string[];
}

/** Where runc and the shims keep what they have, whatever containerd's state folder is. */
const RUNTIME = '/run/containerd';

export function remainsOf(paths: PrivatePaths, { socket, madeFolders }: Partial<Serving>): Remains {
  return {
    own: [paths.state, paths.folder],
    sockets: socket === undefined ? [] : [socket, `${socket}.ttrpc`],
    shared: [
      dirname(paths.state),
      ...namespacesOf(paths).map(namespace => join(RUNTIME, 'runc', namespace)),
      ...['runc', 's', 'fifo'].map(name => join(RUNTIME, name)),
      RUNTIME,
      ...(madeFolders ?? []).toReversed(),
    ],
  };
}

/** In which it has run containers since the machine started. */
function namespacesOf({ state }: PrivatePaths): string[] {
  const tasks = join(state, 'io.containerd.runtime.v2.task');
  return existsSync(tasks) ? readdirSync(tasks) : [];
}

/** What kuke does not use costs start-up time, and leaves folders such as /opt/containerd behind. Versions name CRI differently. */
const unused = [
  'grpc.v1.cri',
  'cri.v1.images',
  'cri.v1.runtime',
  'grpc.v1.sandbox-controllers',
  'podsandbox.controller.v1.podsandbox',
  'nri.v1.nri',
  'internal.v1.opt',
  'internal.v1.tracing',
  'tracing.processor.v1.otlp',
  'snapshotter.v1.aufs',
  'snapshotter.v1.blockfile',
  'snapshotter.v1.btrfs',
  'snapshotter.v1.devmapper',
  'snapshotter.v1.zfs',
];

/** Configuration version 2 is understood by 1.6, 1.7 and 2.x. */
export function configuration({ root, state }: Pick<PrivatePaths, 'root' | 'state'>, socket: string): string {
  const lines = [
    'version = 2',
    `root = ${JSON.stringify(root)}`,
    `state = ${JSON.stringify(state)}`,
    `disabled_plugins = ${JSON.stringify(unused.map(plugin => `io.containerd.${plugin}`))}`,
    '[grpc]',
    `address = ${JSON.stringify(socket)}`,
  ];
  return `${lines.join('\n')}\n`;
}
