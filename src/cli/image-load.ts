import { KukeError } from '../kernel/errors.ts';
import { command } from './command.ts';
import { currentConsole } from './console/console.ts';
import { openImages, printDone, realmArg } from './images.ts';
import { makeScript } from './output/explain.ts';
import { makeProgress } from './output/progress.ts';
import { isTerminal } from './output/terminal.ts';
import { planArgs, planFlags } from './plan-flags.ts';

export default command({
  summary: 'load images into a realm from a Docker archive or an OCI layout, as a tar file',
  examples: [
    ['image load -i nginx.tar', 'made by `docker save` or `skopeo copy`'],
    ['image load -i - --realm lab', 'from standard input'],
    ['image load -i nginx.tar --dry-run', 'what is in it'],
  ],
  args: {
    input: {
      type: 'string',
      alias: 'i',
      required: true,
      valueHint: 'FILE',
      description: 'archive, or - for standard input',
    },
    ...realmArg,
    ...planArgs,
  },
  async run(invocation) {
    const { input } = invocation.args;
    const { stdin, files } = currentConsole();
    if (input === '-' && isTerminal(0))
      throw new KukeError('Usage', '-i -: standard input is your terminal', { remedy: 'pipe an archive into it' });
    const { isDryRun, isExplained } = planFlags(invocation.args);
    if (input === '-' && isDryRun && isExplained)
      throw new KukeError('Usage', '-i -: a script cannot have its archive on standard input', {
        remedy: 'name the archive by its file',
      });
    const { what } = input === '-' ? { what: 'other' } : await files.look(input);
    if (what === null)
      throw new KukeError('Usage', `-i ${input}: no such file`, { remedy: 'name an archive, or - for standard input' });
    if (what === 'folder') {
      const remedy = `pack it: \`tar -C ${input} -c . | kuke image load -i -\``;
      throw new KukeError('Usage', `-i ${input}: is a folder, not an archive`, { remedy });
    }
    const { kernel, images, namespace } = await openImages(invocation);
    const progress = makeProgress(invocation.globals.quiet || !isTerminal(2));
    const script = makeScript(kernel, invocation);
    try {
      await script.add(images.explainChange('load', { namespace, file: input }));
      const loaded = await images.load({
        namespace,
        source: input === '-' ? stdin() : files.read(input),
        signal: invocation.signal,
        progress: message => progress.show({ phase: 'progress', resource: input, type: 'load', message }),
      });
      progress.end();
      const names = loaded.map(({ name }) => name);
      await script.add(images.explainChange('own', { namespace, names }));
      for (const name of names) printDone(`loaded ${name}`, invocation.args);
      script.end(true);
    } finally {
      progress.end();
    }
    return 0;
  },
});
