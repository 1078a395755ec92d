/** A plugin that provides all five backends in memory, on one host that the test holds: `const { host, plugin } = fakes()`. */
import { definePlugin, type PluginDefinition } from '../../src/plugin.ts';
import { fakeCgroup } from './cgroup.ts';
import { type FakeHost, makeHost } from './host.ts';
import { fakeImages } from './images.ts';
import { fakeNetwork } from './network.ts';
import { fakeRuntime } from './runtime.ts';
import { fakeStore } from './store.ts';

export type { FaultOptions, Faults, Pause } from './faults.ts';
export { type Call, type FakeContainer, type FakeHost, type FakeNamespace, makeHost } from './host.ts';
export { addImage, type FakeImage, fakeArchive, publish } from './images.ts';
export { addContainer } from './runtime.ts';

/** For the host's present process: after `host.restart()` set up a new kernel with a new plugin on the same host. */
export function fakePlugin(host: FakeHost): PluginDefinition {
  return definePlugin({
    name: 'fakes',
    version: '1.0.0',
    provides: { backends: ['cgroup', 'images', 'network', 'runtime', 'store'] },
    setup(kernel) {
      kernel.backend('cgroup', () => fakeCgroup(host));
      kernel.backend('images', () => fakeImages(host));
      kernel.backend('network', () => fakeNetwork(host));
      kernel.backend('runtime', () => fakeRuntime(host));
      kernel.backend('store', () => fakeStore(host));
    },
  });
}

export function fakes(): { host: FakeHost; plugin: PluginDefinition } {
  const host = makeHost();
  return { host, plugin: fakePlugin(host) };
}
