import { command } from './command.ts';
import { currentConsole } from './console/console.ts';
import type { DaemonSettings } from './daemon/door.ts';
import { placesOf } from './daemon/own-service.ts';
import { type GlobalFlags, readGlobals } from './global-flags.ts';
import { openJournal, openKernel, requireRoot } from './open-kernel.ts';

export default command({
  summary: 'be kukeond, in this very process, until SIGTERM; SIGHUP has it read its configuration anew',
  examples: [
    ['daemon serve', 'what systemd’s unit runs; the same as `kukeond`'],
    ['daemon serve --run-path /srv/kuke', 'for another installation on this host'],
  ],
  args: {},
  async run(invocation) {
    const { program, signal } = invocation;
    requireRoot();
    let globals = invocation.globals;
    const current = () => ({ ...invocation, line: 'kukeond', signal, globals });
    const settings = async (): Promise<DaemonSettings> => {
      globals = await readAgain(invocation.globals, program);
      const { logLevel = 'info', metricsPort } = globals.config.daemon ?? {};
      return { logLevel, ...(metricsPort !== undefined && { metricsPort }) };
    };
    await (await program.daemon()).serveDaemon({
      places: placesOf(invocation),
      runPath: globals.runPath,
      version: await program.version(),
      settings,
      engine: {
        open: ({ reads, needs, isDryRun = false } = {}) =>
          openKernel(
            { ...current(), args: { 'dry-run': isDryRun } },
            { ...(reads !== undefined && { reads }), ...(needs && { needs }) },
          ),
        journal: () => openJournal(current()),
        get lockTimeoutMs() {
          return globals.lockTimeoutMs;
        },
      },
    });
    return 0;
  },
});

/** What the configuration file says by now; where the state and containerd are stays as it was. */
function readAgain(globals: GlobalFlags, program: Parameters<typeof readGlobals>[2]): Promise<GlobalFlags> {
  const { runPath, containerdSocket, configPath } = globals;
  const flags = { 'run-path': runPath, 'containerd-socket': containerdSocket, config: configPath };
  return readGlobals(flags, currentConsole().env, program);
}
