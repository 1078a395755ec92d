/** The steps that give a cell its network namespace and one address in each of its spaces, and that take them away. */
import {
  type Added,
  type Attachment,
  KukeError,
  type NetworkRef,
  nameOf,
  type PlanContext,
  type Ref,
  type Resource,
} from 'kuke/plugin';
import { type Cell, netnsPath, newAttachmentId } from './layout.ts';
import type { ObservedCell } from './observed.ts';
import { rootOf } from './schema.ts';

interface Wanted extends NetworkRef {
  interface: string;
}

/** The cell's own space first, then those that its containers join, in order. None on the host's network. */
export function wantedNetworks(context: Pick<PlanContext, 'ancestor' | 'tree'>, cell: Cell): Wanted[] {
  if (rootOf(cell.spec)?.hostNetwork === true) return [];
  const own = context.ancestor(cell.ref, 'Space');
  const joined = new Set(cell.spec.containers.flatMap(one => one.networks ?? []));
  joined.delete(nameOf(own.ref));
  const spaces = [own, ...[...joined].map(name => joinedSpace(context, cell.ref.path[0] ?? '', name))];
  return spaces.map((space, index) => {
    const network = (space.manifest.status as typeof own.manifest.status)?.network;
    if (network === undefined) {
      const remedy = `apply space ${space.ref.path.join('/')} again`;
      throw new KukeError('HostNotReady', `space ${space.ref.path.join('/')} has no network`, { remedy });
    }
    return { name: network.name, configPath: network.configPath, interface: `eth${index}` };
  });
}

function joinedSpace({ tree }: Pick<PlanContext, 'tree'>, realm: string, name: string): Resource {
  const found = tree.find({ kind: 'Space', path: [realm, name] });
  if (found !== undefined && nameOf(found.ref) === name) return found;
  throw new KukeError('NotFound', `there is no space ${realm}/${name} to join`, {
    step: 'networks',
    remedy: `make it first, \`kuke create space ${name} --realm ${realm}\`, or take it out of the manifest`,
  });
}

export interface PlannedNetwork {
  /** A process may start after these. */
  ready: Added<unknown>[];
  addresses: (string[] | Ref<Attachment['addresses']>)[];
}

/**
 * Keeps what is as it should be. `fresh`: nothing of the cell runs, so a netns that is left over is replaced
 * (its interfaces may be half-made); else only what is missing is attached to the one that its processes live in.
 */
export function planNetwork(context: PlanContext, cell: Cell, seen: ObservedCell, fresh: boolean): PlannedNetwork {
  const wanted = wantedNetworks(context, cell);
  if (wanted.length === 0) return { ready: planTeardown(context, cell, seen, []), addresses: [] };
  const netns = netnsPath(seen.hash);
  const kept = (one: Wanted) =>
    fresh
      ? undefined
      : seen.attachments.find(a => a.network === one.name && a.interface === one.interface && a.present);
  const stale = seen.attachments.filter(attachment => !wanted.some(one => kept(one) === attachment));
  const detached = stale.map(attachment => planDetach(context, cell, seen, attachment, []));
  const closed =
    fresh && seen.netnsExists ? context.plan.add(cell.ref, 'network.close', { path: netns }, detached) : undefined;
  const opened =
    fresh || !seen.netnsExists
      ? context.plan.add(cell.ref, 'network.open', { path: netns }, [closed, ...detached])
      : undefined;
  const ready: Added<unknown>[] = opened ? [opened] : [];
  let last: Added<unknown> | undefined = opened;
  const addresses = wanted.map(one => {
    const there = kept(one);
    if (there !== undefined) return there.addresses;
    // One after another: eth0 gets the default route.
    const attached: Added<Attachment> = context.plan.add(
      cell.ref,
      'network.attach',
      { ...one, attachmentId: newAttachmentId(seen.hash), netns },
      [last, ...detached],
    );
    last = attached;
    ready.push(attached);
    return attached.result<string[]>('addresses');
  });
  return { ready, addresses };
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
  { network, interface: name, attachmentId }: ObservedCell['attachments'][number],
  after: readonly (Added<unknown> | undefined)[],
): Added<unknown> {
  const params = { name: network, interface: name, attachmentId, netns: netnsPath(seen.hash) };
  return context.plan.add(cell.ref, 'network.detach', params, after);
}
