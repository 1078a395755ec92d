/** What a kind is given to plan with. */

import type { FieldChange } from './diff.ts';
import type { ObserveContext, Resource } from './kinds.ts';
import type { AskedOf } from './limits/wanted.ts';
import type { Plan } from './plan.ts';
import type { ResourceRef } from './resource.ts';

/**
 * Why there is planning: `apply` leaves what has ended as it is, `start` starts it, `restart` starts the `members` alone, in what they live
 * in, `hold` stops them alone; `limit` changes limits, and starts or makes nothing anew.
 */
export type Verb = 'apply' | 'limit' | 'start' | 'restart' | 'hold' | 'stop' | 'kill' | 'delete' | 'settle';

export interface PlanOptions {
  verb: Verb;
  /** From the first signal to SIGKILL, milliseconds; undefined: what each container says of itself. */
  stopTimeoutMs: number | undefined;
  /** Of `restart` and `hold`: the ids of what is started again, where what of them runs is stopped before, or stopped. */
  members?: readonly string[];
  /** Of `start`: the ids of what is left for later, since what it depends on is not as it says. Whoever gives it waits for that, and no step does. */
  without?(ref: ResourceRef): readonly string[];
  /** The resource with what its status is to say besides once it is done. */
  noted?(resource: Resource): Resource;
  /** It is as it was before the same command: that has made no revision, and makes none. */
  takesBack?: boolean;
  /** What the host cannot enforce, or somebody has set otherwise by hand, is refused, in place of a note. */
  strict?: boolean;
  /** Limits that somebody asked to be lifted, by name: also where an administrator wrote them. */
  lifted?: LiftedLimits;
}

export interface LiftedLimits {
  /** Of what: `stack main/default/blog`, or a container by its own name. */
  ref: ResourceRef;
  /** `memory.limit`, or all that is below: `io.devices`, `io.devices./dev/vda`. */
  fields: readonly string[];
}

/** As each container says. */
export const DEFAULT_STOP_TIMEOUT_MS = undefined;
/** And where it says nothing. */
export const STOP_TIMEOUT_MS = 10_000;

export interface PlanContext extends ObserveContext {
  plan: Plan;
  options: PlanOptions;
  /** What differs between the stored and the desired spec; empty for a new resource. */
  changes: FieldChange[];
  /** What a cgroup is to have once the command is done, by its path; undefined: nothing that anybody knows of. */
  asked: AskedOf;
  /** What a person should know about the plan: `main/default takes 10.89.0.0/20 because ...`. */
  note(message: string): void;
  /** While settling: what the host says now, and is to forget, is stored with the status though no step is due. */
  keepStatus(): void;
}
