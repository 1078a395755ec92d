/** The labels by which containerd's garbage collector finds what an image needs (containerd's content garbage collection, labels). */
import type { Client } from '../client/index.ts';
import { labelContent } from './content.ts';
import type { ResolvedImage } from './resolve.ts';

const childLabel = 'containerd.io/gc.ref.content.m.';

/** From the target down to this machine's manifest, and from there to config and layers; the rest of an index is not kept. */
export async function keepReferences(client: Client, { path, manifest }: ResolvedImage): Promise<void> {
  for (const [index, child] of path.slice(1).entries()) await keepChild(client, path[index] ?? '', child);
  const labels: Record<string, string> = { 'containerd.io/gc.ref.content.config': manifest.config.digest };
  for (const [index, { digest }] of manifest.layers.entries())
    labels[`containerd.io/gc.ref.content.l.${index}`] = digest;
  await labelContent(client, path.at(-1) ?? '', labels);
}

/** Beside what the index keeps already: other clients may have brought it for more machines. */
async function keepChild(client: Client, index: string, child: string): Promise<void> {
  const { labels } = await client.content.info({ digest: index });
  const kept = Object.keys(labels).filter(key => key.startsWith(childLabel));
  if (kept.some(key => labels[key] === child)) return;
  let free = 0;
  while (kept.includes(`${childLabel}${free}`)) free += 1;
  await labelContent(client, index, { [`${childLabel}${free}`]: child });
}
