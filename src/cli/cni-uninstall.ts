import { auditOf } from './audit.ts';
import { foreseen, pluginsChanged, printPlugins, requireAbsolute, uninstallPlugins } from './cni-plugins.ts';
import { command } from './command.ts';
import { tell } from './output/terminal.ts';
import { tableOutputArg } from './output-arg.ts';
import { planArgs } from './plan-flags.ts';

export default command({
  summary: 'take kuke’s CNI plugins out of the folders in which they were installed; those of other vendors stay',
  examples: [
    ['cni uninstall', 'from all folders'],
    ['cni uninstall --dir /usr/lib/cni', 'from this one'],
  ],
  args: {
    dir: { type: 'string', valueHint: 'DIR', description: 'folder of CNI plugins' },
    ...tableOutputArg,
    ...planArgs,
  },
  async run(invocation) {
    const { dir, output } = invocation.args;
    const folder = dir === undefined ? undefined : requireAbsolute(dir);
    const none = () => tell('kuke’s CNI plugins are not installed anywhere');
    const forecast = await foreseen(invocation, (plugins, runPath) => plugins.foreseeUninstall(folder, runPath));
    if (forecast !== undefined) printPlugins(forecast, output, invocation.args);
    if (forecast?.length === 0) none();
    if (forecast !== undefined) return 0;
    await auditOf(invocation).of(() => uninstallPlugins(invocation, folder, output, none), pluginsChanged);
    return 0;
  },
});
