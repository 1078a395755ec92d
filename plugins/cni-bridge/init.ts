/** What `kuke init` sees to on the host for networks. */
import { KukeError, type Plan } from 'kuke/plugin';
import { findPlugin } from '../../src/cni/exec.ts';
import type { Host } from './host.ts';
import { planRegeneration } from './regenerate.ts';

/** The plugins that a space's conflist names. */
const NEEDED = ['bridge', 'host-local'];

/** Throws HostNotReady where CNI plugins that are to be executed are missing: here it is told once, and not by each cell. */
export function requirePlugins({ cniPath, isExecuted }: Pick<Host, 'cniPath' | 'isExecuted'>): void {
  const missing = NEEDED.filter(type => isExecuted(type) && findPlugin(type, cniPath) === undefined);
  if (missing.length === 0) return;
  const which = missing.length === 1 ? `plugin ${missing[0]} is` : `plugins ${missing.join(' and ')} are`;
  throw new KukeError('HostNotReady', `the CNI ${which} not in ${cniPath.join(', ')}`, {
    remedy:
      'take `cniPlugins: exec` out of the configuration, for kuke has them built in; or install them (Debian: `apt-get install containernetworking-plugins`), or name their folder in CNI_PATH',
  });
}

export async function planInit(host: Host, plan: Plan, flags: Readonly<Record<string, unknown>>): Promise<void> {
  requirePlugins(host);
  if (flags['force-regenerate-cni'] !== true) return;
  for (const regeneration of await planRegeneration(host)) {
    const { realm, space } = regeneration.definition;
    plan.add({ kind: 'Space', path: [realm, space] }, 'cni-bridge.regenerate', regeneration);
  }
}
