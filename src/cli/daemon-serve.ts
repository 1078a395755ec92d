import { join } from 'node:path';
import { auditedJournal } from '../kernel/audited-journal.ts';
import { DEFAULT_RUN_PATH } from '../kernel/daemon-places.ts';
import { makeJournal } from '../kernel/journal.ts';
import { auditFile, auditOf } from './audit.ts';
import { command } from './command.ts';
import { currentConsole } from './console/console.ts';
import type { DaemonSettings } from './daemon/door.ts';
import { placesOf } from './daemon/own-service.ts';
import { type GlobalFlags, readGlobals } from './global-flags.ts';
import { openKernel, requireRoot } from './open-kernel.ts';

export default command({
  summary: 'be kukeond, in this very process, until SIGTERM; SIGHUP has it read its configuration anew',
  examples: [
    ['daemon serve', 'what systemd’s unit runs; the same as `kukeond`'],
    ['daemon serve --run-path /srv/kuke', 'for another installation on this host'],
  ],
  args: {},
  async run(invocation) {
    const { signal } = invocation;
    const program = { ...invocation.program, isDaemon: true as const };
    requireRoot();
    let globals = invocation.globals;
    const current = () => ({ ...invocation, program, line: 'kukeond', signal, globals });
    const settings = async (): Promise<DaemonSettings> => {
      globals = await readAgain(invocation.globals, program);
      const { logs, daemon: { logLevel = 'info', metricsPort } = {} } = globals.config;
      return { logLevel, ...(metricsPort !== undefined && { metricsPort }), ...(logs && { logs }) };
    };
    const { recovered } = auditOf(current());
    const daemon = await program.daemon();
    await daemon.serveDaemon({
      places: placesOf(invocation),
      runPath: globals.runPath,
      version: await program.version(),
      settings,
      answersCni: globals.runPath === DEFAULT_RUN_PATH,
      audit: auditFile(globals),
      runCommandLine: (await import('./console/serve.ts')).runWith(program, ownVariables(globals)),
      engine: {
        open: ({ reads, needs, isDryRun = false } = {}) =>
          openKernel(
            { ...current(), args: { 'dry-run': isDryRun } },
            { ...(reads !== undefined && { reads }), ...(needs && { needs }) },
          ),
        // Who has asked for what is told where it is known: by the API, and by the command lines of clients.
        journal: () =>
          auditedJournal(makeJournal(join(globals.runPath, '.kuke/journal')), { begun: () => {}, recovered }),
        get lockTimeoutMs() {
          return globals.lockTimeoutMs;
        },
      },
    });
    return 0;
  },
});

/** By which command lines in the daemon work on what it works on. */
function ownVariables({ runPath, containerdSocket, configPath }: GlobalFlags): Record<string, string> {
  return {
    KUKE_RUN_PATH: runPath,
    KUKE_CONTAINERD_SOCKET: containerdSocket,
    ...(configPath !== undefined && { KUKE_CONFIG: configPath }),
  };
}

/** What the configuration file says by now; where the state and containerd are stays as it was. */
function readAgain(globals: GlobalFlags, program: Parameters<typeof readGlobals>[2]): Promise<GlobalFlags> {
  const { runPath, containerdSocket, configPath } = globals;
  const flags = { 'run-path': runPath, 'containerd-socket': containerdSocket, config: configPath };
  return readGlobals(flags, currentConsole().env, program);
}
