/** Where a containerd of kuke's own keeps what (spec.md §2), and what it is told. */
import { join } from 'node:path';

export interface PrivatePaths {
  /** Everything that outlives a reboot: configuration, log and root. */
  folder: string;
  config: string;
  log: string;
  root: string;
  state: string;
  /** Which socket it serves on, as JSON. */
  serving: string;
}

export function privatePaths(runPath: string): PrivatePaths {
  const folder = join(runPath, '.kuke/containerd');
  return {
    folder,
    config: join(folder, 'config.toml'),
    log: join(folder, 'containerd.log'),
    root: join(folder, 'root'),
    state: '/run/kukeon/containerd',
    serving: join(folder, 'serving.json'),
  };
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
