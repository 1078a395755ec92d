/** A plan is a list of operations with dependencies: from it come dry runs, progress, the journal, undoing and parallel execution. */
import {
  type OperationType,
  type ParamsOf,
  type Ref,
  type ResultOf,
  referencedSteps,
  type WithRefs,
} from './operations.ts';
import { describe, type ResourceRef } from './resource.ts';

/** What becomes of a plan that did not get to its end: a create is undone, a delete and an update are finished. */
export type Intent = 'create' | 'update' | 'delete';

export interface Step {
  id: string;
  type: OperationType;
  params: unknown;
  /** Ids of the steps that come first. */
  after: string[];
  /** `cell main/default/blog/web`, for progress and errors. */
  resource: string;
}

/** A handle on a step that was added: name it in `after`, or take a reference to a part of its result. */
export interface Added<R> {
  id: string;
  result<V = R>(...path: (string | number)[]): Ref<V>;
}

export interface Plan {
  intent: Intent;
  steps: Step[];
  add<T extends OperationType>(
    resource: ResourceRef,
    type: T,
    params: WithRefs<ParamsOf<T>>,
    after?: readonly (Pick<Added<unknown>, 'id'> | undefined)[],
  ): Added<ResultOf<T>>;
}

export function makePlan(intent: Intent): Plan {
  const steps: Step[] = [];
  return {
    intent,
    steps,
    add(resource, type, params, after = []) {
      const id = String(steps.length + 1);
      const before = [...after.flatMap(step => (step === undefined ? [] : [step.id])), ...referencedSteps(params)];
      steps.push({ id, type, params, after: [...new Set(before)], resource: describe(resource) });
      return { id, result: (...path) => ({ $ref: id, path }) };
    },
  };
}
