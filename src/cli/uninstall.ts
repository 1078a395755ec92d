import { KukeError } from '../kernel/errors.ts';
import { uninstall } from '../kernel/host.ts';
import { readTree } from '../kernel/observe.ts';
import { command } from './command.ts';
import { openJournal, openKernel, requireRoot, withEngine } from './open-kernel.ts';
import { printOutcomes } from './output/outcomes.ts';
import { print } from './output/standard-output.ts';
import { isTerminal } from './output/terminal.ts';

export default command({
  summary: 'remove everything that kuke has made on this host: cells, networks, rules, cgroups, images, files',
  examples: [
    ['uninstall', 'asks first'],
    ['uninstall --yes', 'for scripts'],
  ],
  args: { yes: { type: 'boolean', alias: 'y', description: 'do not ask' } },
  async run(invocation) {
    requireRoot();
    const kernel = await openKernel(invocation);
    const isSetUp = (await (await kernel.use('store')).instance()) !== undefined;
    const cells = (await readTree(kernel)).all('Cell').length;
    if (isSetUp && !invocation.args.yes)
      await confirm(`Remove kuke's ${cells} cell${cells === 1 ? '' : 's'} and all else that it has made?`);
    const outcomes = await withEngine(invocation, options => uninstall(kernel, openJournal(invocation), options));
    const status = printOutcomes(outcomes);
    if (!isSetUp) print('kuke has not been set up here: there is nothing to remove');
    else if (status === 0) print('kuke has left this host; the program itself is yours to remove');
    return status;
  },
});

async function confirm(question: string): Promise<void> {
  if (!isTerminal(2) || !process.stdin.isTTY) throw new KukeError('Usage', 'nobody to ask', { remedy: 'say --yes' });
  const { consola } = await import('consola');
  if ((await consola.prompt(question, { type: 'confirm', initial: false })) !== true) {
    throw new KukeError('Cancelled', 'nothing was removed', { remedy: 'answer yes, or say --yes' });
  }
}
