/** Loads plugins in the order of what they require, checks their configuration, and gives each its view of the kernel. */
import * as v from 'valibot';
import { addBackendOperations, type UseBackend } from './backend-operations.ts';
import { ownActions } from './backends/actions.ts';
import type { KukeBackends } from './backends/index.ts';
import type { DryRun } from './dry-run/dry-run.ts';
import { asKukeError, KukeError } from './errors.ts';
import { type Hooks, makeHooks, withTimeLimit } from './hooks.ts';
import { type KindRegistry, makeKindRegistry } from './kinds.ts';
import { makeOperationRegistry, type OperationRegistry } from './operations.ts';
import type { PluginDefinition, PluginKernel, Provides, Settings } from './plugin.ts';
import { inOrder, provider } from './plugin-order.ts';
import { faultsOf } from './schema.ts';
import { traced, tracedMethods } from './trace.ts';

/** A plugin that could be loaded: what its package.json says, so that only what a command needs is loaded. */
export interface PluginSource {
  name: string;
  requires: string[];
  provides: Provides;
  /** `built-in`, or the folder it comes from. */
  origin: string;
  /** What it took to find out all this, in milliseconds. */
  foundInMs?: number;
  load(): Promise<PluginDefinition>;
}

export interface LoadedPlugin {
  name: string;
  version: string;
  origin: string;
  /** What loading and setting up cost, in milliseconds. */
  ms: number;
}

export interface KernelOptions {
  settings: Settings;
  /** `plugins.<name>` of the configuration file. */
  pluginConfig: Record<string, unknown>;
  sources: PluginSource[];
  /** `backend:images`, `kind:Realm` or a plugin's name; absent: all plugins. */
  needs?: string[];
  /** A third party's plugin that cannot be loaded is a warning, not a failure: for commands that only read. */
  lenient?: boolean;
  /** Nothing is changed: what plans would do is noted in `Kernel.dryRun`. */
  isDryRun?: boolean;
  /** Milliseconds that a hook or a setup may take. */
  timeLimitMs: number;
  warn(message: string): void;
}

export interface Kernel {
  settings: Settings;
  kinds: KindRegistry;
  operations: OperationRegistry;
  hooks: Hooks;
  plugins: LoadedPlugin[];
  use: UseBackend;
  /** Plans are noted here, and not run. */
  dryRun?: DryRun;
  /** Asked for with everything that is looked at; read once, until it is to be forgotten. Throws NotInitialised. */
  instance(): Promise<string>;
  /** Another kuke may have set the host up anew: before the lock was ours, or since the tree was read. */
  forgetInstance(): void;
  warn(message: string): void;
}

export async function loadKernel(options: KernelOptions): Promise<Kernel> {
  const { warn, settings } = options;
  const factories = new Map<string, () => unknown>();
  const made = new Map<string, Promise<unknown>>();
  const rehearsal = options.isDryRun
    ? await import('./dry-run/rehearsal.ts').then(one => one.makeRehearsal())
    : undefined;
  const use: UseBackend = async name => {
    const make = factories.get(name);
    if (make === undefined) throw new KukeError('PluginFailed', `no plugin provides the backend ${name}`);
    const asked = () => (rehearsal ? rehearsal.make(name, make) : make()) as Promise<object>;
    const loaded = async () => tracedMethods('backend', name, await asked());
    const backend = made.get(name) ?? traced('command', `load backend ${name}`, loaded);
    made.set(name, backend);
    // Another time it may be had.
    backend.catch(() => made.delete(name));
    return (await backend) as KukeBackends[typeof name];
  };
  let known: string | undefined;
  const kernel: Kernel = {
    settings,
    kinds: makeKindRegistry(),
    operations: rehearsal?.operations ?? makeOperationRegistry(),
    ...(rehearsal && { dryRun: rehearsal.dryRun }),
    hooks: makeHooks({ timeLimitMs: options.timeLimitMs, warn }),
    plugins: [],
    use,
    warn,
    async instance() {
      const id = known ?? (await (await use('store')).instance());
      known = id;
      if (id === undefined) throw new KukeError('NotInitialised', `${settings.runPath} has not been set up`);
      return id;
    },
    forgetInstance() {
      known = undefined;
    },
  };
  addBackendOperations(kernel.operations, use, 'cgroup', ownActions.cgroup);
  addBackendOperations(kernel.operations, use, 'images', ownActions.images);
  addBackendOperations(kernel.operations, use, 'network', ownActions.network);
  addBackendOperations(kernel.operations, use, 'runtime', ownActions.runtime);
  addBackendOperations(kernel.operations, use, 'store', ownActions.store);
  const absent = new Set<PluginSource>();
  const failed = (source: PluginSource, thrown: unknown): void => {
    absent.add(source);
    const error = asKukeError(thrown, 'PluginFailed', { step: `load plugin ${source.name} (${source.origin})` });
    if (!options.lenient || source.origin === 'built-in') throw error;
    warn(error.summary);
  };
  for (const source of inOrder(options.sources, options.needs, failed)) {
    const started = performance.now();
    const registered = registrations();
    try {
      requireLoaded(source, options.sources, absent);
      const load = () =>
        traced('command', 'load plugin', () => loadOne(source, kernel, factories, options, registered), source.name);
      const { name, version } = await withTimeLimit(
        load,
        options.timeLimitMs,
        source.origin === 'built-in' ? undefined : `the setup of plugin ${source.name}`,
      );
      const ms = performance.now() - started + (source.foundInMs ?? 0);
      kernel.plugins.push({ name, version, origin: source.origin, ms });
    } catch (thrown) {
      registered.takeBack();
      failed(source, thrown);
    }
  }
  return kernel;
}

function requireLoaded(source: PluginSource, sources: PluginSource[], absent: Set<PluginSource>): void {
  const missing = source.requires.find(requirement => absent.has(provider(sources, requirement, source.name)));
  if (missing !== undefined) throw new KukeError('PluginFailed', `it requires ${missing}, which could not be loaded`);
}

interface Registrations {
  /** Throws when all has been taken back already, as after a setup's time limit. */
  add(inverse: () => void): void;
  takeBack(): void;
}

function registrations(): Registrations {
  const inverses: (() => void)[] = [];
  let isOver = false;
  return {
    add(inverse) {
      if (!isOver) return void inverses.push(inverse);
      inverse();
      throw new KukeError('PluginFailed', 'too late: its setup has failed');
    },
    takeBack() {
      isOver = true;
      for (const inverse of inverses.splice(0).reverse()) inverse();
    },
  };
}

async function loadOne(
  source: PluginSource,
  kernel: Kernel,
  factories: Map<string, () => unknown>,
  options: KernelOptions,
  registered: Registrations,
): Promise<PluginDefinition> {
  const plugin = await source.load();
  const provided = new Set<string>();
  const view: PluginKernel = {
    config: configOf(plugin, options.pluginConfig[plugin.name]),
    settings: kernel.settings,
    instance: kernel.instance,
    kind(definition) {
      requireParent(definition.kind, definition.parent, options.sources);
      registered.add(kernel.kinds.add(definition, plugin.name));
      provided.add(`kind ${definition.kind}`);
    },
    backend(name, make, actions) {
      if (factories.has(name)) throw new KukeError('PluginFailed', `the backend ${name} is provided twice`);
      if (actions !== undefined) registered.add(addBackendOperations(kernel.operations, kernel.use, name, actions));
      factories.set(name, make);
      registered.add(() => factories.delete(name));
      provided.add(`backend ${name}`);
    },
    operation(operation) {
      registered.add(kernel.operations.add(operation));
      provided.add(`operation ${operation.type}`);
    },
    hook(name, fn) {
      const inverse = kernel.hooks.tap(plugin.name, name, fn, { watched: source.origin !== 'built-in' });
      registered.add(inverse);
      return inverse;
    },
    use: kernel.use,
    schema: kind => kernel.kinds.get(kind).spec,
    call: async (name, ...args) => void (await kernel.hooks.call(name, ...args)),
    warn: message => kernel.warn(`${plugin.name}: ${message}`),
  };
  await plugin.setup(view);
  refuseUntrue(plugin, provided);
  return plugin;
}

function requireParent(kind: string, parent: string | undefined, sources: PluginSource[]): void {
  if (parent === undefined || sources.some(source => source.provides.kinds?.includes(parent))) return;
  throw new KukeError('PluginFailed', `its kind ${kind} lives in a ${parent}, a kind that no plugin provides`);
}

/** By what a plugin says that it provides it is found, so it has to be what its setup registers. */
function refuseUntrue({ provides = {} }: PluginDefinition, provided: Set<string>): void {
  const { kinds = [], backends = [], operations = [] } = provides;
  const said = new Set([
    ...kinds.map(kind => `kind ${kind}`),
    ...backends.map(backend => `backend ${backend}`),
    ...operations.map(operation => `operation ${operation}`),
  ]);
  const differing = said.symmetricDifference(provided);
  if (differing.size === 0) return;
  const message = `what it \`provides\` is not what its setup registers: ${[...differing].join(', ')}`;
  throw new KukeError('PluginFailed', message);
}

function configOf(plugin: PluginDefinition, given: unknown): unknown {
  if (plugin.config === undefined) {
    if (given === undefined) return undefined;
    throw new KukeError('Usage', `the configuration has plugins.${plugin.name}, which takes none`);
  }
  const faults = faultsOf(plugin.config, given ?? {}, ['plugins', plugin.name]);
  if (faults[0] !== undefined) {
    throw new KukeError('Usage', `configuration: ${faults[0].path}: ${faults[0].message}`, {
      remedy: 'mend the configuration file',
    });
  }
  return v.parse(plugin.config, given ?? {});
}
