/** The supervisor as a part of kukeond. */
import { describe } from '../../kernel/resource.ts';
import type { StartPart } from '../serve.ts';
import { type SupervisorEvent, startSupervisor } from './index.ts';

export const startSupervising: StartPart = async ({ engine, log, listeners }) => {
  const over = new AbortController();
  const { ended } = await startSupervisor({
    openKernel: () => engine.open(),
    journal: engine.journal(),
    engine: {
      lockTimeoutMs: engine.lockTimeoutMs,
      progress: () => {},
      notice: message => log.warn(message),
    },
    signal: over.signal,
    onChange({ ref, what, members, message }: SupervisorEvent) {
      const level = what === 'failed' || what === 'unhealthy' ? 'warn' : 'info';
      const resource = describe(ref);
      for (const heard of listeners) heard({ resource, what, members });
      log[level](what, {
        resource,
        ...(members.length > 0 && { members }),
        ...(message && { message }),
      });
    },
  });
  return {
    name: 'the supervisor',
    async stop() {
      over.abort();
      await ended;
    },
  };
};
