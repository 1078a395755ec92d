/** cni-bridge: a space is a network of CNI's `bridge` plugin, and nftables keeps it apart from the others (spec.md §4). */
import { definePlugin, type NetworkDefinition } from 'kuke/plugin';
import { type CniBridgeConfig, cniBridgeConfig } from './config.ts';

declare module 'kuke/plugin' {
  interface KukeOperations {
    /** Writes a space's conflist anew; `rename` is the bridge that takes the definition's name. */
    'cni-bridge.regenerate': { params: { definition: NetworkDefinition; rename?: string }; result: void };
    /** Removes all that carries the installation's mark. */
    'cni-bridge.uninstall': { params: { instance: string }; result: void };
  }
}

export default definePlugin<CniBridgeConfig>({
  name: 'cni-bridge',
  version: '0.1.0',
  provides: { backends: ['network'], operations: ['cni-bridge.regenerate', 'cni-bridge.uninstall'] },
  config: cniBridgeConfig,
  setup(kernel) {
    // Loaded when first used, and one for backend and operations.
    const host = once(async () => {
      const { config, settings, instance, warn } = kernel;
      return (await import('./host.ts')).openHost({ config, runPath: settings.runPath, instance, warn });
    });
    kernel.backend('network', async () => (await import('./backend.ts')).makeNetworkBackend(await host()));

    kernel.hook('host:init', async ({ update, flags }) => {
      await (await import('./init.ts')).planInit(await host(), update, flags);
    });
    kernel.operation({
      type: 'cni-bridge.regenerate',
      irreversible: true,
      async apply(params, context) {
        const { regenerate } = await import('./regenerate.ts');
        await regenerate(await host(), params, await kernel.use('store'), context);
      },
      explain: async params => (await import('./explain.ts')).explainRegenerate(params, await host()),
    });

    kernel.hook('doctor', async ({ findings, claims }) => {
      findings.push(...(await (await import('./doctor.ts')).networkFindings(await host(), claims)));
    });

    kernel.hook('host:uninstall', async ({ plan }) => {
      plan.add({ kind: 'Host', path: [] }, 'cni-bridge.uninstall', { instance: await kernel.instance() });
    });
    kernel.operation({
      type: 'cni-bridge.uninstall',
      irreversible: true,
      async apply({ instance }, context) {
        const { uninstall } = await import('./uninstall.ts');
        await uninstall({ ...(await host()), instance: async () => instance }, context);
      },
      explain: async () => (await import('./explain.ts')).explainUninstall(await host()),
    });
  },
});

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
