/** Delegating to the plugin that a configuration names under `ipam` (specification 1.1.0, section 4): built-in, or executed. */
import { PLUGIN_TYPE } from '../attachment.ts';
import { isObject } from '../json.ts';
import type { CniPlugin, PluginCall } from './plugin.ts';
import { PluginError } from './plugin-error.ts';
import { isBuiltIn, loadPlugin } from './registry.ts';

/** Of the built-in plugins, those that give addresses: any other would delegate to itself. */
const GIVE_ADDRESSES: readonly string[] = ['host-local', 'static'];

/** Each verb throws PluginError; the configuration's `ipam.type` has to be there. An ADD that fails leaves nothing. */
export const ipam: CniPlugin = {
  add: async call => await (await pluginOf(call)).add(call),
  del: async call => await (await pluginOf(call)).del(call),
  check: async call => await (await pluginOf(call)).check(call),
  gc: async call => await (await pluginOf(call)).gc(call),
  status: async call => await (await pluginOf(call)).status(call),
};

async function pluginOf({ config }: PluginCall): Promise<CniPlugin> {
  const type = isObject(config.ipam) ? config.ipam.type : undefined;
  if (typeof type !== 'string' || type === '') throw new PluginError('InvalidConfig', 'ipam.type is missing');
  const refuse = (why: string) => new PluginError('InvalidConfig', `ipam.type: ${JSON.stringify(type)} ${why}`);
  if (!PLUGIN_TYPE.test(type)) throw refuse('must be the plain name of a plugin: no path');
  if (isBuiltIn(type) && !GIVE_ADDRESSES.includes(type)) throw refuse('gives no addresses: it is no IPAM plugin');
  return (await loadPlugin(type)) ?? (await import('./executed-ipam.ts')).executedIpam(type);
}
