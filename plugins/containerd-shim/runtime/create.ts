/** Making a container: its writable layer, then the container object with the OCI spec. Nothing runs yet. */
import { asKukeError, type ContainerConfig, type ImageConfig, KukeError, type OciSpec } from 'kuke/plugin';
import { type Client, type Container, isGrpcError, type Mount, ociSpec } from '../client/index.ts';
import { type Containerd, inNamespace } from '../containerd.ts';
import { asContainerdError, ifFound } from '../errors.ts';
import type { ContainerdImages, RootSnapshot } from '../images/index.ts';
import {
  CONFIGURATION,
  GC_ROOT,
  GROUP,
  INSTANCE,
  isOurContainer,
  isOurs,
  LOG_PATH,
  STARTED_AT,
  STDIN,
  STOP_SIGNAL,
} from '../labels.ts';
import { clearMountPoint, readSnapshotFiles } from '../oci/rootfs.ts';
import { buildSpec } from '../oci/spec.ts';
import { resolveUser } from '../oci/user.ts';
import { digestOf } from './configuration.ts';
import { readHost } from './host.ts';
import { requireOciRuntime, runtimeOf } from './oci-runtime.ts';
import { prepareTask } from './start.ts';
import { noteWaiting } from './waiting.ts';

/** Called with the specification of a container before it is created; may change it in place, or throw. */
export type SpecHook = (event: { container: ContainerConfig; spec: OciSpec }) => Promise<void>;

/** What creating takes. */
export interface Creation {
  containerd: Containerd;
  images: Pick<ContainerdImages, 'rootSnapshot' | 'releaseAbandoned'>;
  specHook: SpecHook;
}

/**
 * One of the same configuration is left as it is; one of ours that differs is replaced if it was never started. Throws Conflict for
 * any other that has the id, ImageNotFound, HostNotReady without its OCI runtime, what buildSpec throws, and what the hook throws; nothing is left behind then.
 */
export async function createContainer(
  { containerd, images, specHook }: Creation,
  config: ContainerConfig,
  signal: AbortSignal,
): Promise<void> {
  const client = inNamespace(containerd, config.namespace);
  const instance = await containerd.instance();
  const { namespace } = config;
  const [wanted, released] = [
    images.rootSnapshot({ namespace, name: config.image }),
    images.releaseAbandoned(namespace),
  ];
  for (const asked of [wanted, released]) asked.catch(() => {}); // awaited below, if it is to be made
  if (!(await isToBeMade(client, config, instance))) return;
  requireOciRuntime(config.runtime ?? containerd.runtime);
  const image = await wanted;

  const mounts = await prepareSnapshot(client, containerd.snapshotter, config, image, instance, signal);
  try {
    await released;
    if (signal.aborted) throw asKukeError(signal.reason, 'Cancelled');
    const spec = specOf(containerd, config, image.config, mounts);
    await specHook({ container: config, spec });
    const container = containerOf(containerd, config, image.config, spec, instance);
    const made = await client.containers.create({ container });
    if (!config.ready) return;
    await orWithout(client, made, prepareTask(containerd, namespace, made, mounts, signal));
    noteWaiting(containerd, namespace, made);
  } catch (error) {
    const failure = asContainerdError(error);
    const undone = client.snapshots.remove({ snapshotter: containerd.snapshotter, key: config.id });
    throw await undone.then(
      () => failure,
      second => failure.with([asContainerdError(second, { step: `remove snapshot ${config.id}` })]),
    );
  }
}

/** Without the container, too, if it cannot be made ready. */
async function orWithout(client: Client, { id }: Container, ready: Promise<void>): Promise<void> {
  try {
    await ready;
  } catch (error) {
    const failure = asContainerdError(error, { step: `start container ${id}` });
    throw await client.containers.delete({ id }).then(
      () => failure,
      second => failure.with([asContainerdError(second, { step: `remove container ${id}` })]),
    );
  }
}

async function isToBeMade(client: Client, config: ContainerConfig, instance: string): Promise<boolean> {
  const present = await ifFound(client.containers.get({ id: config.id }));
  if (present === undefined) return true;
  if (!isOurContainer(present, instance)) throw notOurs('container', config, 'containers rm');
  if (present.labels[CONFIGURATION] === digestOf(config)) return false;
  const task = await ifFound(client.tasks.get({ containerId: config.id }));
  if (task !== undefined || present.labels[STARTED_AT] !== undefined) {
    throw new KukeError('Conflict', `container ${config.id} exists with another configuration`, {
      remedy: 'delete it first',
    });
  }
  await client.containers.delete({ id: config.id });
  return true;
}

/**
 * A root of garbage collection for as long as it lives, so that no lease is needed to hold it until there is a container. What is
 * there already was left by a creation that was killed: no container has it, so nothing of value is in it.
 */
async function prepareSnapshot(
  client: Client,
  snapshotter: string,
  config: ContainerConfig,
  { name: parent, unpack }: RootSnapshot,
  instance: string,
  signal: AbortSignal,
): Promise<Mount[]> {
  const key = config.id;
  const labels = { [INSTANCE]: instance, [GC_ROOT]: new Date().toISOString() };
  const prepare = () => client.snapshots.prepare({ snapshotter, key, parent, labels });
  try {
    return await prepare();
  } catch (error) {
    if (isGrpcError(error, 'NOT_FOUND')) {
      await unpack(signal);
      return prepare();
    }
    if (!isGrpcError(error, 'ALREADY_EXISTS')) throw error;
  }
  const present = await client.snapshots.stat({ snapshotter, key });
  if (!isOurs(present, instance)) throw notOurs('snapshot', config, 'snapshots rm');
  await client.snapshots.remove({ snapshotter, key });
  return prepare();
}

function specOf(
  containerd: Containerd,
  config: ContainerConfig,
  image: ImageConfig,
  mounts: readonly Mount[],
): OciSpec {
  const files = readSnapshotFiles(mounts, userFilesMountPoint(config), ['/etc/passwd', '/etc/group']);
  const user = resolveUser(
    config.user ?? image.user,
    { passwd: files['/etc/passwd'], group: files['/etc/group'] },
    config.user === undefined ? 'InvalidImage' : 'InvalidManifest',
  );
  return buildSpec({ config, image, user, host: readHost(containerd.socket) });
}

function containerOf(
  containerd: Containerd,
  config: ContainerConfig,
  image: ImageConfig,
  spec: OciSpec,
  instance: string,
) {
  const { [STARTED_AT]: _, [STDIN]: __, ...labels } = config.labels;
  return {
    id: config.id,
    image: image.name,
    labels: {
      ...labels,
      [INSTANCE]: instance,
      [CONFIGURATION]: digestOf(config),
      [GROUP]: config.group,
      [LOG_PATH]: config.logPath,
      ...(config.stdin !== undefined && { [STDIN]: config.stdin }),
      ...(image.stopSignal !== undefined && { [STOP_SIGNAL]: image.stopSignal }),
    },
    runtime: runtimeOf(containerd, config.runtime),
    spec: ociSpec(spec),
    snapshotter: containerd.snapshotter,
    snapshotKey: config.id,
  };
}

/** Where the image is mounted for a moment to look up users; a name of its own for each, so that what a kill left is found. */
function userFilesMountPoint({ namespace, id }: { namespace: string; id: string }): string {
  return `/run/kuke-users-${namespace}-${id}`;
}

/** Takes away what a creation that was killed may have left mounted. */
export function clearUserFiles(params: { namespace: string; id: string }): void {
  clearMountPoint(userFilesMountPoint(params));
}

function notOurs(what: string, { namespace, id }: ContainerConfig, command: string): KukeError {
  return new KukeError('Conflict', `a ${what} ${id} exists in ${namespace} and is not kuke's`, {
    remedy: `if nobody needs it: \`ctr -n ${namespace} ${command} ${id}\``,
  });
}
