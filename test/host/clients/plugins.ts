/** What each client runs with: kuke's plugins, as `kuke cni install` lays them down for other runtimes, and Debian's reference plugins. */
import { kuke } from '../kuke/kuke.ts';

export const REFERENCE = '/usr/lib/cni';
export const OWN = '/opt/clients/bin';

export const SETS = ['kuke', 'reference'] as const;
export type PluginSet = (typeof SETS)[number];

/** Folder of the plugins. */
export const folderOf: Record<PluginSet, string> = { kuke: OWN, reference: REFERENCE };

/** Nothing but this is needed for a runtime to find them. */
export async function install(): Promise<void> {
  await kuke('cni', 'install', '--dir', OWN);
}
