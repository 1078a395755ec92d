/** The five backends, by the name that a plugin registers them under. Third parties add theirs by declaration merging. */
import type { CgroupActions, CgroupBackend } from './cgroup.ts';
import type { ImagesActions, ImagesBackend } from './images.ts';
import type { NetworkActions, NetworkBackend } from './network.ts';
import type { RuntimeActions, RuntimeBackend } from './runtime.ts';
import type { StoreActions, StoreBackend } from './store.ts';

export interface KukeBackends {
  cgroup: CgroupBackend;
  images: ImagesBackend;
  network: NetworkBackend;
  runtime: RuntimeBackend;
  store: StoreBackend;
}

/** Prefixes each action with its backend's name: `network.attach`. */
type Prefixed<Name extends string, A> = { [K in keyof A & string as `${Name}.${K}`]: A[K] };

/** Every operation type with its params and result, all of them plain data. Plugins add theirs by declaration merging. */
export interface KukeOperations
  extends Prefixed<'cgroup', CgroupActions>,
    Prefixed<'images', ImagesActions>,
    Prefixed<'network', NetworkActions>,
    Prefixed<'runtime', RuntimeActions>,
    Prefixed<'store', StoreActions> {}

export {
  type ActionContext,
  type ActionDeclaration,
  type ActionDeclarations,
  type Actions,
  type Backend,
  explainWith,
  type Transfer,
  thereWith,
} from './backend.ts';
export type * from './cgroup.ts';
export type * from './images.ts';
export type * from './network.ts';
export { networkDefinition } from './network.ts';
export type * from './runtime.ts';
export { shellCommand, shellQuote } from './shell.ts';
export type * from './store.ts';
export type * from './watch.ts';
