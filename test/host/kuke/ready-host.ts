/** A host on which kuke is set up: containerd runs, `kuke init` is done, and the image of the tests is loaded. */
import { type Containerd, startContainerd } from '../containerd.ts';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';
import { loadImage } from './cells.ts';
import { kuke } from './kuke.ts';

export interface ReadyHost {
  containerd: Containerd;
  /** What is there without any cell. */
  before: Inventory;
}

export async function readyHost(): Promise<ReadyHost> {
  const containerd = await startContainerd();
  await kuke('init');
  await loadImage();
  return { containerd, before: await inventory() };
}

/** What is there and was not, or the reverse; of what stands in a root file system, the mount tells. */
export async function leaks(before: Inventory): Promise<string[]> {
  return difference(before, await inventory(), [...kept, /\/rootfs\/./]);
}

/** After a test, whatever became of it. */
export async function removeCells(): Promise<void> {
  const cells = (await kuke('get', 'cells', '-o', 'name')).split('\n').filter(Boolean);
  if (cells.length > 0) await kuke('delete', ...cells, '--cascade', '--force');
}

/** What stays of cells that are gone: what kukeond has seen of them, what containerd keeps of a namespace, and what the first cell of a space brings and the space keeps. */
export const kept = [
  /^file \/opt\/kukeon\/\.kuke\/events\.jsonl$/,
  /^file \/run\/containerd\/(?:runc|io\.containerd\.runtime\.v2\.task)\/kukeon-[^/]+\/$/,
  /^(?:mount|file) \/run\/netns(?: tmpfs)?$/,
  /^file \/var\/lib\/cni\/(?:networks|results)\/$/,
  /^file \/var\/lib\/cni\/networks\/[^/]+\/(?:lock|last_reserved_ip\.\d)?$/,
  /^(?:link|address|route) .*kuke-/,
];
