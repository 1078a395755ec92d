/** What of the host is a cell's. */
import { asKukeError, type Claims, type ObserveContext, type PluginKernel } from 'kuke/plugin';
import { attachmentPrefix, type Cell, cellHash, containerdId, etcFile, netnsPath } from './layout.ts';
import { observeCell } from './observed.ts';

/** Then nothing that it has is looked for either. */
function unlessAway(thrown: unknown): undefined {
  if (asKukeError(thrown).code !== 'RuntimeUnavailable') throw thrown;
}

/** Also containers that its manifest no longer has: whoever applies it removes them. */
export async function cellClaims(kernel: PluginKernel, context: ObserveContext, cell: Cell): Promise<Partial<Claims>> {
  const hash = cellHash(await kernel.instance(), cell.ref);
  const { namespace } = context.ancestor(cell.ref, 'Realm').spec;
  const seen = await observeCell(kernel, context, cell).catch(unlessAway);
  const ids = [
    ...cell.spec.containers.map(one => containerdId(cell, one)),
    ...(seen?.containers ?? []).map(({ id }) => id),
  ];
  return {
    containers: [...new Set(ids)].map(id => `${namespace}/${id}`),
    netns: [netnsPath(hash)],
    attachments: [attachmentPrefix(hash)],
    files: [etcFile(cell.ref)],
  };
}
