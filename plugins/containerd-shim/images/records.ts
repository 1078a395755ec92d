/** containerd's image records: names for manifests and indexes. */
import { KukeError, shellCommand } from 'kuke/plugin';
import { type Client, type Image, isGrpcError } from '../client/index.ts';
import { asContainerdError, ifFound } from '../errors.ts';
import { INSTANCE, isOurs } from '../labels.ts';
import type { Target } from './documents.ts';

export interface NamedTarget {
  name: string;
  target: Target;
}

export interface Owner {
  namespace: string;
  instance: string;
}

/** All of them, or none: what was made or moved before one failed is put back. Conflict for a name that is somebody else's. */
export async function nameTargets(client: Client, owner: Owner, wanted: NamedTarget[]): Promise<void> {
  const undo: (() => Promise<unknown>)[] = [];
  try {
    for (const named of wanted) {
      const undone = await nameTarget(client, owner, named);
      if (undone !== undefined) undo.unshift(undone);
    }
  } catch (error) {
    const also: KukeError[] = [];
    for (const step of undo) {
      await step().catch((failure: unknown) => also.push(asContainerdError(failure, { step: 'take back a name' })));
    }
    throw asContainerdError(error, { step: 'name the image' }).with(also);
  }
}

/** How to undo it; undefined where the name stood for the target already. */
async function nameTarget(client: Client, owner: Owner, { name, target }: NamedTarget) {
  const image = { name, target, labels: { [INSTANCE]: owner.instance } };
  try {
    await client.images.create({ image });
    return () => client.images.delete({ name });
  } catch (error) {
    if (!isGrpcError(error, 'ALREADY_EXISTS')) throw error;
  }
  const before = await client.images.get({ name });
  if (before.target?.digest === target.digest) return undefined;
  requireOurs(before, owner);
  const paths = ['target'];
  await client.images.update({ image, updateMask: { paths } });
  return () => client.images.update({ image: before, updateMask: { paths } });
}

/** Throws Conflict where `nameTargets` would, for the name is somebody else's. */
export async function requireFree(client: Client, owner: Owner, { name, target }: NamedTarget): Promise<void> {
  const there = await ifFound(client.images.get({ name }));
  if (there !== undefined && there.target?.digest !== target.digest) requireOurs(there, owner);
}

/** Throws Conflict: kuke changes and removes only what is its own. */
export function requireOurs(image: Image, { namespace, instance }: Owner): void {
  if (isOurs(image, instance)) return;
  const command = shellCommand('ctr', '-n', namespace, 'images', 'rm', image.name);
  const remedy = `to be rid of it: \`${command}\``;
  throw new KukeError('Conflict', `image ${image.name} is there, and was not made by this kuke`, { remedy });
}

/** Refuses a namespace that is not there: containerd would make it, without the label that says whose it is. */
export async function requireNamespace(client: Client, namespace: string): Promise<void> {
  // Asked for one that is not there, it answers as if there were one without labels (1.6).
  if ((await client.namespaces.list({})).some(({ name }) => name === namespace)) return;
  throw new KukeError('NotFound', `containerd has no namespace ${namespace}`);
}
