/** A host on which kuke is set up and a cell has been: what a space's first cell brings, and the space keeps, is there already. */
import { type Containerd, startContainerd } from '../containerd.ts';
import { cell, loadImage } from '../kuke/cells.ts';
import { apply, kuke } from '../kuke/kuke.ts';

export async function warmHost(): Promise<Containerd> {
  const containerd = await startContainerd();
  await kuke('init');
  await loadImage();
  await apply(cell('warm'));
  await kuke('delete', 'cell', 'warm', '--cascade', '--force');
  return containerd;
}
