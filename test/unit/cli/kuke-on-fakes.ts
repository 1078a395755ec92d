/** `kuke` in this process, on one fake host: a command line in, exit code and output out. */
import { spyOn } from 'bun:test';
import fs, { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import cell from '../../../plugins/cell/index.ts';
import container from '../../../plugins/container/index.ts';
import realm from '../../../plugins/realm/index.ts';
import space from '../../../plugins/space/index.ts';
import stack from '../../../plugins/stack/index.ts';
import type { Program } from '../../../src/cli/command.ts';
import { main } from '../../../src/cli/main.ts';
import { addImage, type FakeHost, fakePlugin, makeHost } from '../../fakes/index.ts';
import { source } from '../kernel/kernel-on-fakes.ts';

export interface Ran {
  status: number;
  stdout: string;
  stderr: string;
}

export interface FakeKuke {
  host: FakeHost;
  program: Program;
  runPath: string;
  /** `kuke('get', 'cells')`; the run path is the fake host's own. */
  kuke(...argv: string[]): Promise<Ran>;
  /** Writes a file into a folder of this kuke's own, and gives its path. */
  file(name: string, content: string): string;
  remove(): void;
}

const never = () => Promise.reject(new Error('there is no kukeond here'));
const noDaemon: Awaited<ReturnType<Program['daemon']>> = {
  serveDaemon: never,
  runningDaemon: () => undefined,
  isSystemd: () => false,
  hasUnit: () => false,
  setUp: async () => 'unchanged',
  start: never,
  stop: async () => false,
  restart: never,
  tearDown: async () => {},
  makeGroup: async () => undefined,
  isOwnGroup: () => false,
  removeGroup: async () => undefined,
};
// It is set up by a test of its own.
process.env.KUKE_NO_DAEMON = '1';

/** `uid` is whose command it seems to be. */
export function kukeOnFakes({ uid = 0 } = {}): FakeKuke {
  const host = makeHost();
  const folder = mkdtempSync(join(tmpdir(), 'kuke-cli-'));
  const runPath = join(folder, 'run');
  const config = join(folder, 'kuke.yaml');
  writeFileSync(config, '');
  const program: Program = {
    version: async () => '1.2.3',
    builtins: async () => [fakePlugin(host), realm, space, stack, container, cell].map(source),
    sdk: async () => ({ ...(await import('../../../src/plugin.ts')) }),
    cniPlugins: async () => ({
      install: async () => [],
      uninstall: async () => {},
      foreseeInstall: async () => ({ files: [], script: '' }),
      foreseeUninstall: async () => ({ files: [], script: '' }),
    }),
    streams: async () => ({
      rawTerminal: () => () => {},
      terminalSize: () => ({ columns: 80, rows: 24 }),
      writeBytes: async (fd, bytes) => fs.writeSync(fd, bytes) === bytes.length,
      hungUp: () => new Promise(() => {}),
    }),
    writeStreamed: async () => (await import('../../../src/host/streamed-file.ts')).writeStreamed,
    daemon: async () => noDaemon,
    fileTrees: () => import('../../../src/host/file-tree/places.ts'),
    logs: () => import('../../../src/host/rotated-log/read.ts'),
    pipes: async () => ({
      ...(await import('../../../src/host/byte-flow.ts')),
      ...(await import('../../../src/host/pipe.ts')),
    }),
    openLogFile: async () => (await import('../../../src/host/log-file.ts')).openLogFile,
    changeableByOthers: async () => (await import('../../../src/host/trusted-path.ts')).changeableByOthers,
  };
  return {
    host,
    program,
    runPath,
    kuke: (...argv) => {
      const own = argv.includes('--config') ? [] : ['--config', config];
      return captured(uid, () => main(['--run-path', runPath, ...own, ...argv], program));
    },
    file(name, content) {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function captured(uid: number, run: () => Promise<number>): Promise<Ran> {
  const [out, err]: string[][] = [[], []];
  const write = fs.writeSync;
  const spies = [
    spyOn(fs, 'writeSync').mockImplementation((...args: unknown[]) => {
      const [fd, data] = args;
      if (fd !== 1 && fd !== 2) return Reflect.apply(write, fs, args);
      const bytes = data instanceof Uint8Array ? data : new TextEncoder().encode(String(data));
      (fd === 1 ? out : err)?.push(new TextDecoder().decode(bytes));
      return bytes.length;
    }),
    spyOn(process, 'getuid').mockReturnValue(uid),
    // Each command listens for Ctrl-C until its process ends.
    spyOn(process, 'on').mockReturnValue(process),
    spyOn(process, 'removeAllListeners').mockReturnValue(process),
  ];
  try {
    const status = await run();
    return { status, stdout: out?.join('') ?? '', stderr: err?.join('') ?? '' };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** A realm, space and stack, with the image busybox. */
export async function readyKuke(): Promise<FakeKuke> {
  const made = kukeOnFakes();
  const { status, stderr } = await made.kuke('init');
  if (status !== 0) throw new Error(stderr);
  const namespace = made.host.runtime.namespaces.get('kukeon-main');
  if (namespace === undefined) throw new Error('no namespace');
  addImage(namespace, { name: 'busybox', cmd: ['sleep', '1000'] });
  return made;
}
