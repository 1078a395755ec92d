/** What of the rules of our spaces is not in force, for `kuke get` and `kuke doctor` alike. Reads only. */
import { type CachedAttachment, listCached } from '../../src/cni/cache.ts';
import { publishesAll } from '../../src/cni/plugins/restore.ts';
import { isNetns } from '../../src/host/netns.ts';
import { markedBridges, readUngrouped } from './bridge.ts';
import { type Enforcement, readEnforcement } from './firewall.ts';
import type { Host } from './host.ts';
import { memberOf } from './isolation.ts';
import { markerOf } from './space-network.ts';

type Network = Parameters<typeof memberOf>[0];

export interface InForce extends Pick<Enforcement, 'obstacles' | 'surplus'> {
  /** Whether a network is kept apart from all others, and reaches what it may reach. */
  isolates(network: Network): boolean;
  /** Whether the ports that are published by attachments to a network lead to them. */
  publishes(network: string): boolean;
}

export async function readInForce(host: Host, instance: string): Promise<InForce> {
  const { covers, knows, obstacles, surplus } = await readEnforcement(instance);
  const ungrouped = readUngrouped();
  // Nobody is kept apart from a bridge that the rules do not know, whatever has become of its conflist.
  const knowsAll = markedBridges(instance).every(({ name }) => knows(name));
  const lacking = await networksLackingPorts(host, instance);
  return {
    obstacles,
    surplus,
    isolates: network => knowsAll && covers(memberOf(network)) && !ungrouped.has(network.bridge),
    publishes: network => !lacking.has(network),
  };
}

/** The networks of which an attachment publishes a port that does not lead to it any more. */
async function networksLackingPorts(host: Host, instance: string): Promise<Set<string>> {
  const lacking = new Set<string>();
  for (const one of liveAttachments(host, instance)) {
    if (!lacking.has(one.network) && !(await publishesAll(one, host.cniPath))) lacking.add(one.network);
  }
  return lacking;
}

/** What this installation has attached and whose namespace is there, as the cache has it. */
export function liveAttachments({ results }: Pick<Host, 'results'>, instance: string): CachedAttachment[] {
  const { attachments } = listCached(results);
  return attachments.filter(({ config, netns }) => markerOf(config)?.instance === instance && isNetns(netns ?? ''));
}
