/** What a cell's things are called on the host (spec.md §2): containers, netns, attachments, files. */
import { cgroupPath, instanceTag, nameOf, type Resource, type ResourceRef } from 'kuke/plugin';
import { type CellSpec, type CellStatus, type ContainerSpec, rootOf } from './schema.ts';

export type Cell = Resource<CellSpec, CellStatus>;

const CONTAINERD_ID_MAX = 76;

const hex = (text: string, length: number): string =>
  new Bun.CryptoHasher('sha256').update(text).digest('hex').slice(0, length);

/** Stable for a cell's place, and of no other installation's; of two cells in 2 ** 32 the same, of which one is refused. */
export function cellHash(instance: string, ref: ResourceRef): string {
  return `${instanceTag(instance)}${hex(ref.path.join('/').toLowerCase(), 8)}`;
}

export function netnsPath(hash: string): string {
  return `/run/netns/kuke-${hash}`;
}

/** New for every attachment: with a stable one, ADD after a lost netns fails (spec.md §4). */
export function newAttachmentId(hash: string): string {
  return `${attachmentPrefix(hash)}${crypto.randomUUID().slice(0, 8)}`;
}

/** What the ids of its attachments begin with. */
export const attachmentPrefix = (hash: string): string => `${hash}-`;

export function isAttachmentOf(hash: string, attachmentId: string): boolean {
  return attachmentId.startsWith(attachmentPrefix(hash));
}

/** All containers of a cell share a shim. */
export function shimGroup(hash: string): string {
  return `kuke-${hash}`;
}

/** `default_blog_web_sidecar`, `default_blog_web_root`; too long a one becomes a hash and the end. */
export function containerdId(cell: Cell, container: ContainerSpec): string {
  const [, space, stack, name] = cell.ref.path;
  const whole = [space, stack, name, isRoot(cell, container) ? 'root' : container.id].join('_');
  if (whole.length <= CONTAINERD_ID_MAX) return whole;
  const end = whole.slice(-(CONTAINERD_ID_MAX - 13)).replace(/^[-_]+/, '');
  return `${hex(whole, 12)}_${end}`;
}

export function isRoot(cell: Cell, container: ContainerSpec): boolean {
  return rootOf(cell.spec)?.id === container.id;
}

/** Of the container's cgroup, in that of the cell: `web_root` for the root. */
export function leafName(cell: Cell, container: ContainerSpec): string {
  return isRoot(cell, container) ? rootLeaf(cell) : container.id;
}

const rootLeaf = ({ ref }: Cell): string => `${nameOf(ref)}_root`;

/** Of one that is there by that id and name, which the manifest may not have any more: no container is called `root` (spec.md §1, §2). */
export function leafThere(cell: Cell, id: string, name: string | undefined): string | undefined {
  return id.endsWith('_root') ? rootLeaf(cell) : name;
}

/** The leaf, relative to the cgroup2 mount: `/kukeon/main/default/blog/web/web_root`. */
export function containerCgroup(cell: Cell, container: ContainerSpec): string {
  return `${cgroupPath(cell.ref)}/${leafName(cell, container)}`;
}

export function logPath(cell: Cell, container: ContainerSpec): string {
  return ['/var/log/kukeon', ...cell.ref.path, `${container.id}.log`].join('/');
}

/** Below `<run path>/.kuke`; without a name, the folder. */
export function etcFile(ref: ResourceRef, name?: 'hostname' | 'hosts' | 'resolv.conf'): string {
  return ['etc', ...ref.path, ...(name === undefined ? [] : [name])].join('/');
}
