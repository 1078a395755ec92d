/** The process of a containerd of kuke's own: started, told apart from others, and ended. */
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { type ActionContext, KukeError } from 'kuke/plugin';
import { replaceFile } from '../../../src/host/atomic-file.ts';
import { startDetached } from '../../../src/host/detached-process.ts';
import { watchPath } from '../../../src/host/folder-watch.ts';
import { identify, openProcess, type ProcessIdentity } from '../../../src/host/pidfd.ts';
import { connect } from '../client/index.ts';
import { configuration, type PrivatePaths } from './files.ts';
import type { ServeParams } from './operations.ts';

const START_LIMIT_MS = 30_000;
const END_LIMIT_MS = 10_000;
/** Of its log, in bytes. */
const MOST_WORDS = 4096;

/** Starts it, and resolves when it answers. */
export async function startServing(
  { paths, program, serving }: ServeParams,
  { signal, progress }: ActionContext,
): Promise<{ pid: number }> {
  const { socket } = serving;
  progress('starting containerd');
  for (const folder of [paths.folder, paths.root, paths.state, dirname(socket)]) {
    mkdirSync(folder, { recursive: true, mode: 0o711 });
  }
  await replaceFile(paths.config, configuration(paths, socket), { mode: 0o644 });
  // Before it starts, so that a kuke that dies in between leaves nothing unknown.
  await replaceFile(paths.serving, JSON.stringify(serving), { mode: 0o644 });
  const { pid, exited } = startDetached([program, '--config', paths.config], { log: paths.log });
  await answers(socket, exited, paths.log, AbortSignal.any([signal, AbortSignal.timeout(START_LIMIT_MS)]));
  return { pid };
}

/** The socket appears in its folder before containerd serves on it; a call made then waits for the answer. */
async function answers(socket: string, exited: Promise<number>, log: string, signal: AbortSignal): Promise<void> {
  const client = connect({ socket });
  let changed = Promise.withResolvers<void>();
  const look = (): void => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  const watcher = watchPath(dirname(socket), look);
  const gaveUp = new Promise<never>((_, reject) => {
    const words = () => `it says: ${lastLines(log)}`;
    signal.addEventListener(
      'abort',
      () => reject(new KukeError('TimedOut', `containerd does not answer; ${words()}`)),
      { once: true },
    );
    void exited.then(status =>
      reject(
        new KukeError('HostNotReady', `containerd ended with status ${status}; ${words()}`, { remedy: `see ${log}` }),
      ),
    );
  });
  // A socket that a dead containerd left behind refuses; its successor replaces it.
  const version = async (): Promise<void> => {
    for (;;) {
      const { promise: next } = changed; // taken before looking, so that no change is missed
      if (existsSync(socket)) {
        try {
          await client.version.version({}, { signal });
          return;
        } catch (error) {
          if (signal.aborted) throw error;
        }
      }
      await next;
    }
  };
  try {
    await Promise.race([version(), gaveUp]);
  } finally {
    watcher.close();
    client.close();
  }
}

/** It may have been growing for months. */
function lastLines(log: string): string {
  if (!existsSync(log)) return 'nothing';
  const fd = openSync(log, 'r');
  try {
    const { size } = fstatSync(fd);
    const end = Buffer.alloc(Math.min(size, MOST_WORDS));
    readSync(fd, end, 0, end.length, size - end.length);
    return end.toString().trimEnd().split('\n').slice(-3).join(' | ');
  } finally {
    closeSync(fd);
  }
}

/**
 * The process is known by the configuration that it was started with: no pid file can be stale. Anybody can run a program with such a
 * command line; one of root's outside of all containers is nobody's who could not do worse.
 */
export function servingProcess(paths: PrivatePaths): ProcessIdentity | undefined {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const [, option, config] = commandLine(name);
    if (option === '--config' && config === paths.config && isRootOfThisHost(name)) return identify(Number(name));
  }
  return undefined;
}

function isRootOfThisHost(pid: string): boolean {
  try {
    return (
      statSync(`/proc/${pid}`).uid === 0 && readlinkSync(`/proc/${pid}/ns/pid`) === readlinkSync('/proc/self/ns/pid')
    );
  } catch {
    return false; // it has ended meanwhile
  }
}

function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return []; // it has ended meanwhile
  }
}

/** Ends it; what it has stored stays. Absent: nothing to do. */
export async function endProcess(paths: PrivatePaths, { signal }: ActionContext): Promise<void> {
  const who = servingProcess(paths);
  using daemon = who && openProcess(who);
  if (daemon === undefined) return;
  daemon.signal('SIGTERM');
  const patience = AbortSignal.any([signal, AbortSignal.timeout(END_LIMIT_MS)]);
  await daemon.exited(patience).catch(() => daemon.signal('SIGKILL'));
  await daemon.exited(AbortSignal.timeout(END_LIMIT_MS));
}
