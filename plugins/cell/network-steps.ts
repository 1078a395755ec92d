/** The steps that give a cell its network namespace and one address in each of its spaces, and that take them away. */
import {
  type Added,
  type Attachment,
  collides,
  describe,
  formatPortMapping,
  KukeError,
  type NetworkRef,
  type ObserveContext,
  observeNetwork,
  type PlanContext,
  type PluginKernel,
  type PortMapping,
  portMapping,
  type Ref,
  type Resource,
  type ResourceOf,
  type ResourceRef,
} from 'kuke/plugin';
import { planEtcFiles } from './etc-files.ts';
import { type Cell, netnsPath, newAttachmentId } from './layout.ts';
import { type ObservedCell, observeCell } from './observed.ts';
import { rootOf } from './schema.ts';

interface Wanted extends NetworkRef {
  interface: string;
  /** Of the cell's own space alone. */
  ports: PortMapping[];
}

/** What all containers of a cell publish, in the order in which its manifest names them. */
export function publishedPorts(cell: Cell): PortMapping[] {
  return cell.spec.containers.flatMap(one => (one.ports ?? []).flatMap(text => portMapping(text) ?? []));
}

/** The cell's own space first, then those that its containers join, in order: eth0, eth1, ... None on the host's network. */
function spacesOf(cell: Cell): ResourceRef[] {
  if (rootOf(cell.spec)?.hostNetwork === true) return [];
  const [realm = '', own = ''] = cell.ref.path;
  const names = new Set([own, ...cell.spec.containers.flatMap(one => one.networks ?? [])]);
  return [...names].map(name => ({ kind: 'Space', path: [realm, name] }));
}

export function joinedSpaces(cell: Cell): ResourceRef[] {
  return spacesOf(cell).slice(1);
}

function networkOf(space: Resource | undefined): NetworkRef | undefined {
  return (space as ResourceOf<'Space'> | undefined)?.manifest.status?.network;
}

function wantedNetworks({ tree }: Pick<PlanContext, 'tree'>, cell: Cell): Wanted[] {
  return spacesOf(cell).map((ref, index) => {
    const network = networkOf(tree.get(ref));
    if (network === undefined) {
      const remedy = `apply ${describe(ref)} again`;
      throw new KukeError('HostNotReady', `${describe(ref)} has no network`, { remedy });
    }
    const ports = index === 0 ? publishedPorts(cell) : [];
    return { name: network.name, configPath: network.configPath, interface: `eth${index}`, ports };
  });
}

type Attached = ObservedCell['attachments'][number];

const isAttached =
  (name: string | undefined, interfaceName: string) =>
  (there: Attached): boolean =>
    there.network === name && there.interface === interfaceName && there.present;

const textOf = (ports: readonly PortMapping[] = []): string => ports.map(formatPortMapping).join(' ');

/** What a cell that runs should have and has not: `eth1 in space main/other`. */
export function missingNetworks({ tree }: Pick<ObserveContext, 'tree'>, cell: Cell, seen: ObservedCell): string[] {
  return spacesOf(cell).flatMap((ref, index) => {
    const isThere = seen.attachments.some(isAttached(networkOf(tree.find(ref))?.name, `eth${index}`));
    return isThere ? [] : [`eth${index} in ${describe(ref)}`];
  });
}

/** The spaces of the cell whose rules are not all in the kernel, so that nothing keeps it apart there. */
export async function openSpaces(kernel: PluginKernel, context: ObserveContext, cell: Cell): Promise<string[]> {
  const open: string[] = [];
  for (const ref of spacesOf(cell)) {
    const space = context.tree.find(ref) as ResourceOf<'Space'> | undefined;
    if (space === undefined) continue;
    const network = await observeNetwork(kernel.use, context, space.spec.cniConfigPath, ref.path);
    if (network !== undefined && !network.enforced) open.push(describe(ref));
  }
  return open;
}

/** Throws Conflict where the network of one of its spaces is not to be relied on: nothing starts there, or says that all is well. */
export async function refuseDamagedNetworks(kernel: PluginKernel, context: ObserveContext, cell: Cell): Promise<void> {
  for (const ref of spacesOf(cell)) {
    const space = context.tree.find(ref) as ResourceOf<'Space'> | undefined;
    const network = space && (await observeNetwork(kernel.use, context, space.spec.cniConfigPath, ref.path));
    if (network?.damaged === undefined) continue;
    throw new KukeError('Conflict', `the network of ${describe(ref)} cannot be used: ${network.damaged}`, {
      remedy: 'mend that file; or remove it, then the next command writes it anew',
    });
  }
}

export interface PlannedNetwork {
  /** A container may be made ready in the namespace after it; absent: that is there. */
  opened?: Added<unknown>;
  /** A process may start after these. */
  ready: Added<unknown>[];
  addresses: (string[] | Ref<Attachment['addresses']>)[];
}

/**
 * Keeps what is as it should be. `fresh`: nothing of the cell runs, so a netns that is left over is replaced
 * (its interfaces may be half-made); else only what is missing is attached to the one that its processes live in. What is there goes `after`.
 */
export function planNetwork(
  context: PlanContext,
  cell: Cell,
  seen: ObservedCell,
  fresh: boolean,
  after: readonly (Added<unknown> | undefined)[] = [],
): PlannedNetwork {
  const wanted = wantedNetworks(context, cell);
  if (wanted.length === 0) return { ready: planTeardown(context, cell, seen, [...after]), addresses: [] };
  const netns = netnsPath(seen.hash);
  const attached = (one: Wanted) => seen.attachments.find(isAttached(one.name, one.interface));
  const addressesBefore = (one: Wanted) =>
    seen.attachments.find(there => there.network === one.name && there.interface === one.interface)?.addresses;
  // Other ports take a new attachment, which keeps the addresses; so does one whose link somebody has taken away.
  const kept = (one: Wanted) => {
    const there = fresh ? undefined : attached(one);
    return textOf(there?.ports) === textOf(one.ports) ? there : undefined;
  };
  const stale = seen.attachments.filter(attachment => !wanted.some(one => kept(one) === attachment));
  const detached = stale.map(attachment => planDetach(context, cell, seen, attachment, [...after]));
  const closed =
    fresh && seen.netnsExists
      ? context.plan.add(cell.ref, 'network.close', { path: netns }, [...after, ...detached])
      : undefined;
  const opened =
    fresh || !seen.netnsExists
      ? context.plan.add(cell.ref, 'network.open', { path: netns }, [closed, ...after, ...detached])
      : undefined;
  const ready: Added<unknown>[] = opened ? [opened] : [];
  let last: Added<unknown> | undefined = opened;
  const addresses = wanted.map(one => {
    const there = kept(one);
    if (there !== undefined) return there.addresses;
    // One after another: eth0 gets the default route.
    const { ports, ...place } = one;
    refuseTaken(ports, seen);
    const before = fresh ? undefined : addressesBefore(one);
    const params = {
      ...place,
      attachmentId: newAttachmentId(seen.hash),
      netns,
      ...(ports.length > 0 && { ports }),
      ...(before && before.length > 0 && { addresses: before }),
    };
    const made: Added<Attachment> = context.plan.add(cell.ref, 'network.attach', params, [last, ...detached]);
    last = made;
    ready.push(made);
    return made.result<string[]>('addresses');
  });
  return { ...(opened && { opened }), ready, addresses };
}

/** The cell runs, and its namespace is there: what it has lost of its networks comes back, with the addresses that it had. */
export async function planMend(kernel: PluginKernel, context: PlanContext, cell: Cell): Promise<void> {
  const seen = await observeCell(kernel, context, cell);
  if (seen.root?.state !== 'running' || !seen.netnsExists || cell.spec.desiredState === 'stopped') return;
  if (missingNetworks(context, cell, seen).length === 0) return;
  await refuseDamagedNetworks(kernel, context, cell);
  const network = planNetwork(context, cell, seen, false);
  await planEtcFiles(kernel, context, cell, network.addresses);
}

function refuseTaken(ports: PortMapping[], { published }: ObservedCell): void {
  for (const port of ports) {
    const taken = published.find(one => collides(one.port, port));
    if (taken === undefined) continue;
    throw new KukeError('Conflict', `port ${formatPortMapping(port)} of the host is published by ${taken.by}`, {
      remedy: 'publish another port of the host, or take it out of that manifest',
    });
  }
}

/** Detaches and closes, after `after`. Nothing there: no step. */
export function planTeardown(
  context: PlanContext,
  cell: Cell,
  seen: ObservedCell,
  after: readonly (Added<unknown> | undefined)[],
): Added<unknown>[] {
  const detached = seen.attachments.map(attachment => planDetach(context, cell, seen, attachment, after));
  if (!seen.netnsExists) return detached;
  return [context.plan.add(cell.ref, 'network.close', { path: netnsPath(seen.hash) }, [...after, ...detached])];
}

function planDetach(
  context: PlanContext,
  cell: Cell,
  seen: ObservedCell,
  { network, interface: name, attachmentId }: Attached,
  after: readonly (Added<unknown> | undefined)[],
): Added<unknown> {
  const params = { name: network, interface: name, attachmentId, netns: netnsPath(seen.hash) };
  return context.plan.add(cell.ref, 'network.detach', params, after);
}
