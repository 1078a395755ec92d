/** The images of a realm: they are listed, pulled and removed without a plan and without the lock (spec.md §7). */
import * as v from 'valibot';
import type { ImagesBackend, RegistryCredentials } from '../../kernel/backends/index.ts';
import { errorBody } from '../../kernel/error-body.ts';
import { asKukeError, KukeError } from '../../kernel/errors.ts';
import { type ImageChange, imagesChanged } from '../../kernel/image-changes.ts';
import { embedded } from '../../kernel/observe.ts';
import type { Kernel } from '../../kernel/registry.ts';
import type { ResourceTree } from '../../kernel/tree.ts';
import { lines, listOf } from './answer-shapes.ts';
import { auditedRequest } from './audited-request.ts';
import { flag, texts } from './query.ts';
import { param } from './resources.ts';
import { type Call, type Route, route } from './route.ts';

const ROOT = '/v1beta1/realms/:realm/images';
const TAR = 'application/x-tar';

const pullRequest = v.strictObject({
  name: v.pipe(v.string(), v.minLength(1), v.description('[REGISTRY/]REPOSITORY[:TAG|@DIGEST]')),
  platform: v.exactOptional(v.pipe(v.string(), v.description('of which machine: `linux/arm64`; absent: this one’s'))),
  plainHttp: v.exactOptional(v.pipe(v.boolean(), v.description('without TLS'))),
});

const named = v.strictObject({ name: v.pipe(v.string(), v.minLength(1), v.description('of the image')) });

interface RealmImages {
  kernel: Kernel;
  images: ImagesBackend;
  namespace: string;
  credentials: RegistryCredentials[];
  tree: ResourceTree;
  path: string[];
}

async function open(call: Pick<Call, 'params' | 'daemon'>): Promise<RealmImages> {
  const path = [param(call, 'realm')];
  const kernel = await call.daemon.reading();
  await kernel.instance();
  const { tree } = await call.daemon.view.now();
  const { namespace, registryCredentials = [] } = tree.get({ kind: 'Realm', path }).spec;
  if (typeof namespace !== 'string') throw new KukeError('Internal', 'the realm has no namespace');
  // The tree holds what the kind's own schema has parsed.
  const credentials = registryCredentials as RegistryCredentials[];
  return { kernel, images: await kernel.use('images'), namespace, credentials, tree, path };
}

/** What changes images is written down as every change is. */
async function audited<T>(
  call: Pick<Call, 'daemon' | 'peer' | 'line'>,
  path: string[],
  change: ImageChange,
  work: () => Promise<T>,
): Promise<T> {
  const { ended } = auditedRequest(call, call.line);
  try {
    const done = await work();
    const resources = imagesChanged({ kind: 'Realm', path }, change, done);
    if (resources.length > 0) await ended({ resources });
    return done;
  } catch (thrown) {
    await ended({ error: errorBody(thrown) });
    throw thrown;
  }
}

export const imageRoutes: Route[] = [
  route({
    method: 'GET',
    path: ROOT,
    id: 'listImages',
    summary: 'the images of a realm',
    answers: { 200: listOf('by name', 'Image') },
    async run(call) {
      const { images, namespace } = await open(call);
      const items = (await images.list({ namespace })).sort((a, b) => a.name.localeCompare(b.name));
      return { json: { items } };
    },
  }),
  route({
    method: 'POST',
    path: `${ROOT}/pull`,
    id: 'pullImage',
    summary:
      'pull an image from its registry; what is here already is not fetched again. It is called off when the client goes',
    body: pullRequest,
    changes: true,
    answers: { 200: lines('`progress` lines, then `pulled` with the image; or that alone, in the end', 'Progress') },
    async run(call) {
      const { images, namespace, credentials, path } = await open(call);
      const sink = call.awaits ? undefined : call.lines();
      const { name: resource } = call.body;
      try {
        const image = await audited(call, path, 'pull', () =>
          images.pull(
            { namespace, credentials, ...call.body },
            {
              signal: call.signal,
              progress: (message, transfer) =>
                void sink?.write({
                  type: 'progress',
                  phase: 'progress',
                  step: 'images.pull',
                  resource,
                  message,
                  ...(transfer && { transfer }),
                }),
            },
          ),
        );
        if (sink === undefined) return { json: { image } };
        sink.write({ type: 'pulled', image });
      } catch (thrown) {
        const error = asKukeError(thrown, call.signal.aborted ? 'Cancelled' : 'Failed', {
          resource: `image ${resource}`,
        });
        if (sink?.isBegun !== true) throw error;
        sink.write({ type: 'error', error: errorBody(error) });
      }
      sink.end();
      return 'sent';
    },
  }),
  route({
    method: 'POST',
    path: `${ROOT}/remove`,
    id: 'removeImage',
    summary: 'remove an image that no container uses',
    body: named,
    changes: true,
    answers: { 200: { what: 'it is gone', schema: { type: 'object' } } },
    async run(call) {
      const { images, namespace, path } = await open(call);
      const { name } = call.body;
      await audited(call, path, 'remove', () => images.remove({ namespace, name })).catch(thrown => {
        throw asKukeError(thrown, 'Failed', { resource: `image ${name}` });
      });
      return { json: { removed: [name] } };
    },
  }),
  route({
    method: 'POST',
    path: `${ROOT}/prune`,
    id: 'pruneImages',
    summary: 'remove the images without a name that no container uses',
    query: { all: flag('also those with a name, save for what a cell names'), dryRun: flag('only say which') },
    changes: true,
    answers: { 200: { what: '`removed`: names; `bytes`: what that freed', schema: { type: 'object' } } },
    async run(call) {
      const { kernel, images, namespace, tree, path } = await open(call);
      const realm = tree.get({ kind: 'Realm', path });
      const kinds = kernel.kinds.all().filter(({ embedded: isEmbedded }) => isEmbedded !== undefined);
      const containers = kinds.flatMap(kind => {
        const parents = tree.descendants(realm.ref).filter(({ ref }) => ref.kind === kind.parent);
        return embedded(kernel, kind.kind, parents);
      });
      const keep = containers.flatMap(({ spec: { image } }) => (typeof image === 'string' ? [image] : []));
      const dryRun = call.query.dryRun === true;
      const request = { namespace, all: call.query.all === true, keep, dryRun };
      const prune = () => images.prune(request);
      const { names, bytes } = await (dryRun ? prune() : audited(call, path, 'prune', prune));
      return { json: { removed: names, bytes } };
    },
  }),
  route({
    method: 'POST',
    path: `${ROOT}/load`,
    id: 'loadImages',
    summary: 'load images from a Docker archive or an OCI layout, a tar file, which is the body',
    body: 'bytes',
    changes: true,
    streams: () => true,
    answers: { 200: listOf('what was loaded', 'Image') },
    async run(call) {
      const { images, namespace, path } = await open(call);
      const { source, signal } = call;
      const load = () => images.load({ namespace, source, signal, progress: () => {} });
      return { json: { items: await audited(call, path, 'load', load) } };
    },
  }),
  route({
    method: 'GET',
    path: `${ROOT}/save`,
    id: 'saveImages',
    summary: 'images as an archive, which `load` takes, and `docker load` and `ctr images import`',
    query: { name: texts('of an image, or its digest; once or several times') },
    streams: () => true,
    answers: { 200: { what: 'a tar file; one that breaks off is not whole', type: TAR, schema: { type: 'string' } } },
    async run(call) {
      const { images, namespace } = await open(call);
      const { name: names = [] } = call.query;
      if (names.length === 0)
        throw new KukeError('Usage', 'name: which images?', { field: 'name', remedy: 'name one or several' });
      const archive = await images.save({ namespace, names, signal: call.signal });
      const bytes = call.bytes(TAR);
      for await (const piece of archive) if (!(await bytes.write(piece))) return 'sent';
      bytes.end();
      return 'sent';
    },
  }),
];
