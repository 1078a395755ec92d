/** kukeond, as src/main.ts hands it to the command line: the process itself, and what starts, ends and looks after it. */
import { type ServeOptions, serve } from './serve.ts';

export { isOwnGroup, makeGroup, removeGroup } from './group.ts';
export { hasUnit, isSystemd, restart, setUp, start, stop, tearDown } from './service.ts';
export { runningDaemon } from './single-instance.ts';

export async function serveDaemon(daemon: ServeOptions): Promise<void> {
  // The command line's own, which take a signal for the wish to be done.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.removeAllListeners(signal);
  const { startSupervising } = await import('./supervisor/part.ts');
  await serve(daemon, [startSupervising]);
}
