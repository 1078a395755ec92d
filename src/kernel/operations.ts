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
  /** Works without a result and on what was never made. Absent: nothing is to be undone. */
  revert?(params: ParamsOf<T>, result: ResultOf<T> | undefined, context: ActionContext): Promise<void>;
  /** In a delete, other steps go on after a failure; this one only runs when all that it waits for went well. */
  onlyAfterSuccess?: boolean;
  /** The command that a person would type for the same effect. */
  explain(params: ParamsOf<T>): string | Promise<string>;
}

export function defineOperation<T extends OperationType>(operation: Operation<T>): Operation<T> {
  return operation;
}

/** A reference to an earlier step's result, resolved just before the step runs; it makes the dependency too. */
export interface Ref<T = unknown> {
  $ref: string;
  path: (string | number)[];
  /** Never there at run time; carries the type. */
  readonly __type?: T;
}

export type WithRefs<T> =
  | T
  | Ref<T>
  | (T extends readonly (infer E)[] ? WithRefs<E>[] : T extends object ? { [K in keyof T]: WithRefs<T[K]> } : never);

export function isRef(value: unknown): value is Ref {
  return typeof value === 'object' && value !== null && '$ref' in value && typeof value.$ref === 'string';
}

/** The ids of the steps that `params` refers to. */
export function referencedSteps(params: unknown): string[] {
  if (isRef(params)) return [params.$ref];
  if (typeof params !== 'object' || params === null) return [];
  return Object.values(params).flatMap(referencedSteps);
}

/** `params` with every reference replaced by what `lookup` finds. */
export function resolveRefs(params: unknown, lookup: (ref: Ref) => unknown): unknown {
  if (isRef(params)) return lookup(params);
  if (Array.isArray(params)) return params.map(item => resolveRefs(item, lookup));
  if (typeof params !== 'object' || params === null) return params;
  return Object.fromEntries(Object.entries(params).map(([key, value]) => [key, resolveRefs(value, lookup)]));
}

/** The value at a path inside a result: `['addresses', 0]`. */
export function pick(result: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    result,
  );
}

export interface OperationRegistry {
  /** Returns the inverse. Throws PluginFailed for a type that is taken. */
  add<T extends OperationType>(operation: Operation<T> | AnyOperation): () => void;
  /** By a type read from a journal or a plan; throws for one that no plugin provides. */
  get(type: string): AnyOperation;
  find(type: string): AnyOperation | undefined;
}

/** An operation whose params come from a plan or a journal: their types were checked where the step was added. */
export interface AnyOperation {
  type: string;
  apply(params: unknown, context: ActionContext): Promise<unknown>;
  revert?(params: unknown, result: unknown, context: ActionContext): Promise<void>;
  onlyAfterSuccess?: boolean;
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
    find: type => operations.get(type),
    get(type) {
      const operation = operations.get(type);
      if (operation === undefined) {
        throw new KukeError('PluginFailed', `no plugin provides the operation ${type}`, {
          remedy: 'put the plugin that made this plan back, then run the command again',
        });
      }
      return operation;
    },
  };
}
