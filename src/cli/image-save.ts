import { command } from './command.ts';
import { openImages, realmArg } from './images.ts';
import { requireReader, saveTo } from './output/archive-file.ts';
import { tell } from './output/terminal.ts';

export default command({
  summary: 'save images as an archive, which `kuke image load`, `docker load` and `ctr images import` take',
  examples: [
    ['image save nginx:alpine -o nginx.tar', 'one'],
    ['image save nginx:alpine busybox -o - | gzip > both.tar.gz', 'several, to standard output'],
  ],
  args: {
    name: { type: 'positional', required: true, description: 'name of an image, as `image ls` has it, or its digest' },
    output: {
      type: 'string',
      alias: 'o',
      required: true,
      valueHint: 'FILE',
      description: 'archive that is written, or - for standard output',
    },
    ...realmArg,
  },
  repeatable: ['name'],
  async run(invocation) {
    const { output } = invocation.args;
    await requireReader(output);
    const { images, namespace } = await openImages(invocation);
    const names = invocation.lists.name ?? [];
    await saveTo(output, await images.save({ namespace, names, signal: invocation.signal }), invocation.program);
    if (output !== '-' && !invocation.globals.quiet) tell(`saved ${names.join(', ')} to ${output}`);
    return 0;
  },
});
