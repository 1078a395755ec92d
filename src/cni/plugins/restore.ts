/** Putting back the rules of attachments that somebody has flushed, by what the cache holds of their ADD. Interfaces are left alone. */
import { formatArgs } from '../attachment.ts';
import type { CachedAttachment } from '../cache.ts';
import { requestConfig } from '../request.ts';
import { callOf } from './call.ts';
import { NATIVE } from './native.ts';
import type { AttachmentCall } from './plugin.ts';
import { PluginError } from './plugin-error.ts';
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
  for (const [type, call] of nativeCalls('ADD', attachment, path)) {
    if (Object.hasOwn(AGAIN, type)) await AGAIN[type]?.(call);
  }
}

/** Whether all ports that it publishes still lead to it, as far as a plugin in this process has seen to that. */
export async function publishesAll(attachment: CachedAttachment, path: readonly string[]): Promise<boolean> {
  const { portMappings } = attachment.capabilityArgs;
  if (!Array.isArray(portMappings) || portMappings.length === 0) return true;
  try {
    for (const [type, call] of nativeCalls('CHECK', attachment, path)) {
      if (type === 'portmap') await (await loadPlugin(type))?.check(call);
    }
    return true;
  } catch (error) {
    if (error instanceof PluginError) return false;
    throw error;
  }
}

/** The calls of the plugins that served the ADD in this process, by type, with its result as prevResult. */
function nativeCalls(
  command: 'ADD' | 'CHECK',
  { config: network, invokers, result, capabilityArgs, containerId, ifName, netns, args }: CachedAttachment,
  path: readonly string[],
): [type: string, call: AttachmentCall][] {
  return network.plugins.flatMap((plugin): [string, AttachmentCall][] => {
    if (invokers[network.plugins.indexOf(plugin)] !== NATIVE || result === undefined) return [];
    const config = requestConfig(network, plugin, { capabilityArgs, prevResult: result });
    const request = { plugin: plugin.type, containerId, ifName, netns, path, config };
    const call = callOf({ command, ...request, args: formatArgs(command, args) }, silent);
    return 'netns' in call ? [[plugin.type, call]] : [];
  });
}
