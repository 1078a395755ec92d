import type { Outcome } from '../kernel/apply.ts';
import { asKukeError, KukeError } from '../kernel/errors.ts';
import { uninstall } from '../kernel/host.ts';
import { readTree } from '../kernel/observe.ts';
import { uninstallPlugins } from './cni-plugins.ts';
import { command, type Invocation } from './command.ts';
import { endDaemon } from './daemon/set-up.ts';
import { openJournal, openKernel, requireRoot, withEngine } from './open-kernel.ts';
import { confirm } from './output/confirm.ts';
import { warn } from './output/failure.ts';
import { printPlanned } from './output/plan.ts';
import { print } from './output/standard-output.ts';
import { planArgs } from './plan-flags.ts';

export default command({
  summary: 'remove everything that kuke has made on this host: cells, networks, rules, cgroups, images, files',
  examples: [
    ['uninstall', 'asks first'],
    ['uninstall --yes', 'for scripts'],
  ],
  args: { yes: { type: 'boolean', alias: 'y', description: 'do not ask' }, ...planArgs },
  async run(invocation) {
    requireRoot(invocation);
    const kernel = await openKernel(invocation);
    const isSetUp = (await (await kernel.use('store')).instance()) !== undefined;
    const cells = (await readTree(kernel)).all('Cell').length;
    if (isSetUp && !invocation.args.yes && !kernel.dryRun)
      await requireYes(
        `Remove kuke's ${cells} cell${cells === 1 ? '' : 's'} and all else that it has made?`,
        invocation,
      );
    const removed: Outcome[] = [];
    const bringDaemonBack = await endDaemon(invocation);
    try {
      await withEngine(invocation, options =>
        uninstall(kernel, openJournal(invocation), options, outcomes => removed.push(...outcomes)),
      );
    } catch (thrown) {
      await bringDaemonBack().catch(fault => warn(`kukeond does not run: ${asKukeError(fault).fault}`));
      throw thrown;
    } finally {
      // What has failed of them is part of the error that follows.
      await printPlanned(
        invocation,
        kernel,
        removed.map(({ error: _, ...outcome }) => outcome),
      );
    }
    if (kernel.dryRun) return 0;
    if (isSetUp) print('kuke has left this host; the program itself is yours to remove');
    else {
      // Also a host on which kuke was never set up may have its CNI plugins.
      const none = () => print('kuke has not been set up here: there is nothing to remove');
      await uninstallPlugins(invocation, undefined, 'table', none);
    }
    return 0;
  },
});

async function requireYes(question: string, { signal }: Pick<Invocation, 'signal'>): Promise<void> {
  if (await confirm(question, signal)) return;
  throw new KukeError('Cancelled', 'nothing was removed', { remedy: 'answer yes, or say --yes' });
}
