import { command } from './command.ts';
import { placesOf } from './daemon/own-service.ts';
import { requireRoot } from './open-kernel.ts';
import { print } from './output/standard-output.ts';

export default command({
  summary: 'end kukeond in good order; containers go on, and nothing brings back those that end until it is started',
  examples: [['daemon stop', 'until `kuke daemon start`, or the next boot']],
  args: {},
  async run(invocation) {
    requireRoot();
    const daemon = await invocation.program.daemon();
    const wasRunning = await daemon.stop({ places: placesOf(invocation) });
    print(wasRunning ? 'kukeond stopped; containers go on' : 'kukeond did not run');
    return 0;
  },
});
