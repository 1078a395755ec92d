/** The tree of cgroups (spec.md §5). Paths are `/kukeon/<realm>/...`, relative to the cgroup2 mount. */
import type { LimitField, Limits, LimitValue } from '../limits/limits.ts';
import type { ActionContext, Backend } from './backend.ts';
import type { Watchable } from './watch.ts';

export interface CgroupRequest {
  /** `/kukeon/main/default`; its parent exists already; `/kukeon` itself is made first. */
  path: string;
}

export interface CgroupRemoval extends CgroupRequest {
  /** Names of groups in it that a runtime makes; any other that carries no mark is somebody else's then. Absent: all are a runtime's. */
  leaves?: string[];
}

export interface CgroupLimiting extends CgroupRequest {
  /** All that the group is to have; what was set before and is not among them is lifted. */
  limits: Limits;
  /** Of these, those that stay as they are, though they make no sense on this host any more. */
  leave?: LimitField[];
  /** Those that are written, or lifted, though an administrator wrote what is there. */
  take?: LimitField[];
}

export interface CgroupLeaf extends CgroupLimiting {
  /** How often what ran here was killed for want of memory in its earlier lives: the count goes on from there. */
  oomKills: number;
}

export interface CgroupActions {
  /** One level, controllers delegated to it as far as the host has them; one that is ours and there already is left as it is. */
  create: { params: CgroupRequest; result: void };
  /**
   * Gives a group its limits, as far as the host has the controllers. What an administrator wrote since the last time stays, unless what is
   * asked for has changed. All or, after a failure, as before. What the person is to know (memory was given back, processes were killed)
   * is told by `context.note`.
   */
  limit: { params: CgroupLimiting; result: void };
  /**
   * The group of a container, before the runtime starts it there: made where it is missing, with limits, with `memory.oom.group`, so that
   * a container is killed whole, and with what is needed to tell later whose limit it was killed by.
   */
  leaf: { params: CgroupLeaf; result: void };
  /** Kills what runs below (`cgroup.kill`) and removes the subtree, also from v1 hierarchies. Absent: nothing to do. */
  remove: { params: CgroupRemoval; result: void };
}

export interface CgroupObservation {
  path: string;
  /** Carries this instance's mark. */
  ours: boolean;
  populated: boolean;
  /** Nothing in it runs on, and nothing that is started in it begins to: by `cgroup.freeze` of its own or of a group above. */
  frozen: boolean;
}

/** One limit of a group: as asked, and as it is. */
export interface LimitObservation {
  field: LimitField;
  /** `memory.max` */
  file: string;
  /** What is asked for now; absent: nothing. */
  asked?: LimitValue;
  /** What the kernel has; absent: no limit, or no such file. */
  current?: LimitValue;
  /** An administrator wrote what is there: it is neither what was asked for nor what a new group has. */
  manual: boolean;
  /**
   * Asked for, and what the host cannot do: `cgroup v1 at /sys/fs/cgroup/memory holds the controller memory`. It is written all the same
   * where there is a file that takes it: `this host has no swap`.
   */
  notEnforced?: string;
  /** Asked for, and what makes no sense on this host: `this host has 2 CPUs`. The group's limits are not changed then. */
  fault?: string;
  /** `limit` would do something for it: asked for and not done yet, or not asked for any more and not lifted yet. */
  due: boolean;
}

/** The last time that what ran in a container's group was killed for want of memory. */
export interface OomObservation {
  /** In all of its lives. */
  kills: number;
  /** That life ended by it whose group is still there. */
  last?: {
    /** The group whose limit was hit; absent: the host itself had no more. */
    path?: string;
    /** Bytes: memory.max of that group. */
    limit?: number;
    /** Bytes: the most that the container had, where the kernel says. */
    peak?: number;
  };
}

/** A process in one of our groups that is no container's. */
export interface CgroupStranger {
  pid: number;
  /** As `ps` shows it. */
  command: string;
  path: string;
}

export interface LimitHit {
  path: string;
  field: 'memory.limit' | 'pids.limit';
}

/** What a group uses; what the host does not count is absent. */
export interface CgroupUsage {
  path: string;
  /** Microseconds of processor time since it was made. */
  cpuUsec?: number;
  /** Bytes. `limit`: the lowest of its own and of those above. */
  memory?: { current: number; limit?: number; swap?: number };
  /** Since it was made, of all devices. */
  io?: { readBytes: number; writeBytes: number; reads: number; writes: number };
  pids?: { current: number; limit?: number };
  /** Percent of the last ten seconds in which something waited for it (Documentation/accounting/psi.rst, `some avg10`). */
  pressure?: { cpu?: number; memory?: number; io?: number };
}

export interface CgroupBackend extends Backend<CgroupActions>, Watchable {
  /** All groups at and below `path`, parents first; empty when there is none. `isAbove`: those that it lies in, too. */
  observe(path: string, options?: { isAbove?: boolean }): Promise<CgroupObservation[]>;
  /**
   * Every limit that is asked for or that somebody has set. Of a group that is not there yet: what it would have. Changes nothing; a
   * container's leaf is asked for in the same way.
   */
  limits(request: CgroupLimiting): Promise<LimitObservation[]>;
  /** What `limit` or `leaf` was asked for the last time; undefined where there is no group, or nothing was asked. */
  asked(path: string): Promise<Limits | undefined>;
  /**
   * What `limit` is about to change in a group, with what kuke knows of it: plain data, for `restore` alone, which writes it again, values
   * by hand too, whatever sense it makes by then. Undefined: there is no such group.
   */
  remember(request: CgroupLimiting): Promise<unknown>;
  /** Does nothing where there is no group of ours, or nothing was remembered. */
  restore(path: string, remembered: unknown, context: ActionContext): Promise<void>;
  /** Undefined: there is no such group, or the host counts no such thing. */
  oom(path: string): Promise<OomObservation | undefined>;
  /** How often limits were hit so far, in a group and in those above it: for `limitHit`. */
  hits(path: string): Promise<unknown>;
  /**
   * Whose limit kept something from starting in the group, since `hits` said `before`; the group itself may be gone, with what it had counted.
   * `failure`: the runtime's words. Undefined: nobody's, as far as one can tell.
   */
  limitHit(request: CgroupLimiting, before: unknown, failure: string): Promise<LimitHit | undefined>;
  /** At and below `path`. */
  strangers(path: string): Promise<CgroupStranger[]>;
  /** What each group at and below `path` uses, parents first; `isBrief`: without limits, swap, pids and pressure, for a third of the work. */
  usage(path: string, options?: { isBrief?: boolean }): Promise<CgroupUsage[]>;
}
