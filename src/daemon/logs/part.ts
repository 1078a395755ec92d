/** Keeping the logs of containers as a part of kukeond: how large they may become, and by when what was written. */
import { asKukeError } from '../../kernel/errors.ts';
import { type LogLimits, logRotation } from '../../kernel/log-limits.ts';
import { readTree } from '../../kernel/observe.ts';
import type { Kernel } from '../../kernel/registry.ts';
import type { StartPart } from '../serve.ts';
import { makeLogWatch } from './log-watch.ts';

/** What is stored is read again so seldom, and takes a tenth of the time at most. */
const LEAST_REST_MS = 1000;
const REST = 10;
/** Logs that were not there yet, and changes that nobody has told of. */
const SWEEP_MS = 30_000;

export const startKeepingLogs: StartPart = async ({ engine, log }, settings) => {
  let { logs: limits } = settings;
  const over = new AbortController();
  /** By path: what was last said of it. */
  const told = new Map<string, string>();
  const once = (path: string, thrown: unknown): void => {
    const { message } = asKukeError(thrown);
    if (told.get(path) === message) return;
    told.set(path, message);
    log.warn('a log cannot be rotated', { log: path, error: message });
  };
  const watch = makeLogWatch(once);
  let kernel: Promise<Kernel> | undefined;
  let timer: Timer | undefined;
  let dueAt = Number.POSITIVE_INFINITY;
  let restedAt = 0;
  let isWatched = false;
  let known: Awaited<ReturnType<typeof logsOf>> | undefined;
  let version = 0;

  const lookIn = (ms: number): void => {
    const at = Math.max(performance.now() + ms, restedAt);
    if (over.signal.aborted || at >= dueAt) return;
    clearTimeout(timer);
    dueAt = at;
    timer = setTimeout(() => void look(), Math.max(0, at - performance.now())).unref();
  };
  const readAnew = (): void => {
    version++;
    known = undefined;
    lookIn(0);
  };
  const look = async (): Promise<void> => {
    const began = performance.now();
    dueAt = Number.POSITIVE_INFINITY;
    try {
      kernel ??= engine.open({ reads: true });
      await followStore(await kernel);
      const before = version;
      known ??= await logsOf(await kernel, limits);
      watch.set(known);
      for (const path of told.keys()) if (!known.has(path)) told.delete(path);
      if (!isWatched || before !== version) known = undefined;
    } catch {
      kernel = known = undefined; // nothing is set up yet, or the supervisor tells what is wrong with the files
    }
    restedAt = performance.now() + Math.max(LEAST_REST_MS, (performance.now() - began) * REST);
    lookIn(SWEEP_MS);
  };
  const followStore = async (from: Kernel): Promise<void> => {
    if (isWatched) return;
    const store = await from.use('store');
    await store.watch?.(readAnew, over.signal);
    isWatched = store.watch !== undefined;
  };

  lookIn(0);
  return {
    name: 'the logs of containers',
    async reload(next) {
      limits = next.logs;
      readAnew();
    },
    async stop() {
      over.abort();
      clearTimeout(timer);
      await watch.stop();
    },
  };
};

interface Said {
  containers?: { id: string; logPath?: string; logs?: LogLimits }[];
  initContainers?: { id: string; logPath?: string; logs?: LogLimits }[];
}
const allOf = ({ containers = [], initContainers = [] }: Said = {}) => [...containers, ...initContainers];

/** Of all cells, as they were when they were last changed. */
async function logsOf(kernel: Kernel, limits: LogLimits | undefined) {
  const cells = (await readTree(kernel)).all('Cell');
  return new Map(
    cells.flatMap(({ spec, manifest }) => {
      const said = new Map(allOf(spec as Said).map(({ id, logs }) => [id, logs]));
      return allOf(manifest.status as Said | undefined).flatMap(({ id, logPath }) =>
        logPath === undefined ? [] : [[logPath, logRotation(said.get(id), limits)] as const],
      );
    }),
  );
}
