/**
 * A containerd of one's own in a box, for a test to start, stop, kill and start again.
 *
 *     let containerd: Containerd;
 *     beforeAll(async () => { containerd = await startContainerd(); });
 *     afterAll(() => containerd.stop());
 *
 * or `await using containerd = await startContainerd()` within one test. Test files that import this
 * module are run on every supported version by `scripts/test`; by hand, `KUKE_TEST_CONTAINERD=2 test/box.sh bun test FILE` chooses one.
 */
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { containerdVersions } from '../runner/plan.ts';
import './box.ts';

export interface ContainerdOptions {
  /** Unix socket to listen on. Any but the default gives a second containerd, with root and state beside its socket. */
  address?: string;
  /** Load the CRI plugin, which costs start-up time; without it only what kuke uses is there. */
  cri?: boolean;
  /** More configuration, as TOML (configuration version 2), e.g. a `[plugins."io.containerd.gc.v1.scheduler"]` table. */
  config?: string;
}

export interface Containerd extends AsyncDisposable {
  readonly address: string;
  /** Where its content and snapshots are. */
  readonly root: string;
  /** Of the running daemon; of the last one while it is down. */
  readonly pid: number;
  /** Path of the file that its standard error goes to, over all restarts. */
  readonly logFile: string;
  /** SIGTERM, and resolves when it has exited. Shims and containers go on. Does nothing when it is down. */
  stop(): Promise<void>;
  /** SIGKILL, and resolves when it has exited. Shims and containers go on. Does nothing when it is down. */
  kill(): Promise<void>;
  /** Starts it on the same socket, root and state, after stop() or kill(), and resolves when it serves. */
  start(): Promise<void>;
}

/** Which of the supported versions this is, from 0, for tests whose cases the versions share out among them; the first where none is chosen. */
export const versionIndex = Math.max(0, containerdVersions.indexOf(process.env.KUKE_TEST_CONTAINERD ?? ''));

const defaultAddress = '/run/containerd/containerd.sock';

/** Starts a containerd and resolves when it serves; rejects with its log when it exits before that. */
export async function startContainerd(options: ContainerdOptions = {}): Promise<Containerd> {
  const address = options.address ?? defaultAddress;
  const beside = dirname(address);
  const [root, state] =
    address === defaultAddress ? ['/var/lib/containerd', beside] : [join(beside, 'root'), join(beside, 'state')];
  const name = address === defaultAddress ? 'containerd' : `containerd-${basename(beside)}`;
  const logFile = join(process.env.KUKE_TEST_ARTIFACTS ?? '/run', `${name}.log`);
  const configFile = `/run/${name}.toml`;
  mkdirSync(beside, { recursive: true });
  writeFileSync(configFile, configuration(address, root, state, options));

  let daemon = await launch(configFile, logFile);
  async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    daemon.kill(signal);
    await daemon.exited;
  }
  return {
    address,
    root,
    logFile,
    get pid() {
      return daemon.pid;
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    async start() {
      if (daemon.exitCode === null && daemon.signalCode === null)
        throw new Error(`containerd ${daemon.pid} still runs: stop or kill it first`);
      daemon = await launch(configFile, logFile);
    },
    [Symbol.asyncDispose]: () => end('SIGTERM'),
  };
}

// CRI has other plugin names in 2.x; the snapshotters that need a file system of their own only cost start-up time.
const unused = [
  'snapshotter.v1.aufs',
  'snapshotter.v1.blockfile',
  'snapshotter.v1.btrfs',
  'snapshotter.v1.devmapper',
  'snapshotter.v1.zfs',
  'tracing.processor.v1.otlp',
  'internal.v1.tracing',
];
const cri = [
  'grpc.v1.cri',
  'cri.v1.images',
  'cri.v1.runtime',
  'podsandbox.controller.v1.podsandbox',
  'grpc.v1.sandbox-controllers',
  'nri.v1.nri',
];

function configuration(address: string, root: string, state: string, options: ContainerdOptions): string {
  const disabled = (options.cri === true ? unused : [...unused, ...cri]).map(plugin => `io.containerd.${plugin}`);
  return [
    'version = 2',
    `root = ${JSON.stringify(root)}`,
    `state = ${JSON.stringify(state)}`,
    `disabled_plugins = ${JSON.stringify(disabled)}`,
    `[grpc]\naddress = ${JSON.stringify(address)}`,
    options.config ?? '',
    '',
  ].join('\n');
}

async function launch(configFile: string, logFile: string): Promise<Bun.Subprocess> {
  // A file and not a pipe: a test that blocks in spawnSync does not drain a pipe, and containerd would block on its log.
  const log = openSync(logFile, 'a');
  const logged = fstatSync(log).size;
  try {
    const daemon = Bun.spawn(['containerd', '--config', configFile, '--log-level', 'info'], {
      env: process.env, // as it is now; else Bun gives what this process began with
      stdin: 'ignore',
      stdout: log,
      stderr: log,
    });
    await ready(daemon, logFile, logged);
    return daemon;
  } finally {
    closeSync(log);
  }
}

/** Resolves when containerd logs that it serves, behind the first `logged` bytes of its log. */
async function ready(daemon: Bun.Subprocess, logFile: string, logged: number): Promise<void> {
  // tail, because fs.watch of Bun 1.4.5 drops a change that follows another within a millisecond: the last line may never be seen.
  const tail = Bun.spawn(['tail', `--bytes=+${logged + 1}`, '--follow', logFile], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  try {
    await Promise.race([logsThat('containerd successfully booted', tail.stdout), daemon.exited]);
  } finally {
    tail.kill();
    await tail.exited;
  }
  if (daemon.exitCode !== null || daemon.signalCode !== null) {
    const log = readFileSync(logFile).subarray(logged).toString();
    throw new Error(`containerd exited with ${daemon.signalCode ?? daemon.exitCode} before it was ready:\n${log}`);
  }
}

async function logsThat(message: string, lines: ReadableStream<Uint8Array>): Promise<void> {
  const decoder = new TextDecoder();
  let seen = '';
  for await (const chunk of lines) {
    seen += decoder.decode(chunk, { stream: true });
    if (seen.includes(message)) return;
  }
}
