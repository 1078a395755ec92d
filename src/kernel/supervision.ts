/** What a kind tells whoever keeps its resources as they are to be: the daemon's supervisor, which knows no kind (docs/supervision.md). */
import type { ContainerParams } from './backends/index.ts';
import type { Condition, Dependency } from './depends-on.ts';
import type { ObserveContext } from './kinds.ts';
import type { PlanContext } from './planning.ts';
import type { ResourceRef } from './resource.ts';

export type RestartPolicy = 'never' | 'on-failure' | 'always';

export interface ProbeResult {
  ok: boolean;
  /** What was seen: `status 503`, `connection refused`. */
  message: string;
}

/** Times in milliseconds. */
export interface HealthCheck {
  /** Another one is another check. */
  key: string;
  intervalMs: number;
  timeoutMs: number;
  /** So many failures in a row make it unhealthy. */
  retries: number;
  /** From its start; failures in it do not count. */
  startPeriodMs: number;
  onUnhealthy: 'restart' | 'stop' | 'none';
  /** Looks once. Never rejects save with the signal's reason. */
  probe(signal: AbortSignal): Promise<ProbeResult>;
}

/** `heldFor` of one that is started as soon as what it depends on is as it says. */
export const WAITING = 'Waiting';

export type Health = 'starting' | 'healthy' | 'unhealthy';

/** A container of a resource, as it is and as it is to be kept. */
export interface Member {
  id: string;
  /** What it ends with is the end of all, unless it is started again. */
  isRoot: boolean;
  /** By which the runtime's events name it. */
  container: ContainerParams;
  /** `pending`: it never ran. `ended` without an exit code: nobody knows how (a reboot, or its shim has died). */
  state: 'pending' | 'running' | 'ended' | 'unknown';
  exitCode?: number;
  /** Of one that was ended by the kernel: `killed for want of memory: its own limit (64Mi) was hit; ...`. */
  killed?: string;
  /** Of one that runs: by it, one life is told from the next. */
  pid?: number;
  /** RFC 3339, of its last start. */
  startedAt?: string;
  policy: RestartPolicy;
  /** Absent: no end to it. */
  maxRetries?: number;
  /** It stays as it is, whatever its policy says: it was stopped for this. */
  heldFor?: string;
  /** Members that it comes after. */
  after: readonly Dependency[];
  check?: HealthCheck;
  /** The status that is stored says that it is as it is. */
  isStored: boolean;
  /** An earlier supervisor has seen this life well, and not otherwise since. */
  wasHealthy?: true;
  /** What is stored of it. */
  restarts: number;
  retries: number;
}

export interface Supervised {
  /** It is to run. */
  isWanted: boolean;
  /** It is deleted when it has ended. */
  autoDelete: boolean;
  /** What its members live in is there: they can be started again without any of the rest. */
  hasPlace: boolean;
  /** Something that its end for good takes away is still there, such as its network. */
  isOpen: boolean;
  /** Other resources that it comes after. */
  after: readonly { ref: ResourceRef; condition: Condition }[];
  members: Member[];
}

/** What the supervisor knows of a member and the host does not say: it goes into the status. */
export interface MemberNotes {
  restarts: number;
  /** Restarts in a row, without ten minutes of health in between. */
  retries: number;
  health?: Health;
  /** Whose health it is. */
  pid?: number;
  heldFor?: string;
}

/** A part of a kind's `lifecycle`. */
export interface Supervision<R> {
  /** The resource as it is now. Throws what observing throws. */
  look(context: ObserveContext, resource: R): Promise<Supervised>;
  /** The resource with these notes in its status, by the members' ids. */
  note(resource: R, notes: ReadonlyMap<string, MemberNotes>): R;
  /** Plans to give back what one that runs has lost of what it lives in, such as its link. Nothing is lost: no step. */
  planMend?(context: PlanContext, resource: R): Promise<void>;
}

/** Others of its kind that are to be there before it, as the cells that a cell depends on. */
export type Precedence<R> = (resource: R) => ResourceRef[];

/** Whether one that has ended is started again. */
export function isDue(
  { policy, maxRetries, exitCode, heldFor }: Pick<Member, 'policy' | 'maxRetries' | 'exitCode' | 'heldFor'>,
  retries: number,
): boolean {
  if (policy === 'never' || heldFor !== undefined) return false;
  if (policy === 'on-failure' && exitCode === 0) return false;
  return maxRetries === undefined || retries < maxRetries;
}
