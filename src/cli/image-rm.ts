import type { ImagesBackend } from '../kernel/backends/index.ts';
import { asKukeError, KukeError } from '../kernel/errors.ts';
import { command } from './command.ts';
import { openImages, printDone, realmArg } from './images.ts';
import { makeScript } from './output/explain.ts';
import { printFailure } from './output/failure.ts';
import { planArgs } from './plan-flags.ts';

export default command({
  summary: 'remove images from a realm, and what only they need',
  examples: [
    ['image rm nginx:alpine', 'short names are understood as Docker does'],
    ['image rm nginx:alpine busybox --realm lab', 'several, from another realm'],
    ['image rm sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', 'all names of a digest'],
  ],
  args: {
    name: { type: 'positional', required: true, description: 'name of an image, as `image ls` has it, or its digest' },
    ...realmArg,
    ...planArgs,
  },
  repeatable: ['name'],
  async run(invocation) {
    const { kernel, images, namespace } = await openImages(invocation);
    const { realm } = invocation.args;
    const script = makeScript(kernel, invocation);
    const remedy = `see \`kuke image ls${realm === undefined ? '' : ` --realm ${realm}`}\``;
    let status = 0;
    for (const name of invocation.lists.name ?? []) {
      invocation.signal.throwIfAborted();
      const before = (full: string) => script.add(images.explainChange('remove', { namespace, names: [full] }));
      const error = await failureOf(images, { namespace, name }, before, remedy);
      if (error === undefined) printDone(`removed ${name}`, invocation.args);
      else printFailure(error);
      status ||= error?.exitCode ?? 0;
    }
    script.end(status === 0);
    return status;
  },
});

async function failureOf(
  images: ImagesBackend,
  image: { namespace: string; name: string },
  before: (full: string) => Promise<void>,
  remedy: string,
): Promise<KukeError | undefined> {
  try {
    await before(await images.remove({ ...image, dryRun: true }));
    await images.remove(image);
    return undefined;
  } catch (thrown) {
    const error = asKukeError(thrown);
    // Who wants to be rid of an image is not helped by the advice to load it.
    if (error.code !== 'ImageNotFound' || error.details.remedy !== undefined) return error;
    return new KukeError(error.code, error.message, { ...error.details, remedy }, error.also);
  }
}
