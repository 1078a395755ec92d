import { command } from './command.ts';
import { openImages, printDone, realmArg } from './images.ts';
import { makeScript } from './output/explain.ts';
import { planArgs } from './plan-flags.ts';

export default command({
  summary: 'give an image one more name',
  examples: [
    ['image tag nginx:alpine web:1', 'docker.io/library/web:1 is the same image from now on'],
    ['image tag sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef web:1', 'one without a name'],
    ['image tag nginx:alpine web:1 --dry-run --explain', 'as a script'],
  ],
  args: {
    image: { type: 'positional', required: true, description: 'name of an image, or its digest' },
    name: { type: 'positional', required: true, description: 'the new one: [REGISTRY/]REPOSITORY[:TAG]' },
    ...realmArg,
    ...planArgs,
  },
  async run(invocation) {
    const { kernel, images, namespace } = await openImages(invocation);
    const { image: source, name } = invocation.args;
    const script = makeScript(kernel, invocation);
    const request = { namespace, source, name };
    const full = await images.tag({ ...request, dryRun: true });
    const { name: found } = await images.inspect({ namespace, name: source });
    await script.add(images.explainChange('tag', { namespace, source: found, name: full }));
    printDone(`tagged ${await images.tag(request)}`, invocation.args);
    script.end(true);
    return 0;
  },
});
