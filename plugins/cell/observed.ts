/** What the host says of one cell: its containers, attachments and network namespace. */
import {
  type ContainerObservation,
  describe,
  type NetworkObservation,
  type ObserveContext,
  observeAttachments,
  type PluginKernel,
  type PortMapping,
} from 'kuke/plugin';
import { attachmentPrefix, type Cell, cellHash, containerdId, isAttachmentOf, netnsPath } from './layout.ts';
import { allContainers, type ContainerSpec, type ContainerStatus, rootOf } from './schema.ts';

export const LABELS = {
  /** `main/default/blog/web`; containers of a cell are found by it, also those that its manifest no longer has. */
  cell: 'kukeon.io/cell',
  container: 'kukeon.io/container',
  /** Hash of what the manifest says of the container: another one takes a new container. */
  config: 'kukeon.io/config',
} as const;

/** It has processes. */
export function runs(container: ContainerObservation | undefined): boolean {
  return container?.state === 'running' || container?.state === 'paused';
}

/** As the status has it. */
export const shownState = (container: ContainerObservation | undefined): ContainerStatus['state'] =>
  container === undefined ? 'Pending' : STATES[container.state];

const STATES = {
  created: 'Created',
  running: 'Running',
  paused: 'Paused',
  stopped: 'Exited',
  unknown: 'Unknown',
} as const;

/** It ran, and nobody knows how it ended: it did when the host went down, or its shim. */
export function isLost({ state, exitCode }: ContainerObservation): boolean {
  return state === 'stopped' && exitCode === undefined;
}

export const storedStatus = ({ manifest }: Cell, { id }: ContainerSpec): ContainerStatus | undefined =>
  [...(manifest.status?.containers ?? []), ...(manifest.status?.initContainers ?? [])].find(one => one.id === id);

/** A reboot takes away how it ended, and not what was seen of that before. */
function recalled(cell: Cell, there: ContainerObservation): ContainerObservation {
  const said = isLost(there) && allContainers(cell.spec).find(one => containerdId(cell, one) === there.id);
  const { exitCode, at, startedAt } = (said && storedStatus(cell, said)?.lastTermination) || {};
  // Which of its lives that was is told by the start: the clock may have been moved since.
  if (exitCode === undefined || startedAt !== there.startedAt) return there;
  return { ...there, exitCode, ...(at && { finishedAt: at }) };
}

export interface ObservedCell {
  namespace: string;
  /** By which its netns, attachments and shim are known. */
  hash: string;
  /** All that carry the cell's label. */
  containers: ContainerObservation[];
  of(container: ContainerSpec): ContainerObservation | undefined;
  root: ContainerObservation | undefined;
  attachments: NetworkObservation['attachments'];
  netnsExists: boolean;
  /** Ports of the host that lead elsewhere, with whose they are: `cell main/default/blog/web`. */
  published: { port: PortMapping; by: string }[];
}

/** eth0 first: the address in its own space is the cell's. */
const indexOf = ({ interface: name }: { interface: string }) => Number(name.replace(/^eth/, ''));

/** What the runtime says of it, and nothing of its network, which takes longer to look at. */
export async function observeContainers(
  kernel: PluginKernel,
  context: ObserveContext,
  cell: Cell,
): Promise<Pick<ObservedCell, 'namespace' | 'hash' | 'containers' | 'of' | 'root'>> {
  const place = cell.ref.path.join('/');
  const { namespace } = context.ancestor(cell.ref, 'Realm').spec;
  const hash = cellHash(await kernel.instance(), cell.ref);
  const asked = { namespace, ...(context.only && { labels: { [LABELS.cell]: place } }) };
  const byCell = await context.once(`runtime:${namespace}`, async () =>
    Map.groupBy(await (await kernel.use('runtime')).observe(asked), ({ labels }) => labels[LABELS.cell]),
  );
  const containers = (byCell.get(place) ?? []).map(one => recalled(cell, one));
  const of = (container: ContainerSpec) => containers.find(one => one.id === containerdId(cell, container));
  const root = rootOf(cell.spec);
  return { namespace, hash, containers, of, root: root && of(root) };
}

export async function observeCell(kernel: PluginKernel, context: ObserveContext, cell: Cell): Promise<ObservedCell> {
  const hash = cellHash(await kernel.instance(), cell.ref);
  const [seen, net] = await Promise.all([
    observeContainers(kernel, context, cell),
    observeAttachments(kernel.use, context, attachmentPrefix(hash)),
  ]);
  return {
    ...seen,
    attachments: net.attachments
      .filter(one => isAttachmentOf(hash, one.attachmentId))
      .sort((a, b) => indexOf(a) - indexOf(b)),
    netnsExists: net.namespaces.includes(netnsPath(hash)),
    published: publishedBy(
      context,
      net.attachments.filter(one => !isAttachmentOf(hash, one.attachmentId)),
      await kernel.instance(),
    ),
  };
}

function publishedBy(
  { tree }: ObserveContext,
  attachments: NetworkObservation['attachments'],
  instance: string,
): ObservedCell['published'] {
  return attachments.flatMap(({ attachmentId, ports = [] }) => {
    if (ports.length === 0) return [];
    const owner = tree.all('Cell').find(({ ref }) => isAttachmentOf(cellHash(instance, ref), attachmentId));
    return ports.map(port => ({ port, by: owner === undefined ? `attachment ${attachmentId}` : describe(owner.ref) }));
  });
}
