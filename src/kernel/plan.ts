/** A plan is a list of operations with dependencies: from it come dry runs, progress, the journal, undoing and parallel execution. */
import type { KukeError } from './errors.ts';
import type { OperationRegistry, OperationType, ParamsOf, ResultOf } from './operations.ts';
import { describe, type ResourceRef } from './resource.ts';
import { type Key, type PlacedReference, type Ref, referTo, separate, type WithRefs } from './step-references.ts';

/**
 * What becomes of a plan when a step fails. `undo`: it is undone, as long as nothing has been ended or taken away. `finish`: what does not
 * depend on the failure is done. `goOn`: what depends on it too, save for steps that are `onlyAfterSuccess`: a teardown does all it can.
 */
export type OnFailure = 'undo' | 'finish' | 'goOn';

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
  onFailure: OnFailure;
  steps: Step[];
  add<T extends OperationType>(
    resource: ResourceRef,
    type: T,
    params: WithRefs<ParamsOf<T>>,
    after?: readonly (Pick<Added<unknown>, 'id'> | undefined)[],
    watch?: Watch,
  ): Added<ResultOf<T>>;
}

export function makePlan(onFailure: OnFailure): Plan {
  const steps: Step[] = [];
  // Steps may be taken out of it again.
  let made = 0;
  return {
    onFailure,
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

/** What it does, for people: `runtime.stop, network.detach`. */
export const stepsText = ({ steps }: Pick<Plan, 'steps'>): string =>
  [...new Set(steps.map(({ type }) => type))].join(', ');

/** What the next kuke does with it when this one dies: a plan that ends or takes away what was there is finished, for nobody knows how far it came. */
export function onDeath({ onFailure, steps }: Plan, operations: OperationRegistry): OnFailure {
  const isFinal = steps.some(({ type }) => operations.find(type)?.irreversible === true);
  return onFailure === 'undo' && isFinal ? 'finish' : onFailure;
}

/** Each behind those that it waits for, else as they were planned: nothing of it depends on which of them was quicker. */
export function inOrder(steps: readonly Step[]): Step[] {
  const byId = new Map(steps.map(step => [step.id, step]));
  const seen = new Set<Step>();
  const ordered: Step[] = [];
  const visit = (step: Step): void => {
    if (seen.has(step)) return;
    seen.add(step);
    // A hook may have made it wait for one that was planned later.
    for (const id of step.after) {
      const before = byId.get(id);
      if (before !== undefined) visit(before);
    }
    ordered.push(step);
  };
  for (const step of steps) visit(step);
  return ordered;
}
