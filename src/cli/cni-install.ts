import { KukeError } from '../kernel/errors.ts';
import { changePlugins, outputArg, printPlugins, requireAbsolute } from './cni-plugins.ts';
import { command } from './command.ts';

export default command({
  summary:
    'lay the CNI plugins down in a folder, for kubelet, containerd, podman and other runtimes; kuke itself needs no files',
  examples: [
    ['cni install', 'into /opt/cni/bin; once more after an upgrade of kuke'],
    ['cni install --dir /usr/lib/cni', 'into another folder'],
    ['cni install --force', 'in place of another vendor’s plugins, too'],
  ],
  args: {
    dir: { type: 'string', default: '/opt/cni/bin', valueHint: 'DIR', description: 'folder of CNI plugins' },
    force: { type: 'boolean', description: 'replace plugins of another vendor' },
    ...outputArg,
  },
  async run(invocation) {
    const { dir, force = false, output } = invocation.args;
    const folder = requireAbsolute(dir);
    const files = await changePlugins(invocation, (plugins, runPath) => plugins.install(folder, { force, runPath }));
    printPlugins(files, output);
    const left = files.filter(({ result }) => result === 'left').map(({ plugin }) => plugin);
    if (left.length === 0) return 0;
    const which = left.length === 1 ? `${left[0]} is` : `${left.join(', ')} are`;
    throw new KukeError(
      'Conflict',
      `in ${folder}, ${which} another vendor's, and stay${left.length === 1 ? 's' : ''}`,
      {
        remedy: 'choose another folder with --dir, or replace them with --force if no kubelet needs them',
      },
    );
  },
});
