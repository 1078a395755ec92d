/** The kernel with the five kinds on one fake host, as a command line uses it. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import cell from '../../../plugins/cell/index.ts';
import container from '../../../plugins/container/index.ts';
import realm from '../../../plugins/realm/index.ts';
import space from '../../../plugins/space/index.ts';
import stack from '../../../plugins/stack/index.ts';
import { apply, type Outcome } from '../../../src/kernel/apply.ts';
import { parseDocuments } from '../../../src/kernel/documents.ts';
import { init, uninstall } from '../../../src/kernel/host.ts';
import { makeJournal } from '../../../src/kernel/journal.ts';
import type { Resource } from '../../../src/kernel/kinds.ts';
import { readManifest, toResource } from '../../../src/kernel/manifest.ts';
import { makeObserveContext, observed, readTree } from '../../../src/kernel/observe.ts';
import type { PlanOptions } from '../../../src/kernel/planning.ts';
import type { PluginDefinition } from '../../../src/kernel/plugin.ts';
import { type Kernel, loadKernel, type PluginSource } from '../../../src/kernel/registry.ts';
import { remove } from '../../../src/kernel/remove.ts';
import type { ResourceRef } from '../../../src/kernel/resource.ts';
import type { EngineOptions } from '../../../src/kernel/session.ts';
import type { ResourceTree } from '../../../src/kernel/tree.ts';
import { type FakeHost, fakePlugin, makeHost } from '../../fakes/index.ts';
import { parents } from '../../fakes/manifests.ts';

export { cellRef, cellYaml } from '../../fakes/manifests.ts';

export function source(plugin: PluginDefinition): PluginSource {
  const { name, requires = [], provides = {} } = plugin;
  return { name, requires, provides, origin: 'built-in', load: async () => plugin };
}

export interface TestKernel {
  host: FakeHost;
  kernel: Kernel;
  /** What the person was told. */
  notices: string[];
  init(): Promise<Outcome[]>;
  apply(yaml: string, options?: PlanOptions): Promise<Outcome[]>;
  remove(refs: ResourceRef[], cascade?: boolean): Promise<Outcome[]>;
  uninstall(): Promise<Outcome[]>;
  read(yaml: string): Promise<Resource[]>;
  /** The resource as `get` shows it. */
  get(kind: string, ...path: string[]): Promise<Resource>;
  change(
    ref: ResourceRef,
    edit: (spec: Record<string, unknown>) => Record<string, unknown>,
    options: PlanOptions,
  ): Promise<Outcome[]>;
  /** Another kuke process on the same host, e.g. after one has died. */
  another(): Promise<TestKernel>;
  engine: EngineOptions;
}

export async function kernelOnFakes(
  options: {
    host?: FakeHost;
    folder?: string;
    plugins?: PluginDefinition[];
    isDryRun?: boolean;
    isSupervised?: boolean;
  } = {},
): Promise<TestKernel> {
  const host = options.host ?? makeHost();
  const folder = options.folder ?? journalFolder();
  const journal = makeJournal(folder);
  const notices: string[] = [];
  const plugins = [fakePlugin(host), realm, space, stack, container, cell, ...(options.plugins ?? [])];
  const kernel = await loadKernel({
    settings: { runPath: folder, containerdSocket: '/none', isSupervised: options.isSupervised ?? false },
    pluginConfig: {},
    sources: plugins.map(source),
    timeLimitMs: 2000,
    isDryRun: options.isDryRun ?? false,
    warn: message => void notices.push(message),
  });
  const engine: EngineOptions = {
    command: 'kuke test',
    lockTimeoutMs: 5000,
    signal: new AbortController().signal,
    progress: () => {},
    notice: message => void notices.push(message),
  };
  const read = (yaml: string) =>
    Promise.all(parseDocuments(yaml, 'test.yaml').map(({ value }) => readManifest(kernel, value)));
  const readEach = async (yaml: string): Promise<Resource[]> => read(yaml);
  return {
    host,
    kernel,
    notices,
    engine,
    read,
    init: async () => init(kernel, journal, await readEach(parents), {}, engine),
    apply: async (yaml, planOptions) => apply(kernel, journal, await readEach(yaml), engine, planOptions),
    remove: (refs, cascade = true) => remove(kernel, journal, refs, { cascade, stopTimeoutMs: 1000 }, engine),
    uninstall: () => uninstall(kernel, journal, engine),
    async get(kind, ...path) {
      const tree = await readTree(kernel);
      return observed(kernel, makeObserveContext(tree), tree.get({ kind, path }));
    },
    change(ref, edit, planOptions) {
      const desired = (tree: ResourceTree) => {
        const { manifest } = tree.get(ref);
        return [toResource(kernel.kinds, { ...manifest, spec: edit(manifest.spec) })];
      };
      return apply(kernel, journal, desired, engine, planOptions);
    },
    another: () => kernelOnFakes({ ...options, host, folder }),
  };
}

/** As beside an installation, where the folder stays from plan to plan; in memory, for it is synced at each step. */
function journalFolder(): string {
  const top = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'kuke-journal-'));
  writeFileSync(join(top, 'instance'), '');
  made.push(top);
  for (const old of made.splice(0, made.length - 10)) rmSync(old, { recursive: true, force: true });
  return join(top, 'journal');
}

/** The last ones, of which a test may use several. */
const made: string[] = [];
