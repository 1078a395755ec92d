/** Looking again and again, each time because something has changed: told by events of files, containerd and cgroups. Nothing is polled. */
import type { Watchable } from './backends/watch.ts';
import { asKukeError } from './errors.ts';
import type { Kernel } from './registry.ts';

/** What belongs together comes together: a start is a dozen events. */
const GATHER_MS = 20;

/**
 * `look` is called at once, and after each change, until it resolves to false, `signal` aborts, or `over` resolves. What it resolves to as a
 * number is milliseconds: it is called again then, change or not.
 */
export async function followChanges(
  kernel: Kernel,
  signal: AbortSignal,
  look: () => Promise<boolean | number>,
  over?: Promise<void>,
): Promise<void> {
  const ended = new AbortController();
  const until = AbortSignal.any([signal, ended.signal]);
  const end = Promise.withResolvers<void>();
  until.addEventListener('abort', () => end.resolve(), { once: true });
  over?.then(() => ended.abort());
  let changed = Promise.withResolvers<void>();
  // Without the store there is nothing to be seen, without the others less.
  const begin = async (name: 'store' | 'runtime' | 'cgroup'): Promise<void> => {
    try {
      const backend: Watchable = await kernel.use(name);
      await backend.watch?.(() => changed.resolve(), until);
    } catch (thrown) {
      if (name === 'store') throw thrown;
      if (!until.aborted) kernel.warn(`changes of the ${name} are not seen: ${asKukeError(thrown).summary}`);
    }
  };
  try {
    await Promise.all([begin('store'), begin('runtime'), begin('cgroup')]);
    while (!until.aborted) {
      changed = Promise.withResolvers();
      const next = await look();
      if (next === false) return;
      const timer = typeof next === 'number' ? setTimeout(changed.resolve, next) : undefined;
      await Promise.race([changed.promise, end.promise]);
      clearTimeout(timer);
      if (!until.aborted) await Bun.sleep(GATHER_MS);
    }
  } finally {
    ended.abort();
  }
}
