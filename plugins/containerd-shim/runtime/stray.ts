/**
 * What is left where the creation of a task was cut off by the end of its caller: containerd knows of no task, while its shim has gone
 * on making one. containerd 1.6 and 1.7 clean up by themselves within seconds; 2 (seen with 2.1.9) does not, and then refuses a new task
 * for ever: `mkdir .../NAMESPACE/ID: file exists`.
 */
import { existsSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type ContainerParams, KukeError } from 'kuke/plugin';
import { PATH, scrubbedEnvironment } from '../../../src/host/environment.ts';
import { unmount } from '../../../src/host/mount.ts';
import { readMounts } from '../../../src/host/mountinfo.ts';
import { isGrpcError } from '../client/index.ts';

const TASKS = 'io.containerd.runtime.v2.task';
const DEFAULT_STATE = '/run/containerd';
const PATIENCE_MS = 3000;
const INTERVAL_MS = 50;
const DELETE_LIMIT_MS = 10_000;

/** Whether containerd refuses a task because of what was left of an earlier one. */
export function isBundleInTheWay(error: unknown): boolean {
  return isGrpcError(error) && new RegExp(`mkdir /\\S+/${TASKS}/\\S+: file exists`).test(error.message);
}

/** For a container of ours without a task. Gives containerd time, then cleans up as it would. Nothing left: nothing to do. */
export async function clearStray(socket: string, params: ContainerParams): Promise<void> {
  const limit = Date.now() + PATIENCE_MS;
  let bundle = bundleOf(params);
  for (; bundle !== undefined && Date.now() < limit; bundle = bundleOf(params)) await Bun.sleep(INTERVAL_MS);
  if (bundle === undefined) return;
  await shimDelete(socket, params, bundle);
  removeBundle(bundle);
}

/** The folder that containerd keeps of a task: by its root file system wherever its state is, else where that is by default. */
function bundleOf({ namespace, id }: ContainerParams): string | undefined {
  const place = join('/', TASKS, namespace, id);
  const mounted = readMounts().find(({ mountPoint }) => mountPoint.endsWith(`${place}/rootfs`));
  if (mounted !== undefined) return dirname(mounted.mountPoint);
  const byDefault = join(DEFAULT_STATE, place);
  return existsSync(byDefault) ? byDefault : undefined;
}

/** With what containerd itself cleans up behind a shim that died: it kills the processes, and takes away what the OCI runtime knows. */
async function shimDelete(socket: string, { namespace, id }: ContainerParams, bundle: string): Promise<void> {
  const shim = shimOf(bundle);
  const args = ['-namespace', namespace, '-address', socket, '-id', id, '-bundle', bundle, 'delete'];
  const program = Bun.spawn([shim, ...args], {
    cwd: bundle,
    env: scrubbedEnvironment({ GRPC_ADDRESS: socket, TTRPC_ADDRESS: `${socket}.ttrpc` }),
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
    timeout: DELETE_LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  const [words, status] = await Promise.all([program.stderr.text(), program.exited]);
  if (status === 0) return;
  throw new KukeError('RuntimeFailed', `what is left of a task in ${bundle} cannot be removed: ${words.trim()}`, {
    remedy: 'restart containerd, which looks for such tasks then, and run the command again',
  });
}

/** containerd 2 writes down which one it was. */
function shimOf(bundle: string): string {
  const file = join(bundle, 'shim-binary-path');
  const shim = existsSync(file) ? readFileSync(file, 'utf8').trim() : Bun.which('containerd-shim-runc-v2', { PATH });
  if (shim) return shim;
  throw new KukeError('RuntimeFailed', `what is left of a task in ${bundle} cannot be removed without its shim`, {
    remedy: 'install containerd-shim-runc-v2',
  });
}

function removeBundle(bundle: string): void {
  const rootfs = join(bundle, 'rootfs');
  while (unmount(rootfs)) {} // what is still mounted there is not to be removed with the folder
  const work = join(bundle, 'work');
  const folders = [...(existsSync(work) ? [readlinkSync(work)] : []), bundle];
  for (const folder of folders) {
    if (basename(folder) === basename(bundle)) rmSync(folder, { recursive: true, force: true });
  }
}
