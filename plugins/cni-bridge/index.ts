/** cni-bridge: a space is a network of CNI's `bridge` plugin, and nftables keeps it apart from the others (spec.md §4). */
import { definePlugin } from 'kuke/plugin';
import { type CniBridgeConfig, cniBridgeConfig } from './config.ts';

export default definePlugin<CniBridgeConfig>({
  name: 'cni-bridge',
  version: '0.1.0',
  provides: { backends: ['network'] },
  config: cniBridgeConfig,
  setup(kernel) {
    kernel.backend('network', async () => {
      const { makeNetworkBackend, openHost } = await import('./backend.ts');
      const { config, settings, instance, warn } = kernel;
      return makeNetworkBackend(openHost({ config, runPath: settings.runPath, instance, warn }));
    });
  },
});
