/** Removing whatever the built-in plugins still have of a network, when nothing of it is to stay: GC, by its name alone. */
import { callOf } from './call.ts';
import { loadPlugin } from './registry.ts';
import { silent } from './trace.ts';

/** Those that make something on the host. Reservations of addresses are host-local's, with its folder. */
const MAKERS = ['firewall', 'portmap', 'bridge'];

/** Needs neither the network's configuration nor a cache. `path` is what GC is told of, as CNI_PATH. Goes on after a failure, and throws it. */
export async function collectNetwork(network: string, path: readonly string[]): Promise<void> {
  const failures: unknown[] = [];
  for (const plugin of MAKERS) {
    const config = { cniVersion: '1.1.0', name: network, type: plugin, 'cni.dev/valid-attachments': [] };
    const call = callOf({ command: 'GC', plugin, path, config }, silent);
    try {
      if ('valid' in call) await (await loadPlugin(plugin))?.gc(call);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
