import { outputArg, requireAbsolute, uninstallPlugins } from './cni-plugins.ts';
import { command } from './command.ts';
import { tell } from './output/terminal.ts';

export default command({
  summary: 'take kuke’s CNI plugins out of the folders in which they were installed; those of other vendors stay',
  examples: [
    ['cni uninstall', 'from all folders'],
    ['cni uninstall --dir /usr/lib/cni', 'from this one'],
  ],
  args: { dir: { type: 'string', valueHint: 'DIR', description: 'folder of CNI plugins' }, ...outputArg },
  async run(invocation) {
    const { dir, output } = invocation.args;
    const folder = dir === undefined ? undefined : requireAbsolute(dir);
    const none = () => tell('kuke’s CNI plugins are not installed anywhere');
    await uninstallPlugins(invocation, folder, output, none);
    return 0;
  },
});
