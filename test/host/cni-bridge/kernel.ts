/** The kernel with this plugin's networks on the real host, and all other backends in memory: whole commands, and what they do to the network. */
import { existsSync, mkdtempSync } from 'node:fs';
import cell from '../../../plugins/cell/index.ts';
import cniBridge from '../../../plugins/cni-bridge/index.ts';
import container from '../../../plugins/container/index.ts';
import realm from '../../../plugins/realm/index.ts';
import space from '../../../plugins/space/index.ts';
import stack from '../../../plugins/stack/index.ts';
import { apply, type Outcome } from '../../../src/kernel/apply.ts';
import { parseDocuments } from '../../../src/kernel/documents.ts';
import { init, uninstall } from '../../../src/kernel/host.ts';
import { makeJournal } from '../../../src/kernel/journal.ts';
import { readManifest } from '../../../src/kernel/manifest.ts';
import { makeObserveContext, observed, readTree } from '../../../src/kernel/observe.ts';
import { type Kernel, loadKernel } from '../../../src/kernel/registry.ts';
import { remove } from '../../../src/kernel/remove.ts';
import type { ResourceRef } from '../../../src/kernel/resource.ts';
import type { EngineOptions } from '../../../src/kernel/session.ts';
import { definePlugin } from '../../../src/plugin.ts';
import { fakeCgroup } from '../../fakes/cgroup.ts';
import { fakeImages } from '../../fakes/images.ts';
import { addImage, type FakeHost, makeHost } from '../../fakes/index.ts';
import { parents } from '../../fakes/manifests.ts';
import { fakeRuntime } from '../../fakes/runtime.ts';
import { fakeStore } from '../../fakes/store.ts';
import '../box.ts';

export { cellRef, cellYaml } from '../../fakes/manifests.ts';

export interface TestKernel {
  kernel: Kernel;
  /** What the person was told. */
  notices: string[];
  init(flags?: Record<string, unknown>): Promise<Outcome[]>;
  apply(yaml: string): Promise<Outcome[]>;
  remove(...refs: ResourceRef[]): Promise<Outcome[]>;
  uninstall(): Promise<Outcome[]>;
  statusOf(ref: ResourceRef): Promise<unknown>;
}

/** `config` is `plugins.cni-bridge` of the configuration file. */
export async function kernelOnNetwork(config: unknown = {}, host: FakeHost = makeHost()): Promise<TestKernel> {
  const runPath = mkdtempSync('/tmp/kuke-');
  host.netns.has = path => existsSync(path); // the runtime in memory looks for those of the real network
  const inMemory = definePlugin({
    name: 'fakes',
    version: '1.0.0',
    provides: { backends: ['cgroup', 'images', 'runtime', 'store'] },
    setup(kernel) {
      kernel.backend('cgroup', () => fakeCgroup(host));
      kernel.backend('images', () => fakeImages(host));
      kernel.backend('runtime', () => fakeRuntime(host));
      kernel.backend('store', () => fakeStore(host));
    },
  });
  const notices: string[] = [];
  const plugins = [inMemory, cniBridge, realm, space, stack, container, cell];
  const kernel = await loadKernel({
    settings: { runPath, containerdSocket: '/none' },
    pluginConfig: { 'cni-bridge': config },
    sources: plugins.map(plugin => ({
      name: plugin.name,
      requires: plugin.requires ?? [],
      provides: plugin.provides ?? {},
      origin: 'built-in',
      load: async () => plugin,
    })),
    timeLimitMs: 10_000,
    warn: message => void notices.push(message),
  });
  const journal = makeJournal(`${runPath}/.kuke/journal`);
  const engine: EngineOptions = {
    command: 'kuke test',
    lockTimeoutMs: 5000,
    signal: new AbortController().signal,
    progress: () => {},
    notice: message => void notices.push(message),
  };
  const read = (yaml: string) =>
    Promise.all(parseDocuments(yaml, 'test.yaml').map(({ value }) => readManifest(kernel, value)));
  return {
    kernel,
    notices,
    async init(flags = {}) {
      const outcomes = await init(kernel, journal, await read(parents), flags, engine);
      const namespace = host.runtime.namespaces.get('kukeon-main');
      if (namespace !== undefined) addImage(namespace, { name: 'busybox', cmd: ['sleep', '1000'] });
      return outcomes;
    },
    apply: async yaml => apply(kernel, journal, await read(yaml), engine),
    remove: (...refs) => remove(kernel, journal, refs, { cascade: true, stopTimeoutMs: 1000 }, engine),
    uninstall: () => uninstall(kernel, journal, engine),
    async statusOf(ref) {
      const tree = await readTree(kernel);
      return (await observed(kernel, makeObserveContext(tree), tree.get(ref))).manifest.status;
    },
  };
}

/** What went wrong, or `created` and the like. */
export const results = (outcomes: Outcome[]): string[] =>
  outcomes.map(({ result, error }) => (error ? `${result}: ${error.message}` : result));
