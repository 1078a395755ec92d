/** A plan is a list of operations with dependencies: from it come dry runs, progress, the journal, undoing and parallel execution. */
import type { KukeError } from './errors.ts';
import type { OperationRegistry, OperationType, ParamsOf, ResultOf } from './operations.ts';
import { describe, type ResourceRef } from './resource.ts';
import { type Key, type PlacedReference, type Ref, referTo, separate, type WithRefs } from './step-references.ts';

/** What becomes of a plan that did not get to its end: a create is undone, a delete and an update are finished. */
export type Intent = 'create' | 'update' | 'delete';

export interface Step {
  id: string;
  type: OperationType;
  params: unknown;
  /** What of the params is known only when earlier steps have run. */
  refs?: PlacedReference[];
  /** Ids of the steps that come first. */
  after: string[];
  /** `cell main/default/blog/web`, for progress and errors. */
  resource: string;
  /** Called before it runs; what it returns may say more of a failure. Not in the journal: it is of use to this process alone. */
  watch?: Watch;
}

export type Watch = () => Promise<(failure: KukeError) => Promise<KukeError>>;

/** A handle on a step that was added: name it in `after`, or take a reference to a part of its result. */
export interface Added<R> {
  id: string;
  result<V = R>(...path: Key[]): Ref<V>;
}

export interface Plan {
  intent: Intent;
  steps: Step[];
  add<T extends OperationType>(
    resource: ResourceRef,
    type: T,
    params: WithRefs<ParamsOf<T>>,
    after?: readonly (Pick<Added<unknown>, 'id'> | undefined)[],
    watch?: Watch,
  ): Added<ResultOf<T>>;
}

export function makePlan(intent: Intent): Plan {
  const steps: Step[] = [];
  // Steps may be taken out of it again.
  let made = 0;
  return {
    intent,
    steps,
    add(resource, type, given, after = [], watch = undefined) {
      const id = String(++made);
      const { params, refs } = separate(given);
      const before = [...after.flatMap(step => (step === undefined ? [] : [step.id])), ...refs.map(({ step }) => step)];
      const needs = [...new Set(before)];
      const more = { ...(refs.length > 0 && { refs }), ...(watch && { watch }) };
      steps.push({ id, type, params, after: needs, resource: describe(resource), ...more });
      return { id, result: (...path) => referTo(id, path) };
    },
  };
}

/** A plan that was made to be undone cannot be, once a step has ended or taken away what was there: it is gone on with. */
export function intentOf({ intent, steps }: Plan, operations: OperationRegistry): Intent {
  const isFinal = steps.some(({ type }) => operations.find(type)?.irreversible === true);
  return intent === 'create' && isFinal ? 'update' : intent;
}
