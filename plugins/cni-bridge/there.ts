/** What an action would make and is there already: undoing it must leave that alone. */
import { type NetworkActions, type NetworkDefinition, thereWith } from 'kuke/plugin';
import { readCached, sameAttachment } from '../../src/cni/cache.ts';
import { isNetns } from '../../src/host/netns.ts';
import { attachmentId } from './attachment.ts';
import { markedBridges } from './bridge.ts';
import { allNetworks, type Host } from './host.ts';
import { conflistPath } from './space-network.ts';

export const networkThere = (host: Host) =>
  thereWith<NetworkActions>({
    define: definition => isDefined(host, definition),
    open: ({ path }) => isNetns(path),
    async attach(request) {
      const id = attachmentId(request);
      const cached = readCached(host.results, id);
      return cached?.result !== undefined && sameAttachment(cached, id);
    },
  });

/** Its file, or a bridge that its cells may be on. */
async function isDefined(host: Host, definition: NetworkDefinition): Promise<boolean> {
  const instance = await host.instance();
  if (markedBridges(instance, definition.name).length > 0) return true;
  const { spaces } = await allNetworks(host, definition.configPath);
  return spaces.some(network => network.path === conflistPath(definition) && network.instance === instance);
}
