/** The plugins that are built in, by type; each is loaded when it is first called. */
import type { CniPlugin } from './plugin.ts';

const PLUGINS: Readonly<Record<string, () => Promise<CniPlugin>>> = {
  bridge: async () => (await import('./bridge/bridge.ts')).bridge,
  firewall: async () => (await import('./firewall/firewall.ts')).firewall,
  'host-local': async () => (await import('./host-local/host-local.ts')).hostLocal,
  loopback: async () => (await import('./loopback.ts')).loopback,
  portmap: async () => (await import('./portmap/portmap.ts')).portmap,
  static: async () => (await import('./static.ts')).staticIpam,
};

/** Their types, as a configuration names them. */
export const BUILT_IN: readonly string[] = Object.keys(PLUGINS);

export function isBuiltIn(type: string): boolean {
  return Object.hasOwn(PLUGINS, type);
}

/** Those that go into the container's network namespace; to the others CNI_NETNS is a name. */
const INSIDE: readonly string[] = ['bridge', 'loopback'];

export function worksInside(type: string): boolean {
  return INSIDE.includes(type);
}

/** The plugin of that type; undefined where it is not built in. */
export async function loadPlugin(type: string): Promise<CniPlugin | undefined> {
  return isBuiltIn(type) ? PLUGINS[type]?.() : undefined;
}
