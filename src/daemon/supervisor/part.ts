/** The supervisor as a part of kukeond. */
import { describe } from '../../kernel/resource.ts';
import { waitingFor } from '../../kernel/session.ts';
import type { StartPart } from '../serve.ts';
import { type SupervisorEvent, startSupervisor } from './index.ts';

const WARNED: ReadonlySet<string> = new Set(['failed', 'unhealthy', 'killed']);

export const startSupervising: StartPart = async ({ engine, log, listeners }) => {
  const over = new AbortController();
  const { ended } = await startSupervisor({
    openKernel: () => engine.open(),
    journal: engine.journal(),
    engine: {
      lockTimeoutMs: engine.lockTimeoutMs,
      progress: () => {},
      notice: message => log.warn(message),
      // A command that kukeond itself runs is nobody else's.
      waits: holder => holder?.pid === process.pid || log.warn(waitingFor(holder)),
    },
    signal: over.signal,
    onRuntime({ what, ...more }) {
      if (what === 'away')
        log.warn('containerd is away: nothing of its containers is seen or started until it is back');
      else log.info('containerd is back', more);
    },
    onChange({ ref, what, members, message, exitCode }: SupervisorEvent) {
      const level = WARNED.has(what) ? 'warn' : 'info';
      const resource = describe(ref);
      const code = exitCode !== undefined && { exitCode };
      for (const heard of listeners) heard({ resource, what, members, ...(message && { message }), ...code });
      // Of a line of the log `message` is what has happened.
      log[level](what, { resource, ...(members.length > 0 && { members }), ...(message && { why: message }), ...code });
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
