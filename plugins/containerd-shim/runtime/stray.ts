/**
 * What is left where the creation of a task was cut off by the end of its caller: containerd knows of no task, while its shim has gone
 * on making one. containerd 1.6 and 1.7 clean up by themselves within seconds; 2 (seen with 2.1.9) does not, and a new task is refused
 * for ever: by itself (`mkdir .../NAMESPACE/ID: file exists`) or by runc (`container with given ID already exists`).
 */
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type ContainerParams, KukeError } from 'kuke/plugin';
import { PATH, scrubbedEnvironment } from '../../../src/host/environment.ts';
import { hasCode } from '../../../src/host/errno.ts';
import { unmount } from '../../../src/host/mount.ts';
import { readMounts } from '../../../src/host/mountinfo.ts';
import { runProgram } from '../../../src/host/program.ts';
import { changeableOnTheWay } from '../../../src/host/trusted-path.ts';
import { type Container, isGrpcError } from '../client/index.ts';
import type { Containerd } from '../containerd.ts';
import { ociRuntimeOf, requireOciRuntime } from './oci-runtime.ts';

const TASKS = 'io.containerd.runtime.v2.task';
const DEFAULT_STATE = '/run/containerd';
const PATIENCE_MS = 3000;
const INTERVAL_MS = 50;
const DELETE_LIMIT_MS = 10_000;

const REFUSALS = [
  new RegExp(`mkdir /\\S+/${TASKS}/\\S+: file exists`),
  /container with given ID already exists/,
  /container `\S+` already exists/, // crun
];

/** Whether a task is refused because of what was left of an earlier one. */
export function isStrayInTheWay(error: unknown): boolean {
  return isGrpcError(error) && REFUSALS.some(refusal => refusal.test(error.message));
}

/** For a container of ours without a task. Gives containerd time, then cleans up as it would. Nothing left: nothing to do. */
export async function clearStray(containerd: Containerd, namespace: string, container: Container): Promise<void> {
  const params = { namespace, id: container.id };
  const limit = performance.now() + PATIENCE_MS;
  const isLeft = () => isBeingMade(params) || existsSync(ociState(params)) || bundleOf(params) !== undefined;
  while (isLeft() && performance.now() < limit) await Bun.sleep(INTERVAL_MS);
  const bundle = bundleOf(params);
  // Where containerd died while it removed the bundle, the shim does not find in it which OCI runtime it was.
  if (bundle !== undefined && existsSync(join(bundle, 'runtime'))) await shimDelete(containerd.socket, params, bundle);
  if (existsSync(ociState(params))) await ociDelete(ociRuntimeOf(container), params);
  if (bundle !== undefined) removeBundle(bundle);
}

/** Where the shim has the OCI runtime keep what it knows, whatever containerd's own state folder is. */
export const ociRoot = (namespace: string) => join('/run/containerd/runc', namespace);
const ociState = ({ namespace, id }: ContainerParams) => join(ociRoot(namespace), id);

/** The shim still runs `runc --root ROOT create --bundle ... ID`. */
function isBeingMade({ namespace, id }: ContainerParams): boolean {
  return readdirSync('/proc').some(name => {
    if (!/^\d+$/.test(name)) return false;
    const args = commandLine(name);
    return args.at(-1) === id && args.includes('create') && args.includes(ociRoot(namespace));
  });
}

function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return []; // it has ended meanwhile
    throw error;
  }
}

/**
 * The folder that containerd keeps of a task: by its root file system wherever its state is, else where that is by default. A mount in a
 * folder of somebody else's is none: by FUSE anybody may make one under such a name, and what the bundle names is run.
 */
export function bundleOf({ namespace, id }: ContainerParams, mounts = readMounts()): string | undefined {
  const place = join('/', TASKS, namespace, id);
  const mounted = mounts.flatMap(({ mountPoint }) =>
    mountPoint.endsWith(`${place}/rootfs`) ? [dirname(mountPoint)] : [],
  );
  const own = mounted.find(isOurs);
  if (own !== undefined) return own;
  const byDefault = join(DEFAULT_STATE, place);
  return existsSync(byDefault) ? byDefault : undefined;
}

function isOurs(folder: string): boolean {
  try {
    return changeableOnTheWay(folder) === undefined;
  } catch {
    return false; // it has gone meanwhile, or nobody but its owner may look
  }
}

/** With what containerd itself cleans up behind a shim that died: it kills the processes, and takes away what the OCI runtime knows. */
async function shimDelete(socket: string, { namespace, id }: ContainerParams, bundle: string): Promise<void> {
  const args = ['-namespace', namespace, '-address', socket, '-id', id, '-bundle', bundle, 'delete'];
  const env = { GRPC_ADDRESS: socket, TTRPC_ADDRESS: `${socket}.ttrpc` };
  await run([shimOf(bundle), ...args], `what is left of a task in ${bundle}`, { cwd: bundle, env });
}

/** Where containerd has removed the bundle, or some of it, while the OCI runtime was still at it. */
async function ociDelete(runtime: string, { namespace, id }: ContainerParams): Promise<void> {
  const what = `what is left of a task in ${ociState({ namespace, id })}`;
  await run([requireOciRuntime(runtime), '--root', ociRoot(namespace), 'delete', '--force', id], what);
}

async function run(
  [file = '', ...args]: string[],
  what: string,
  { cwd = '/', env = {} }: { cwd?: string; env?: Record<string, string> } = {},
): Promise<void> {
  const program = { file, args, cwd, env: scrubbedEnvironment(env), stdin: '' };
  const { status, stderr, stopped } = await runProgram(program, { timeoutMs: DELETE_LIMIT_MS });
  if (status === 0) return;
  const why = stopped === undefined ? stderr.trim() : `no end of it within ${DELETE_LIMIT_MS / 1000} s`;
  throw new KukeError('RuntimeFailed', `${what} cannot be removed: ${why}`, {
    remedy: 'restart containerd, which looks for such tasks then, and try again',
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
