/** What of the host is a cell's. */
import type { Claims, ObserveContext, PluginKernel } from 'kuke/plugin';
import { attachmentPrefix, type Cell, containerdId, etcFile, netnsPath } from './layout.ts';
import { observeCell } from './observed.ts';
import { allContainers } from './schema.ts';

/** Also containers that its manifest no longer has: whoever applies it removes them. */
export async function cellClaims(kernel: PluginKernel, context: ObserveContext, cell: Cell): Promise<Partial<Claims>> {
  const { namespace, hash, containers } = await observeCell(kernel, context, cell);
  const ids = [...allContainers(cell.spec).map(one => containerdId(cell, one)), ...containers.map(({ id }) => id)];
  return {
    containers: [...new Set(ids)].map(id => `${namespace}/${id}`),
    netns: [netnsPath(hash)],
    attachments: [attachmentPrefix(hash)],
    files: [etcFile(cell.ref)],
  };
}
