/** The plugin door: what a package's default export is, and what its `setup` is given (design.md, Plugins). */
import type * as v from 'valibot';
import type { ActionDeclarations, KukeBackends } from './backends/index.ts';
import type { KukeHooks } from './extensible.ts';
import type { HookName } from './hooks.ts';
import type { KindDefinition } from './kinds.ts';
import type { Operation, OperationType } from './operations.ts';

export type BackendName = keyof KukeBackends & string;

export interface Settings {
  /** `/opt/kukeon` */
  runPath: string;
  /** `/run/containerd/containerd.sock` */
  containerdSocket: string;
  /** Names that a person’s commands mean where they name none, by kind: `{realm: 'lab'}`; manifests say themselves where they belong. */
  scope?: Readonly<Record<string, string>>;
  /** It is kukeond’s: what has a health check is looked at. */
  isSupervised?: boolean;
}

/** What of the kernel a plugin sees. */
export interface PluginKernel<Config = unknown> {
  config: Config;
  settings: Settings;
  /** This installation's id, which marks everything that kuke makes. Throws NotInitialised. */
  instance(): Promise<string>;
  kind<Spec, Status>(definition: KindDefinition<Spec, Status>): void;
  /** Made when first used. `actions`: of an interface that is not one of the kernel's; each of them becomes an operation. */
  backend<N extends BackendName, A>(
    name: N,
    make: () => KukeBackends[N] | Promise<KukeBackends[N]>,
    actions?: ActionDeclarations<KukeBackends[N], A>,
  ): void;
  operation<T extends OperationType>(operation: Operation<T>): void;
  /** Returns the inverse. */
  hook<N extends HookName>(name: N, fn: KukeHooks[N]): () => void;
  /** Another plugin's backend; name its plugin in `requires`, or the kind of backend. */
  use<N extends BackendName>(name: N): Promise<KukeBackends[N]>;
  /** The spec's schema of a kind of a required plugin. */
  schema(kind: string): v.GenericSchema;
  /** Calls a hook's taps, e.g. one that this plugin declared. */
  call<N extends HookName>(name: N, ...args: Parameters<KukeHooks[N]>): Promise<void>;
  warn(message: string): void;
}

export interface Provides {
  kinds?: string[];
  backends?: string[];
  operations?: string[];
}

export interface PluginDefinition<Config = unknown> {
  name: string;
  version: string;
  /** Names of plugins, `kind:Cell` or `backend:network`. */
  requires?: string[];
  provides?: Provides;
  /** Validates `plugins.<name>` of /etc/kukeon/kuke.yaml; give it defaults, so that an absent section is `{}`. */
  config?: v.GenericSchema<unknown, Config>;
  setup(kernel: PluginKernel<Config>): void | Promise<void>;
}

export function definePlugin<Config = unknown>(plugin: PluginDefinition<Config>): PluginDefinition<Config> {
  return plugin;
}
