import type { ImagePull, ImagesBackend } from '../kernel/backends/index.ts';
import { asKukeError } from '../kernel/errors.ts';
import { command, type Invocation } from './command.ts';
import { openImages, printDone, realmArg } from './images.ts';
import { makeScript } from './output/explain.ts';
import { printFailure } from './output/failure.ts';
import { makeProgress } from './output/progress.ts';
import { print } from './output/standard-output.ts';
import { planArgs, planFlags } from './plan-flags.ts';

export default command({
  summary: 'pull images from their registries into a realm; what is here already is not fetched again',
  examples: [
    ['image pull nginx:alpine', 'docker.io/library/nginx:alpine, as with Docker'],
    ['image pull registry.example.com:5000/team/app:1.2 --realm lab', 'into another realm, with its credentials'],
    [
      'image pull busybox@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
      'exactly these bytes',
    ],
    ['image pull busybox --platform linux/arm64', 'for another machine: `kuke image save` takes it there'],
  ],
  args: {
    name: { type: 'positional', required: true, description: '[REGISTRY/]REPOSITORY[:TAG|@DIGEST]' },
    ...realmArg,
    platform: { type: 'string', valueHint: 'OS/ARCH[/VARIANT]', description: 'of which machine (this one’s)' },
    'plain-http': { type: 'boolean', description: 'without TLS, which is the rule for loopback addresses alone' },
    ...planArgs,
  },
  repeatable: ['name'],
  async run(invocation) {
    const { kernel, images, namespace, credentials } = await openImages(invocation);
    const { platform, 'plain-http': plainHttp } = invocation.args;
    const { isDryRun } = planFlags(invocation.args);
    const script = makeScript(kernel, invocation);
    const options = { ...(platform !== undefined && { platform }), ...(plainHttp && { plainHttp }), credentials };
    let status = 0;
    for (const name of invocation.lists.name ?? []) {
      const request = { namespace, name, ...options };
      try {
        await script.add(images.explain('pull', request));
        if (isDryRun) {
          printDone(`pulled ${name}`, invocation.args);
          continue;
        }
        print(`pulled ${await pull(invocation, images, request)}`);
      } catch (thrown) {
        invocation.signal.throwIfAborted();
        const error = asKukeError(thrown);
        printFailure(error);
        status ||= error.exitCode;
      }
    }
    script.end(status === 0);
    return status;
  },
});

async function pull(
  { globals, signal }: Pick<Invocation, 'globals' | 'signal'>,
  images: ImagesBackend,
  request: ImagePull,
): Promise<string> {
  const progress = makeProgress(globals.quiet);
  const step = { phase: 'progress', resource: request.name, type: 'images.pull' } as const;
  try {
    const pulled = await images.pull(request, {
      signal,
      progress: (message, transfer) => progress.show({ ...step, message, ...(transfer && { transfer }) }),
      ...(!globals.quiet && { note: progress.notice }),
    });
    return pulled.name;
  } finally {
    progress.end();
  }
}
