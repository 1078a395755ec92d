/** kukeond, as src/main.ts hands it to the command line: the process itself, and what starts, ends and looks after it. */
import type { PartOptions } from './parts.ts';
import { type ServeOptions, serve } from './serve.ts';

export { isOwnGroup, makeGroup, removeGroup } from './group.ts';
export { hasUnit, isSystemd, restart, setUp, start, stop, tearDown } from './service.ts';
export { runningDaemon } from './single-instance.ts';

export async function serveDaemon(daemon: ServeOptions & PartOptions): Promise<void> {
  // The command line's own, which take a signal for the wish to be done.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.removeAllListeners(signal);
  const { partsOf } = await import('./parts.ts');
  await serve(daemon, partsOf(daemon));
}
