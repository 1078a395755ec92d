import { command } from './command.ts';
import { ownService } from './daemon/own-service.ts';
import { requireRoot } from './open-kernel.ts';
import { print } from './output/standard-output.ts';

export default command({
  summary: 'start kukeond anew, as after an upgrade of kuke; containers go on',
  examples: [['daemon restart', 'what it was at is finished before, or undone']],
  args: {},
  async run(invocation) {
    requireRoot();
    const daemon = await invocation.program.daemon();
    const service = ownService(invocation);
    await daemon.restart(service);
    print(`kukeond restarted: pid ${daemon.runningDaemon(service.places)?.pid}`);
    return 0;
  },
});
