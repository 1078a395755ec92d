import { command } from './command.ts';
import { openImages, realmArg } from './images.ts';
import { makeProgress } from './output/progress.ts';
import { print } from './output/standard-output.ts';

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
  },
  repeatable: ['name'],
  async run(invocation) {
    const { images, namespace, credentials } = await openImages(invocation);
    const { platform, 'plain-http': plainHttp } = invocation.args;
    const options = { ...(platform !== undefined && { platform }), ...(plainHttp && { plainHttp }), credentials };
    for (const name of invocation.lists.name ?? []) {
      const progress = makeProgress(invocation.globals.quiet);
      const step = { phase: 'progress', resource: name, type: 'images.pull' } as const;
      try {
        const pulled = await images.pull(
          { namespace, name, ...options },
          {
            signal: invocation.signal,
            progress: (message, transfer) => progress.show({ ...step, message, ...(transfer && { transfer }) }),
          },
        );
        progress.end();
        print(`pulled ${pulled.name}`);
      } finally {
        progress.end();
      }
    }
    return 0;
  },
});
