import { command } from './command.ts';
import { openImages, realmArg } from './images.ts';
import { print } from './output/standard-output.ts';

export default command({
  summary: 'give an image one more name',
  examples: [
    ['image tag nginx:alpine web:1', 'docker.io/library/web:1 is the same image from now on'],
    ['image tag sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef web:1', 'one without a name'],
  ],
  args: {
    source: { type: 'positional', required: true, description: 'name of an image, or its digest' },
    name: { type: 'positional', required: true, description: 'the new one: [REGISTRY/]REPOSITORY[:TAG]' },
    ...realmArg,
  },
  async run(invocation) {
    const { images, namespace } = await openImages(invocation);
    const { source, name } = invocation.args;
    print(`tagged ${await images.tag({ namespace, source, name })}`);
    return 0;
  },
});
