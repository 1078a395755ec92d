/** Deriving what a plugin is given on its standard input (specification 1.1.0, section 3) from the network's configuration. */
import type { AttachmentId } from './attachment.ts';
import type { NetworkConfig, PluginConfig } from './config.ts';
import type { JsonObject } from './json.ts';
import { formatResult, type Result } from './result.ts';

export interface RequestParts {
  prevResult?: Result | undefined;
  /** What the runtime offers; the plugin gets what it declares in `capabilities`. */
  capabilityArgs?: JsonObject | undefined;
  /** For GC: the attachments that are to stay. */
  validAttachments?: readonly Omit<AttachmentId, 'network'>[] | undefined;
}

/** The configuration for one call of one plugin. Keys of the plugin's own pass through unaltered. */
export function requestConfig(network: NetworkConfig, plugin: PluginConfig, parts: RequestParts = {}): JsonObject {
  const { prevResult, capabilityArgs = {}, validAttachments } = parts;
  const own = Object.entries(plugin.json).filter(([key]) => key !== 'capabilities' && !key.startsWith('cni.dev/'));
  const granted = plugin.capabilities.filter(name => Object.hasOwn(capabilityArgs, name));
  const runtimeConfig = Object.fromEntries(granted.map(name => [name, capabilityArgs[name]]));
  const valid = validAttachments?.map(({ containerId, ifName }) => ({ containerID: containerId, ifname: ifName }));
  return {
    ...Object.fromEntries(own),
    cniVersion: network.cniVersion,
    name: network.name,
    ...(granted.length > 0 && { runtimeConfig }),
    ...(prevResult && { prevResult: formatResult(prevResult, network.cniVersion) }),
    // The second name was the specification's for a while; libcni sends both.
    ...(valid && { 'cni.dev/valid-attachments': valid, 'cni.dev/attachments': valid }),
  };
}
