/** The tree of cgroups (spec.md §5). Paths are `/kukeon/<realm>/...`, relative to the cgroup2 mount. */
import type { Backend } from './backend.ts';

export interface CgroupRequest {
  /** `/kukeon/main/default`; its parent exists already; `/kukeon` itself is made first. */
  path: string;
}

export interface CgroupRemoval extends CgroupRequest {
  /** Names of groups in it that a runtime makes; any other that carries no mark is somebody else's then. Absent: all are a runtime's. */
  leaves?: string[];
}

export interface CgroupCreated {
  /** Controllers that the host does not offer here, so that limits of these kinds are not enforced. */
  missing: string[];
}

export interface CgroupActions {
  /** One level, controllers delegated to it as far as the host has them; one that is ours and there already is left as it is. */
  create: { params: CgroupRequest; result: CgroupCreated };
  /** Kills what runs below (`cgroup.kill`) and removes the subtree, also from v1 hierarchies. Absent: nothing to do. */
  remove: { params: CgroupRemoval; result: void };
}

export interface CgroupObservation {
  path: string;
  /** Carries this instance's mark. */
  ours: boolean;
  controllers: string[];
  missing: string[];
  populated: boolean;
  /** Nothing in it runs on, and nothing that is started in it begins to: by `cgroup.freeze` of its own or of a group above. */
  frozen: boolean;
}

export interface CgroupBackend extends Backend<CgroupActions> {
  /** All groups at and below `path`, parents first; empty when there is none. */
  observe(path: string): Promise<CgroupObservation[]>;
}
