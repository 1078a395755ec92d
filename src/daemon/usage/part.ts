/** Reads every few seconds what the cgroups use, from cgroupfs alone. */
import { CGROUP_ROOT } from '../../kernel/cgroups.ts';
import { asKukeError } from '../../kernel/errors.ts';
import { readingOf } from '../../kernel/usage.ts';
import type { StartPart } from '../serve.ts';
import type { UsageHistory } from './history.ts';

/** A reading of 200 groups (100 cells) takes some 10 ms of processor time: half a thousandth of a core. */
export const INTERVAL_MS = 20_000;

export const startKeepingUsage =
  (history: UsageHistory): StartPart =>
  async ({ engine, log }) => {
    const open = async () => (await engine.open({ reads: true, needs: ['backend:cgroup'] })).use('cgroup');
    let backend: ReturnType<typeof open> | undefined;
    let told: string | undefined;
    const look = async (): Promise<void> => {
      try {
        backend ??= open();
        history.add(readingOf(await (await backend).usage(CGROUP_ROOT, { isBrief: true })));
        told = undefined;
      } catch (thrown) {
        backend = undefined;
        const error = asKukeError(thrown);
        if (told !== error.summary) log.warn('what cgroups use cannot be read', { error });
        told = error.summary;
      }
    };
    let looking = look();
    const timer = setInterval(() => {
      looking = looking.then(look);
    }, history.intervalMs).unref();
    return {
      name: 'the usage',
      async stop() {
        clearInterval(timer);
        await looking;
      },
    };
  };
