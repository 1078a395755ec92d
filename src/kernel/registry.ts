/** Loads plugins in the order of what they require, checks their configuration, and gives each its view of the kernel. */
import * as v from 'valibot';
import { addBackendOperations, type UseBackend } from './backend-operations.ts';
import type { KukeBackends } from './backends/index.ts';
import { asKukeError, KukeError } from './errors.ts';
import { type Hooks, makeHooks, withTimeLimit } from './hooks.ts';
import { type KindRegistry, makeKindRegistry } from './kinds.ts';
import { didYouMean } from './names.ts';
import { makeOperationRegistry, type OperationRegistry } from './operations.ts';
import type { PluginDefinition, PluginKernel, Provides, Settings } from './plugin.ts';
import { faultsOf } from './schema.ts';

/** A plugin that could be loaded: what its package.json says, so that only what a command needs is loaded. */
export interface PluginSource {
  name: string;
  requires: string[];
  provides: Provides;
  /** `built-in`, or the folder it comes from. */
  origin: string;
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
  /** Throws NotInitialised. */
  instance(): Promise<string>;
  warn(message: string): void;
}

export async function loadKernel(options: KernelOptions): Promise<Kernel> {
  const { warn, settings } = options;
  const factories = new Map<string, () => unknown>();
  const made = new Map<string, Promise<unknown>>();
  const use: UseBackend = async name => {
    const make = factories.get(name);
    if (make === undefined) throw new KukeError('PluginFailed', `no plugin provides the backend ${name}`);
    const backend = made.get(name) ?? Promise.resolve(make());
    made.set(name, backend);
    return (await backend) as KukeBackends[typeof name];
  };
  const kernel: Kernel = {
    settings,
    kinds: makeKindRegistry(),
    operations: makeOperationRegistry(),
    hooks: makeHooks({ timeLimitMs: options.timeLimitMs, warn }),
    plugins: [],
    use,
    warn,
    async instance() {
      const id = await (await use('store')).instance();
      if (id === undefined) throw new KukeError('NotInitialised', `${settings.runPath} has not been set up`);
      return id;
    },
  };
  addBackendOperations(kernel.operations, use);
  for (const source of inOrder(options.sources, options.needs)) {
    const started = performance.now();
    try {
      const plugin = await withTimeLimit(() => loadOne(source, kernel, factories, options), options.timeLimitMs);
      kernel.plugins.push({
        name: source.name,
        version: plugin.version,
        origin: source.origin,
        ms: performance.now() - started,
      });
    } catch (thrown) {
      const error = asKukeError(thrown, 'PluginFailed', { step: `load plugin ${source.name} (${source.origin})` });
      if (!options.lenient || source.origin === 'built-in') throw error;
      warn(error.summary);
    }
  }
  return kernel;
}

async function loadOne(
  source: PluginSource,
  kernel: Kernel,
  factories: Map<string, () => unknown>,
  options: KernelOptions,
): Promise<PluginDefinition> {
  const plugin = await source.load();
  const view: PluginKernel = {
    config: configOf(plugin, options.pluginConfig[plugin.name]),
    settings: kernel.settings,
    instance: kernel.instance,
    kind: definition => kernel.kinds.add(definition, plugin.name),
    backend(name, make) {
      if (factories.has(name)) throw new KukeError('PluginFailed', `the backend ${name} is provided twice`);
      factories.set(name, make);
    },
    operation: operation => kernel.operations.add(operation),
    hook: (name, fn) => kernel.hooks.tap(plugin.name, name, fn),
    use: kernel.use,
    schema: kind => kernel.kinds.get(kind).spec,
    call: kernel.hooks.call,
    warn: message => kernel.warn(`${plugin.name}: ${message}`),
  };
  await plugin.setup(view);
  return plugin;
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

/** What is needed and all that it requires, requirements first. Throws on what is missing and on circles. */
function inOrder(sources: PluginSource[], needs: string[] | undefined): PluginSource[] {
  const order: PluginSource[] = [];
  const visiting = new Set<PluginSource>();
  const visit = (source: PluginSource): void => {
    if (order.includes(source)) return;
    if (visiting.has(source))
      throw new KukeError('PluginFailed', `plugins require each other: ${[...visiting].map(s => s.name).join(', ')}`);
    visiting.add(source);
    for (const requirement of source.requires) visit(provider(sources, requirement, source.name));
    visiting.delete(source);
    order.push(source);
  };
  if (needs === undefined) sources.forEach(visit);
  else for (const need of needs) visit(provider(sources, need, 'this command'));
  return order;
}

function provider(sources: PluginSource[], requirement: string, by: string): PluginSource {
  const [what, name = ''] = requirement.split(':');
  const found = sources.find(source => {
    if (what === 'kind') return source.provides.kinds?.includes(name);
    if (what === 'backend') return source.provides.backends?.includes(name);
    return source.name === requirement;
  });
  if (found !== undefined) return found;
  const known = sources.flatMap(source => [source.name]);
  throw new KukeError(
    'PluginFailed',
    `${by} requires ${requirement}, which no plugin provides${didYouMean(requirement, known)}`,
  );
}
