/** What of the rules of our spaces is not in force, for `kuke get` and `kuke doctor` alike. Reads only. */
import { othersTurn } from 'kuke/plugin';
import { type CachedAttachment, listCached } from '../../src/cni/cache.ts';
import { EXEC } from '../../src/cni/chain.ts';
import { isObject } from '../../src/cni/json.ts';
import { publishesAll } from '../../src/cni/plugins/restore.ts';
import type { IsMeant } from '../../src/cni/runtime.ts';
import { isNetns } from '../../src/host/netns.ts';
import { markedBridges, readUngrouped } from './bridge.ts';
import { type Enforcement, readEnforcement } from './firewall.ts';
import type { Host } from './host.ts';
import { isIpv6 } from './ip-range.ts';
import { memberOf } from './isolation.ts';
import { readPublished } from './reference-rules.ts';
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
  await othersTurn();
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
  const leads = executedPorts();
  for (const one of liveAttachments(host, instance)) {
    await othersTurn();
    const isLacking = async () => !(await publishesAll(one, host.cniPath)) || !(await leads(one));
    if (!lacking.has(one.network) && (await isLacking())) lacking.add(one.network);
  }
  return lacking;
}

/** What this installation has attached and whose namespace is there, as the cache has it. */
export function liveAttachments({ results }: Pick<Host, 'results'>, instance: string): CachedAttachment[] {
  const { attachments } = listCached(results);
  return attachments.filter(({ config, netns }) => markerOf(config)?.instance === instance && isNetns(netns ?? ''));
}

/** Whose published ports an executed `portmap` has seen to. */
export const isExecutedPortmap: IsMeant = (type, invoker) => type === 'portmap' && invoker === EXEC;

/** Reads, once and only if somebody needs it, what executed plugins have in place; the answer says whether an attachment's ports lead to it. */
export function executedPorts(): (attachment: CachedAttachment) => Promise<boolean> {
  let reading: ReturnType<typeof readPublished> | undefined;
  return async attachment => {
    const { network, containerId, config, invokers, result, capabilityArgs } = attachment;
    const isMeant = config.plugins.some(({ type }, index) => isExecutedPortmap(type, invokers[index] ?? EXEC));
    if (!isMeant || result === undefined) return true;
    const { portMappings } = capabilityArgs;
    if (!Array.isArray(portMappings) || portMappings.length === 0) return true;
    const hosts = portMappings.map(one => (isObject(one) && typeof one.hostIP === 'string' ? one.hostIP : undefined));
    const count = (v6: boolean) =>
      result.ips.some(({ address }) => isIpv6(address) === v6)
        ? hosts.filter(host => host === undefined || isIpv6(host) === v6).length
        : 0;
    reading ??= readPublished();
    return (await reading)({ network, containerId, ports: { ip: count(false), ip6: count(true) } });
  };
}
