/**
 * A registry in this process whose answers a test chooses, for what docker-registry never does:
 *
 *     using registry = scriptedRegistry({ answer: request => (request.path === '/v2/web/manifests/1' ? new Response('', { status: 418 }) : undefined) });
 *     const image = registry.add('web', '1', layer);
 */
import { imageOf, type PushedImage } from './push.ts';

export interface SeenRequest {
  method: string;
  path: string;
  /** With its question mark, or empty. */
  query: string;
  headers: Record<string, string>;
  body: string;
}

export interface ScriptedRegistry extends Disposable {
  /** `127.0.0.1:41234` */
  host: string;
  seen: SeenRequest[];
  /** Holds an image of these layers from now on. */
  add(name: string, tag: string, ...layers: Uint8Array[]): PushedImage;
}

export interface Script {
  /** Goes before what the registry holds. */
  answer?(request: SeenRequest): Response | undefined | Promise<Response | undefined>;
  tls?: Bun.TLSOptions;
}

export function scriptedRegistry(script: Script = {}): ScriptedRegistry {
  const documents = new Map<string, { type: string; content: Uint8Array<ArrayBuffer>; digest: string }>();
  const seen: SeenRequest[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    ...(script.tls && { tls: script.tls }),
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const headers = Object.fromEntries(request.headers);
      const one = { method: request.method, path: pathname, query: search, headers, body: await request.text() };
      seen.push(one);
      return (await script.answer?.(one)) ?? held(documents.get(pathname), request.headers.get('range'));
    },
  });
  return {
    host: `127.0.0.1:${server.port}`,
    seen,
    add(name, tag, ...layers) {
      const image = imageOf(...layers);
      const { mediaType, digest } = image.manifest;
      const manifest = { type: mediaType, content: new Uint8Array(image.content), digest };
      for (const reference of [tag, digest]) documents.set(`/v2/${name}/manifests/${reference}`, manifest);
      for (const [blob, content] of image.documents) {
        const type = 'application/octet-stream';
        documents.set(`/v2/${name}/blobs/${blob.digest}`, {
          type,
          content: new Uint8Array(content),
          digest: blob.digest,
        });
      }
      return image;
    },
    [Symbol.dispose]: () => server.stop(true),
  };
}

function held(
  document: { type: string; content: Uint8Array<ArrayBuffer>; digest: string } | undefined,
  range: string | null,
): Response {
  if (document === undefined) return failure(404, 'NOT_THERE', 'there is none of that name');
  const { type, content, digest } = document;
  const headers = { 'content-type': type, 'docker-content-digest': digest };
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
  if (from === 0) return new Response(content, { headers });
  const part = { ...headers, 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` };
  return new Response(content.subarray(from), { status: 206, headers: part });
}

/** An error as registries say it (distribution-spec, Error codes). */
export function failure(status: number, code: string, message: string, headers: Record<string, string> = {}): Response {
  return Response.json({ errors: [{ code, message }] }, { status, headers });
}
