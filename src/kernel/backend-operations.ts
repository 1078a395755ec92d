/** Every action of a backend is an operation, and is undone as the backend's interface declares. */
import type { ActionContext, ActionDeclarations, KukeBackends } from './backends/index.ts';
import type { AnyOperation, OperationRegistry } from './operations.ts';

export type UseBackend = <N extends keyof KukeBackends & string>(name: N) => Promise<KukeBackends[N]>;

/** `network.attach` and so on. Returns the inverse. */
export function addBackendOperations<N extends keyof KukeBackends & string, A>(
  registry: OperationRegistry,
  use: UseBackend,
  name: N,
  actions: ActionDeclarations<KukeBackends[N], A>,
): () => void {
  // By name: the types of params and results are those of the step, which is checked where it is added to a plan.
  const declared = Object.entries<Declaration>(actions as Record<string, Declaration>);
  const inverses: (() => void)[] = [];
  const takeBack = () => {
    for (const inverse of inverses) inverse();
  };
  try {
    for (const [action, declaration] of declared)
      inverses.push(registry.add(backendOperation(name, action, declaration, () => use(name))));
  } catch (thrown) {
    takeBack();
    throw thrown;
  }
  return takeBack;
}

interface Declaration {
  undoneBy?: string;
  undo?: {
    look(backend: object, params: unknown): Promise<unknown>;
    revert(backend: object, params: unknown, found: unknown, context: ActionContext): Promise<void>;
  };
  irreversible?: true;
  ahead?: true;
  onlyAfterSuccess?: true;
}

function backendOperation(
  name: string,
  action: string,
  { undoneBy, undo = undoneBy === undefined ? undefined : undoingBy(action, undoneBy), ...rest }: Declaration,
  backend: () => Promise<object>,
): AnyOperation {
  return {
    type: `${name}.${action}`,
    apply: async (params, context) => call(await backend(), action, params, context),
    ...(undo && {
      look: async (params: unknown) => undo.look(await backend(), params),
      revert: async (params: unknown, found: unknown, context: ActionContext) =>
        undo.revert(await backend(), params, found, context),
    }),
    ...rest,
    explain: async params => String(await call(await backend(), 'explain', action, params)),
  };
}

const undoingBy = (action: string, undoing: string): NonNullable<Declaration['undo']> => ({
  look: (backend, params) => call(backend, 'isThere', action, params),
  async revert(backend, params, found, context) {
    if (found !== true) await call(backend, undoing, params, context);
  },
});

async function call(backend: object, method: string, ...args: unknown[]): Promise<unknown> {
  return Reflect.apply(Reflect.get(backend, method), backend, args);
}
