/** A container of a cell, in the neutral terms of the runtime. */
import { type ContainerConfig, fieldsWith, nameOf, type PluginKernel } from 'kuke/plugin';
import { etcMounts } from './etc-files.ts';
import { type Cell, containerCgroup, containerdId, isRoot, logPath, netnsPath, shimGroup } from './layout.ts';
import { LABELS, type ObservedCell } from './observed.ts';
import { type ContainerSpec, rootOf } from './schema.ts';

/** Another hash takes a new container. It covers what the user wrote, so that a new default in a newer kuke recreates nothing. */
function configHash(kernel: PluginKernel, cell: Cell, container: ContainerSpec): string {
  const inPlace = new Set(fieldsWith(kernel.schema('Container'), said => said.change === 'in-place'));
  const said = Object.entries(container).filter(([field]) => !inPlace.has(field) && field !== 'root');
  const { runtime } = cell.spec;
  const ofCell = runtime === undefined ? [] : [runtime];
  const sorted = JSON.stringify(
    [said.sort(([a], [b]) => a.localeCompare(b)), isRoot(cell, container), ...ofCell],
    sortKeys,
  );
  return new Bun.CryptoHasher('sha256').update(sorted).digest('hex').slice(0, 16);
}

/** There is none that is as its manifest, with what its space gives, has it. */
export function needsNew(
  kernel: PluginKernel,
  cell: Cell,
  container: ContainerSpec,
  seen: Pick<ObservedCell, 'of'>,
): boolean {
  const there = seen.of(container);
  return there === undefined || there.labels[LABELS.config] !== configHash(kernel, cell, container);
}

function sortKeys(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a.localeCompare(b)));
}

export async function containerConfig(
  kernel: PluginKernel,
  cell: Cell,
  container: ContainerSpec,
  seen: Pick<ObservedCell, 'hash' | 'namespace'>,
): Promise<ContainerConfig> {
  const [realm = '', space = '', stack = '', name = ''] = cell.ref.path;
  const hostNetwork = rootOf(cell.spec)?.hostNetwork === true;
  const { command } = container;
  const own = userMounts(container);
  const managed = await etcMounts(kernel, cell);
  return {
    namespace: seen.namespace,
    id: containerdId(cell, container),
    image: container.image,
    labels: {
      ...container.labels,
      [LABELS.cell]: cell.ref.path.join('/'),
      [LABELS.container]: container.id,
      [LABELS.config]: configHash(kernel, cell, container),
    },
    group: shimGroup(seen.hash),
    hostname: nameOf(cell.ref),
    ...(command !== undefined && { command: Array.isArray(command) ? command : [command] }),
    ...(container.args && { args: container.args }),
    ...(container.workingDir && { workingDir: container.workingDir }),
    defaultEnv: [
      `KUKEON_REALM=${realm}`,
      `KUKEON_SPACE=${space}`,
      `KUKEON_STACK=${stack}`,
      `KUKEON_CELL_NAME=${name}`,
      `KUKEON_CONTAINER_ID=${container.id}`,
      `KUKEON_CGROUP_PATH=${containerCgroup(cell, container)}`,
    ],
    env: container.env ?? [],
    ...(container.user && { user: container.user }),
    // What the user mounts over one of the managed files takes its place.
    mounts: [...managed.filter(({ target }) => !own.some(mount => mount.target === target)), ...own],
    devices: container.devices ?? [],
    capabilities: { add: container.capabilities?.add ?? [], drop: container.capabilities?.drop ?? [] },
    privileged: container.privileged ?? false,
    readOnlyRootFilesystem: container.readOnlyRootFilesystem ?? false,
    securityOpts: container.securityOpts ?? [],
    ...(cell.spec.runtime && { runtime: cell.spec.runtime }),
    ...(!hostNetwork && { netns: netnsPath(seen.hash) }),
    cgroup: containerCgroup(cell, container),
    logPath: logPath(cell, container),
    ...(container.tty && { terminal: true as const }),
    ...(container.stdin && { stdin: container.stdinOnce ? ('once' as const) : ('open' as const) }),
  };
}

function userMounts(container: ContainerSpec): ContainerConfig['mounts'] {
  const volumes = (container.volumes ?? []).map(({ kind, source, target, readOnly, sizeBytes, mode }) => ({
    kind: kind === 'tmpfs' ? ('tmpfs' as const) : ('bind' as const),
    ...(source && { source }),
    target,
    ...(readOnly && { readOnly }),
    ...(sizeBytes && { sizeBytes }),
    ...(mode !== undefined && { mode: String(mode) }),
  }));
  const tmpfs = (container.tmpfs ?? []).map(({ path, sizeBytes, mode }) => ({
    kind: 'tmpfs' as const,
    target: path,
    ...(sizeBytes && { sizeBytes }),
    ...(mode !== undefined && { mode: String(mode) }),
  }));
  return [...volumes, ...tmpfs];
}
