/** containerd as the runtime and the store of images: `kuke` speaks to it over its socket, and its runc shim runs the containers. */
import { definePlugin } from 'kuke/plugin';
import { type ContainerdConfig, containerdConfig } from './config.ts';

export default definePlugin<ContainerdConfig>({
  name: 'containerd-shim',
  version: '0.1.0',
  provides: { backends: ['runtime', 'images'] },
  config: containerdConfig,
  setup(kernel) {
    // Loaded when first used, and made once for both backends.
    const containerd = once(async () => (await import('./containerd.ts')).openContainerd(kernel));
    const images = once(async () => (await import('./images/index.ts')).makeImages(await containerd()));
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
