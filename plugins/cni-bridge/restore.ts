/** After somebody's `nft flush ruleset` the attachments of a network get their own rules back: masquerading, published ports. */
import { restoreRules } from '../../src/cni/plugins/restore.ts';
import { executedPorts, isExecutedPortmap, liveAttachments } from './enforced.ts';
import { networkFailure } from './failures.ts';
import type { Host } from './host.ts';

/** Of those whose namespace is there; for the others the next detach does all. One that cannot be helped is told of, and holds nobody up. */
export async function restoreAttachments(host: Host, network: string): Promise<void> {
  const instance = await host.instance();
  for (const one of liveAttachments(host, instance)) {
    if (one.network !== network) continue;
    try {
      await restoreRules(one, host.cniPath);
      if (!(await executedPorts()(one))) await host.cni.renew(one, isExecutedPortmap);
    } catch (error) {
      host.warn(networkFailure(error, `put back the rules of ${one.containerId} in ${network}`).summary);
    }
  }
}
