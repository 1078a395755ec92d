import { KukeError } from '../kernel/errors.ts';
import { command } from './command.ts';
import { currentConsole } from './console/console.ts';
import { openImages } from './images.ts';
import { makeProgress } from './output/progress.ts';
import { print } from './output/standard-output.ts';
import { isTerminal } from './output/terminal.ts';

export default command({
  summary: 'load images into a realm from a Docker archive or an OCI layout, as a tar file',
  examples: [
    ['image load -i nginx.tar', 'made by `docker save` or `skopeo copy`'],
    ['image load -i - --realm lab', 'from standard input'],
  ],
  args: {
    input: {
      type: 'string',
      alias: 'i',
      required: true,
      valueHint: 'FILE',
      description: 'archive, or - for standard input',
    },
    realm: { type: 'string', valueHint: 'NAME', description: 'realm (main)' },
  },
  async run(invocation) {
    const { input } = invocation.args;
    const { stdin, files } = currentConsole();
    if (input === '-' && isTerminal(0))
      throw new KukeError('Usage', '-i -: standard input is your terminal', { remedy: 'pipe an archive into it' });
    const { what } = input === '-' ? { what: 'other' } : await files.look(input);
    if (what === null)
      throw new KukeError('Usage', `-i ${input}: no such file`, { remedy: 'name an archive, or - for standard input' });
    if (what === 'folder') {
      const remedy = `pack it: \`tar -C ${input} -c . | kuke image load -i -\``;
      throw new KukeError('Usage', `-i ${input}: is a folder, not an archive`, { remedy });
    }
    const { images, namespace } = await openImages(invocation);
    const progress = makeProgress(invocation.globals.quiet || !isTerminal(2));
    try {
      const source = input === '-' ? stdin() : files.read(input);
      const loaded = await images.load({
        namespace,
        source,
        signal: invocation.signal,
        progress: message => progress.show({ phase: 'progress', resource: input, type: 'load', message }),
      });
      progress.end();
      for (const image of loaded) print(`loaded ${image.name}`);
    } finally {
      progress.end();
    }
    return 0;
  },
});
