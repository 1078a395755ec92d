import { command } from './command.ts';
import { openImages } from './images.ts';
import { print } from './output/standard-output.ts';

export default command({
  summary: 'remove images from a realm, and what only they need',
  examples: [
    ['image rm nginx:alpine', 'short names are understood as Docker does'],
    ['image rm nginx:alpine --realm lab', 'from another realm'],
  ],
  args: {
    name: { type: 'positional', required: true, description: 'name of the image' },
    realm: { type: 'string', valueHint: 'NAME', description: 'realm (main)' },
  },
  async run(invocation) {
    const { images, namespace } = await openImages(invocation);
    await images.remove({ namespace, name: invocation.args.name });
    print(`removed ${invocation.args.name}`);
    return 0;
  },
});
