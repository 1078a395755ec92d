import type { ImagesBackend } from '../kernel/backends/index.ts';
import { asKukeError, KukeError } from '../kernel/errors.ts';
import { command } from './command.ts';
import { openImages } from './images.ts';
import { printFailure } from './output/failure.ts';
import { print } from './output/standard-output.ts';
import { dryRunArg, planFlags } from './plan-flags.ts';

export default command({
  summary: 'remove images from a realm, and what only they need',
  examples: [
    ['image rm nginx:alpine', 'short names are understood as Docker does'],
    ['image rm nginx:alpine busybox --realm lab', 'several, from another realm'],
    ['image rm sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', 'all names of a digest'],
  ],
  args: {
    name: { type: 'positional', required: true, description: 'name of an image, as `image ls` has it, or its digest' },
    realm: { type: 'string', valueHint: 'NAME', description: 'realm (main)' },
    ...dryRunArg,
  },
  repeatable: ['name'],
  async run(invocation) {
    const { images, namespace } = await openImages(invocation);
    const { realm } = invocation.args;
    const said = planFlags(invocation.args).isDryRun ? ' (dry run)' : '';
    const remedy = `see \`kuke image ls${realm === undefined ? '' : ` --realm ${realm}`}\``;
    let status = 0;
    for (const name of invocation.lists.name ?? []) {
      invocation.signal.throwIfAborted();
      const error = await failureOf(images, { namespace, name }, remedy);
      if (error === undefined) print(`removed ${name}${said}`);
      else printFailure(error);
      status ||= error?.exitCode ?? 0;
    }
    return status;
  },
});

async function failureOf(
  images: ImagesBackend,
  image: { namespace: string; name: string },
  remedy: string,
): Promise<KukeError | undefined> {
  try {
    await images.remove(image);
    return undefined;
  } catch (thrown) {
    const error = asKukeError(thrown);
    // Who wants to be rid of an image is not helped by the advice to load it.
    if (error.code !== 'ImageNotFound' || error.details.remedy !== undefined) return error;
    return new KukeError(error.code, error.message, { ...error.details, remedy }, error.also);
  }
}
