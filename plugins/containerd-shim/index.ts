/** containerd as the runtime and the store of images: `kuke` speaks to it over its socket, and its runc shim runs the containers. */
import { definePlugin } from 'kuke/plugin';
import { type ContainerdConfig, containerdConfig } from './config.ts';
import { endServing, serve } from './private/operations.ts';

export default definePlugin<ContainerdConfig>({
  name: 'containerd-shim',
  version: '0.1.0',
  provides: { backends: ['runtime', 'images'], operations: ['containerd-shim.serve', 'containerd-shim.endServing'] },
  config: containerdConfig,
  setup(kernel) {
    // Loaded when first used, and made once for both backends.
    const containerd = once(async () => (await import('./containerd.ts')).openContainerd(kernel));
    const images = once(async () => (await import('./images/index.ts')).makeImages(await containerd()));
    kernel.hook('host:init', async ({ plan }) => (await import('./private/host.ts')).planServing(kernel, plan));
    kernel.hook('host:uninstall', async ({ plan }) => (await import('./private/host.ts')).planEnd(kernel, plan));
    kernel.hook('doctor', async ({ findings, claims }) => {
      findings.push(...(await (await import('./doctor.ts')).runtimeFindings(await containerd(), claims)));
    });
    kernel.operation(serve);
    kernel.operation(endServing);
    kernel.backend('images', images);
    kernel.backend('runtime', async () => {
      const { containerdRuntime } = await import('./runtime/index.ts');
      return containerdRuntime({
        containerd: await containerd(),
        images: await images(),
        specHook: event => kernel.call('container:spec', event),
      });
    });
  },
});

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
