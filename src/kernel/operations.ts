/** Operations: everything that touches the host is data with an effect, its undoing, and its explanation (design.md, idea 2). */
import type { ActionContext, KukeOperations } from './backends/index.ts';
import { KukeError } from './errors.ts';

export type OperationType = keyof KukeOperations & string;
export type ParamsOf<T extends OperationType> = KukeOperations[T] extends { params: infer P } ? P : never;
export type ResultOf<T extends OperationType> = KukeOperations[T] extends { result: infer R } ? R : never;

export interface Operation<T extends OperationType = OperationType> {
  type: T;
  /** Idempotent: it may have happened already, wholly or half. */
  apply(params: ParamsOf<T>, context: ActionContext): Promise<ResultOf<T>>;
  /**
   * What of that which `apply` is about to make is there before, as plain data: the journal holds it before the effect, and `revert` is
   * given it. Absent: it makes what nobody could have made before, or `revert` knows by itself.
   */
  look?(params: ParamsOf<T>, context: ActionContext): Promise<unknown>;
  /** Takes back what `apply` has made, and nothing of what was `found`. Works on what was never made. Absent: nothing is to be undone. */
  revert?(params: ParamsOf<T>, found: unknown, context: ActionContext): Promise<void>;
  /** It ends, changes or takes away what is there, and nothing brings that back: a plan with such a step is gone on with, and not undone. */
  irreversible?: true;
  /** It may take long, and needs no lock: see ahead.ts. `wait`: it costs nothing meanwhile. */
  ahead?: true | 'wait';
  /** In a delete, other steps go on after a failure; this one only runs when all that it waits for went well. */
  onlyAfterSuccess?: true;
  /** The command that a person would type for the same effect. */
  explain(params: ParamsOf<T>): string | Promise<string>;
}

export function defineOperation<T extends OperationType>(operation: Operation<T>): Operation<T> {
  return operation;
}

export interface OperationRegistry {
  /** Returns the inverse. Throws PluginFailed for a type that is taken. */
  add<T extends OperationType>(operation: Operation<T> | AnyOperation): () => void;
  /** By a type read from a journal or a plan; throws for one that no plugin provides. */
  get(type: string): AnyOperation;
  find(type: string): AnyOperation | undefined;
  all(): AnyOperation[];
}

/** An operation whose params come from a plan or a journal: their types were checked where the step was added. */
export interface AnyOperation {
  type: string;
  apply(params: unknown, context: ActionContext): Promise<unknown>;
  look?(params: unknown, context: ActionContext): Promise<unknown>;
  revert?(params: unknown, found: unknown, context: ActionContext): Promise<void>;
  irreversible?: true;
  ahead?: true | 'wait';
  onlyAfterSuccess?: true;
  explain(params: unknown): string | Promise<string>;
}

export function makeOperationRegistry(): OperationRegistry {
  const operations = new Map<string, AnyOperation>();
  return {
    add(operation) {
      if (operations.has(operation.type))
        throw new KukeError('PluginFailed', `operation ${operation.type} is registered twice`);
      operations.set(operation.type, operation as unknown as AnyOperation);
      return () => void operations.delete(operation.type);
    },
    all: () => [...operations.values()],
    find: type => operations.get(type),
    get(type) {
      const operation = operations.get(type);
      if (operation === undefined) {
        throw new KukeError('PluginFailed', `no plugin provides the operation ${type}`, {
          remedy: 'put the plugin that made this plan back, then try again',
        });
      }
      return operation;
    },
  };
}
