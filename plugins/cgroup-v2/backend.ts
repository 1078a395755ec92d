/** The Cgroup backend on the cgroup2 file system (spec.md §5). Every action reads the mount table anew: a daemon outlives a remount. */
import {
  type ActionContext,
  type CgroupActions,
  type CgroupBackend,
  eachLimit,
  explainWith,
  KukeError,
  thereWith,
} from 'kuke/plugin';
import { type Mount, readMounts } from '../../src/host/mountinfo.ts';
import { createCgroup, createMarked } from './create.ts';
import { asCgroupError, throwIfAborted } from './errors.ts';
import { explainCreate, explainRemove } from './explain.ts';
import { cgroupAt, unifiedRoot } from './hierarchy.ts';
import { ownership } from './mark.ts';
import { observeCgroups } from './observe.ts';
import { removeCgroup } from './remove.ts';

export interface CgroupOptions {
  /** This installation's id. */
  instance(): Promise<string>;
  mounts?(): Mount[];
  /** Milliseconds that killed processes have to end in. */
  killLimitMs?: number;
}

export function cgroupBackend({ instance, mounts = readMounts, killLimitMs = 30_000 }: CgroupOptions): CgroupBackend {
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
  return {
    create: action<CgroupActions['create']['params'], CgroupActions['create']['result']>(async ({ path }) => {
      const id = await instance();
      return createCgroup(cgroupAt(unifiedRoot(mounts()), path), id);
    }),
    limit: action<CgroupActions['limit']['params'], void>(async ({ limits }) => {
      if (eachLimit(limits).length > 0) throw new KukeError('Internal', 'no limits are set yet');
    }),
    leaf: action<CgroupActions['leaf']['params'], void>(async ({ path }) => {
      createMarked(cgroupAt(unifiedRoot(mounts()), path), await instance());
    }),
    remove: action<CgroupActions['remove']['params'], void>(async ({ path, leaves }, { signal }) => {
      const table = mounts();
      const cgroup = cgroupAt(unifiedRoot(table), path);
      await removeCgroup({ cgroup, leaves, instance: await instance(), mounts: table, killLimitMs, signal });
    }),
    async observe(path) {
      try {
        return observeCgroups(cgroupAt(unifiedRoot(mounts()), path), await knownInstance(instance));
      } catch (error) {
        throw asCgroupError(error);
      }
    },
    async limits({ limits }) {
      return eachLimit(limits).map(([field, asked]) => ({
        field,
        file: '',
        asked,
        manual: false,
        notEnforced: 'not yet',
        due: false,
      }));
    },
    asked: async () => undefined,
    oom: async () => undefined,
    usage: async () => [],
    isThere: thereWith<CgroupActions>({
      async create({ path }) {
        try {
          return ownership(cgroupAt(unifiedRoot(mounts()), path), await instance()) === 'ours';
        } catch (error) {
          throw asCgroupError(error);
        }
      },
    }),
    explain: explainWith<CgroupActions>({
      create: ({ path }) => explainCreate(mounts(), path),
      limit: () => ':',
      leaf: ({ path }) => explainCreate(mounts(), path),
      remove: ({ path }) => explainRemove(mounts(), path),
    }),
  };
}

/** Undefined before `kuke init`, when nothing can be ours yet. */
async function knownInstance(instance: () => Promise<string>): Promise<string | undefined> {
  try {
    return await instance();
  } catch (error) {
    if (error instanceof KukeError && error.code === 'NotInitialised') return undefined;
    throw error;
  }
}
