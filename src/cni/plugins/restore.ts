/** Putting back the rules of attachments that somebody has flushed, by what the cache holds of their ADD. Interfaces are left alone. */
import { formatArgs } from '../attachment.ts';
import type { CachedAttachment } from '../cache.ts';
import { requestConfig } from '../request.ts';
import { callOf } from './call.ts';
import { NATIVE } from './native.ts';
import type { AttachmentCall } from './plugin.ts';
import { loadPlugin } from './registry.ts';
import { silent } from './trace.ts';

/** By type: how its rules are made anew. The others make none. */
const AGAIN: Readonly<Record<string, (call: AttachmentCall) => Promise<unknown>>> = {
  bridge: async call => (await import('./bridge/rules.ts')).putBackRules(call),
  portmap: async call => await (await loadPlugin('portmap'))?.add(call),
  firewall: async call => await (await loadPlugin('firewall'))?.add(call),
};

/** For the plugins that were called in process. Throws PluginError, also where the namespace of the attachment is gone. */
export async function restoreRules(attachment: CachedAttachment, path: readonly string[]): Promise<void> {
  const { config: network, invokers, result, capabilityArgs, containerId, ifName, netns, args } = attachment;
  for (const [index, plugin] of network.plugins.entries()) {
    const again = Object.hasOwn(AGAIN, plugin.type) ? AGAIN[plugin.type] : undefined;
    if (again === undefined || invokers[index] !== NATIVE || result === undefined) continue;
    const config = requestConfig(network, plugin, { capabilityArgs, prevResult: result });
    const request = { plugin: plugin.type, containerId, ifName, netns, path, config };
    const call = callOf({ command: 'ADD', ...request, args: formatArgs('ADD', args) }, silent);
    if ('netns' in call) await again(call);
  }
}
