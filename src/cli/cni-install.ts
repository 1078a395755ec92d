import { KukeError } from '../kernel/errors.ts';
import { auditOf } from './audit.ts';
import { changePlugins, foreseen, pluginsChanged, printPlugins, requireAbsolute } from './cni-plugins.ts';
import { command } from './command.ts';
import { warn } from './output/failure.ts';
import { tableOutputArg } from './output-arg.ts';
import { planArgs } from './plan-flags.ts';

const conflicts = [
  {
    result: 'left',
    are: (one: boolean) => (one ? "is another vendor's, and stays" : "are another vendor's, and stay"),
    remedy:
      'choose another folder with --dir, or end the pods that they have attached, and replace them with --force if no kubelet needs them',
  },
  {
    result: 'blocked',
    are: (one: boolean) => (one ? 'is a folder, and stays' : 'are folders, and stay'),
    remedy:
      'where a folder has the name of a plugin, move it away, and run the command again: not even --force replaces it',
  },
];

const ATTACHED_BEFORE =
  "pods that the replaced plugins have attached go on, and kuke's plugins will take them down, with their rules of iptables-nft; rules of " +
  'iptables-legacy, and tables of nftables of their own, stay: pods that have such had to be ended first';

export default command({
  summary:
    'lay the CNI plugins down in a folder, for kubelet, containerd, podman and other runtimes; kuke itself needs no files',
  examples: [
    ['cni install', 'into /opt/cni/bin; once more after an upgrade of kuke'],
    ['cni install --dir /usr/lib/cni', 'into another folder'],
    ['cni install --force', 'in place of another vendor’s plugins, too'],
    ['cni install --force --dry-run', 'which these are'],
  ],
  args: {
    dir: { type: 'string', default: '/opt/cni/bin', valueHint: 'DIR', description: 'folder of CNI plugins' },
    force: { type: 'boolean', description: 'replace plugins of another vendor' },
    ...tableOutputArg,
    ...planArgs,
  },
  async run(invocation) {
    const { dir, force = false, output } = invocation.args;
    const folder = requireAbsolute(dir);
    const files =
      (await foreseen(invocation, (plugins, runPath) => plugins.foreseeInstall(folder, { force, runPath }))) ??
      (await auditOf(invocation).of(
        () => changePlugins(invocation, (plugins, runPath) => plugins.install(folder, { force, runPath })),
        pluginsChanged,
      ));
    printPlugins(files, output, invocation.args);
    if (files.some(({ result }) => result === 'replaced')) warn(ATTACHED_BEFORE);
    const problems = conflicts.flatMap(({ result, are, remedy }) => {
      const names = files.filter(file => file.result === result).map(({ plugin }) => plugin);
      return names.length === 0 ? [] : [{ what: `${names.join(', ')} ${are(names.length === 1)}`, remedy }];
    });
    if (problems.length === 0) return 0;
    const remedy = problems.map(problem => problem.remedy).join('; ');
    throw new KukeError('Conflict', `in ${folder}, ${problems.map(({ what }) => what).join('; ')}`, { remedy });
  },
});
