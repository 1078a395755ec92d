/** What the supervisor has seen and done, for `kuke events`. */
import { appendEvent } from '../kernel/events.ts';
import type { DaemonEvent } from './serve.ts';

/** `failed` is told once, for what is not written now may be written the next time. */
export function recordTo(runPath: string, failed: (thrown: unknown) => void): (event: DaemonEvent) => void {
  let isBroken = false;
  return ({ resource, what, members, message, exitCode }) => {
    if (what === 'deleted') return; // it stands in the audit log
    try {
      appendEvent(runPath, {
        at: new Date().toISOString(),
        resource,
        what,
        ...(members.length > 0 && { containers: [...members] }),
        ...(exitCode !== undefined && { exitCode }),
        ...(message !== undefined && { message }),
      });
      isBroken = false;
    } catch (thrown) {
      if (!isBroken) failed(thrown);
      isBroken = true;
    }
  };
}
