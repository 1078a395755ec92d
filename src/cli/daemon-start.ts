import { command } from './command.ts';
import { ownService } from './daemon/own-service.ts';
import { requireRoot } from './open-kernel.ts';
import { print } from './output/standard-output.ts';

export default command({
  summary: 'start kukeond, and wait until it is ready; by systemd where `kuke init` has set up its unit',
  examples: [['daemon start', 'one that runs already stays as it is']],
  args: {},
  async run(invocation) {
    requireRoot();
    const daemon = await invocation.program.daemon();
    const service = ownService(invocation);
    const before = daemon.runningDaemon(service.places);
    await daemon.start(service);
    const now = daemon.runningDaemon(service.places);
    print(before === undefined ? `kukeond started: pid ${now?.pid}` : `kukeond runs already: pid ${before.pid}`);
    return 0;
  },
});
