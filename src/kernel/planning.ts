/** What a kind is given to plan with. */
import type { ObserveContext, Resource } from './kinds.ts';
import type { Plan } from './plan.ts';
import type { ResourceTree } from './tree.ts';

export interface PlanContext extends ObserveContext {
  plan: Plan;
  tree: ResourceTree;
  /** The resource of a kind that is above this one: `ancestor(cell, 'Space')`. Throws NotFound. */
  ancestor(of: Resource['ref'], kind: string): Resource;
  /** What a person should know about the plan: `main/default takes 10.89.0.0/20 because ...`. */
  note(message: string): void;
}
