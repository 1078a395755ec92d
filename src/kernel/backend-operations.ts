/** Every action of a backend is an operation. What undoes it is another action of the same backend. */
import type { ActionContext, KukeBackends, KukeOperations } from './backends/index.ts';
import { type AnyOperation, defineOperation, type OperationRegistry } from './operations.ts';

export type UseBackend = <N extends keyof KukeBackends & string>(name: N) => Promise<KukeBackends[N]>;

/** The action that undoes each; null: nothing does, or nothing has to. */
const undoneBy = {
  'cgroup.create': 'remove',
  'cgroup.remove': null,
  'network.define': 'remove',
  'network.remove': null,
  'network.open': 'close',
  'network.close': null,
  'network.attach': 'detach',
  'network.detach': null,
  'runtime.createNamespace': 'removeNamespace',
  'runtime.removeNamespace': null,
  'runtime.create': 'remove',
  'runtime.start': null, // the removal of what was created ends it
  'runtime.stop': null,
  'runtime.remove': null,
  'store.remove': null,
  'store.writeFile': 'removeFile',
  'store.removeFile': null,
  'store.purge': null,
} as const satisfies Partial<Record<keyof KukeOperations, string | null>>;

export function addBackendOperations(registry: OperationRegistry, use: UseBackend): void {
  for (const [type, undoing] of Object.entries(undoneBy)) registry.add(backendOperation(type, undoing, use));
  registry.add(storeWrite(use));
}

function backendOperation(type: string, undoing: string | null, use: UseBackend): AnyOperation {
  const [name, action] = type.split('.') as [keyof KukeBackends & string, string];
  const call = async (of: string, ...args: unknown[]): Promise<unknown> => {
    const backend: object = await use(name);
    return Reflect.apply(Reflect.get(backend, of), backend, args);
  };
  return {
    type,
    apply: (params, context) => call(action, params, context),
    ...(undoing !== null && {
      revert: async (params: unknown, _: unknown, context: ActionContext) => {
        await call(undoing, params, context);
      },
    }),
    // Metadata goes last and only when nothing of the resource is left, so that a delete can be repeated.
    ...((type === 'store.remove' || type === 'store.purge') && { onlyAfterSuccess: true }),
    explain: async params => String(await call('explain', action, params)),
  };
}

/** A manifest that stood there before is written back; only a new one is removed. */
const storeWrite = (use: UseBackend) =>
  defineOperation({
    type: 'store.write',
    apply: async (params, context) => (await use('store')).write(params, context),
    revert: async (params, _, context) => {
      const store = await use('store');
      if (params.previous === undefined) return store.remove({ ref: params.ref }, context);
      return store.write({ ref: params.ref, manifest: params.previous }, context);
    },
    explain: async params => (await use('store')).explain('write', params),
  });
