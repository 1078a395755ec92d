/** After somebody's `nft flush ruleset` the attachments of a network get their own rules back: masquerading, published ports. */
import { listCached } from '../../src/cni/cache.ts';
import { restoreRules } from '../../src/cni/plugins/restore.ts';
import { isNetns } from '../../src/host/netns.ts';
import { networkFailure } from './failures.ts';
import type { Host } from './host.ts';
import { markerOf } from './space-network.ts';

/** Of those whose namespace is there; for the others the next detach does all. One that cannot be helped is told of, and holds nobody up. */
export async function restoreAttachments(host: Host, network: string): Promise<void> {
  const instance = await host.instance();
  const { attachments } = listCached(host.results);
  for (const one of attachments) {
    if (one.network !== network || markerOf(one.config)?.instance !== instance || !isNetns(one.netns ?? '')) continue;
    try {
      await restoreRules(one, host.cniPath);
    } catch (error) {
      host.warn(networkFailure(error, `put back the rules of ${one.containerId} in ${network}`).summary);
    }
  }
}
