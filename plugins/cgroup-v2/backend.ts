/** The Cgroup backend on the cgroup2 file system (spec.md §5). Every action goes by the mount table as it is: a daemon outlives a remount. */
import {
  type ActionContext,
  CGROUP_ROOT,
  type CgroupActions,
  type CgroupBackend,
  explainWith,
  KukeError,
  othersTurn,
  thereWith,
} from 'kuke/plugin';
import { type Cgroup, exists } from '../../src/host/cgroupfs/cgroup.ts';
import { currentMounts, type Mount } from '../../src/host/mountinfo.ts';
import { createCgroup, createMarked, requireOurs } from './create.ts';
import { asCgroupError, throwIfAborted } from './errors.ts';
import { explainCreate, explainLeaf, explainLimit, explainRemove } from './explain.ts';
import { cgroupAt, unifiedRoot } from './hierarchy.ts';
import { hits, limitHit } from './hit.ts';
import { prepareLeaf } from './leaf.ts';
import { type Examined, examine } from './limits/examine.ts';
import { readRecord } from './limits/record.ts';
import { isRemembered, remember, restore } from './limits/restore.ts';
import { setLimits } from './limits/set.ts';
import { ownership } from './mark.ts';
import { observeCgroups } from './observe.ts';
import { observeOom } from './oom.ts';
import { removeCgroup } from './remove.ts';
import { strangersIn } from './strangers.ts';
import { readBriefUsage, readUsage } from './usage.ts';
import { watchCgroups } from './watch.ts';

export interface CgroupOptions {
  /** This installation's id. */
  instance(): Promise<string>;
  mounts?(): readonly Mount[];
  /** Milliseconds that killed processes have to end in. */
  killLimitMs?: number;
}

export function cgroupBackend({
  instance,
  mounts = currentMounts,
  killLimitMs = 30_000,
}: CgroupOptions): CgroupBackend {
  const action =
    <P, R>(act: (params: P, context: ActionContext) => Promise<R>) =>
    async (params: P, context: ActionContext): Promise<R> => {
      try {
        throwIfAborted(context.signal);
        return await act(params, context);
      } catch (error) {
        throw asCgroupError(error);
      }
    };
  const look = async <T>(path: string, seen: (cgroup: Cgroup, table: readonly Mount[]) => T): Promise<Awaited<T>> => {
    try {
      await othersTurn();
      const table = mounts();
      return await seen(cgroupAt(unifiedRoot(table), path), table);
    } catch (error) {
      throw asCgroupError(error);
    }
  };
  const isOurs = async (cgroup: Cgroup) => ownership(cgroup, await instance()) === 'ours';
  return {
    create: action<CgroupActions['create']['params'], void>(async ({ path }) => {
      const id = await instance();
      createCgroup(cgroupAt(unifiedRoot(mounts()), path), id);
    }),
    limit: action<CgroupActions['limit']['params'], void>(async ({ path, limits, leave, take }, { note = ignore }) => {
      const table = mounts();
      const cgroup = cgroupAt(unifiedRoot(table), path);
      const id = await instance();
      requireOurs(cgroup, id);
      createMarked(cgroup, id); // a leaf that a runtime has made is known as ours from now on
      setLimits({ cgroup, limits, leave, take, mounts: table, note });
    }),
    leaf: action<CgroupActions['leaf']['params'], void>(async ({ path, limits, oomKills }, { note = ignore }) => {
      const table = mounts();
      const cgroup = cgroupAt(unifiedRoot(table), path);
      prepareLeaf({ cgroup, limits, oomKills, instance: await instance(), mounts: table, note });
    }),
    remove: action<CgroupActions['remove']['params'], void>(async ({ path, leaves }, { signal }) => {
      const table = mounts();
      const cgroup = cgroupAt(unifiedRoot(table), path);
      await removeCgroup({ cgroup, leaves, instance: await instance(), mounts: table, killLimitMs, signal });
    }),
    observe: (path, options) =>
      look(path, async cgroup => observeCgroups(cgroup, await knownInstance(instance), options)),
    limits: ({ path, limits }) =>
      look(path, (cgroup, table) => examine(cgroup, limits, table).limits.map(({ observation }) => observation)),
    asked: path => look(path, cgroup => readRecord(cgroup)?.asked),
    remember: ({ path, limits }) => look(path, (cgroup, table) => remember(cgroup, limits, table)),
    restore: (path, remembered, { note = ignore }) =>
      look(path, async cgroup => {
        if (!isRemembered(remembered) || !exists(cgroup)) return;
        requireOurs(cgroup, await instance());
        restore(cgroup, remembered, note);
      }),
    oom: path => look(path, observeOom),
    hits: path => look(path, hits),
    limitHit: ({ path, limits }, before, failure) => look(path, cgroup => limitHit(cgroup, limits, before, failure)),
    strangers: path => look(path, strangersIn),
    usage: (path, options) => look(path, cgroup => (options?.isBrief ? readBriefUsage(cgroup) : readUsage(cgroup))),
    watch: (changed, signal) => look(CGROUP_ROOT, cgroup => watchCgroups(cgroup, changed, signal)),
    isThere: thereWith<CgroupActions>({
      create: ({ path }) => look(path, isOurs),
      leaf: ({ path }) => look(path, isOurs),
      limit: ({ path, limits, take }) =>
        look(path, (cgroup, table) => exists(cgroup) && !examine(cgroup, limits, table, take).limits.some(isDue)),
    }),
    explain: explainWith<CgroupActions>({
      create: ({ path }) => explainCreate(mounts(), path),
      limit: ({ path, limits, take }) => explainLimit(mounts(), path, limits, take),
      leaf: ({ path, limits }) => explainLeaf(mounts(), path, limits),
      remove: ({ path }) => explainRemove(mounts(), path),
    }),
  };
}

const ignore = () => {};
const isDue = ({ observation }: Examined) => observation.due;

/** Undefined before `kuke init`, when nothing can be ours yet. */
async function knownInstance(instance: () => Promise<string>): Promise<string | undefined> {
  try {
    return await instance();
  } catch (error) {
    if (error instanceof KukeError && error.code === 'NotInitialised') return undefined;
    throw error;
  }
}
