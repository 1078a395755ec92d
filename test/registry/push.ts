/** Images put into a registry by PUT (distribution-spec, Pushing), without skopeo. */
import { unpackTar } from 'modern-tar';

export interface Login {
  username: string;
  password: string;
}

/** The value of Authorization (RFC 7617, in UTF-8). */
export const basicOf = ({ username, password }: Login) =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

export interface PushedBlob {
  mediaType: string;
  digest: string;
  size: number;
}

export interface PushedImage {
  manifest: PushedBlob;
  config: PushedBlob;
  layers: PushedBlob[];
  /** The manifest's bytes. */
  content: Uint8Array;
}

const oci = 'application/vnd.oci.image';

export const sha256 = (content: Uint8Array) => `sha256:${new Bun.CryptoHasher('sha256').update(content).digest('hex')}`;

/** Descriptors and documents of an image with these layers, which are bytes of any kind. */
export function imageOf(...layers: Uint8Array[]): PushedImage & { documents: [PushedBlob, Uint8Array][] } {
  const blob = (mediaType: string, content: Uint8Array): [PushedBlob, Uint8Array] => [
    { mediaType, digest: sha256(content), size: content.length },
    content,
  ];
  const blobs = layers.map(layer => blob(`${oci}.layer.v1.tar`, layer));
  const rootfs = { type: 'layers', diff_ids: layers.map(sha256) };
  const config = blob(
    `${oci}.config.v1+json`,
    Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs })),
  );
  const mediaType = `${oci}.manifest.v1+json`;
  const content = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType, config: config[0], layers: blobs.map(([descriptor]) => descriptor) }),
  );
  const [manifest] = blob(mediaType, content);
  return {
    manifest,
    config: config[0],
    layers: blobs.map(([descriptor]) => descriptor),
    content,
    documents: [...blobs, config],
  };
}

/** `base`: `http://127.0.0.1:5000/v2/web`. */
export async function pushImage(
  base: string,
  tag: string,
  layers: Uint8Array[],
  authorization: string,
): Promise<PushedImage> {
  const image = imageOf(...layers);
  for (const [{ digest }, content] of image.documents) await pushBlob(base, digest, content, authorization);
  await pushManifest(base, tag, image.manifest.mediaType, image.content, authorization);
  return image;
}

/** The first image of an OCI layout in a tar; the digest of its manifest. */
export async function pushArchive(
  base: string,
  tag: string,
  archive: Uint8Array,
  authorization: string,
): Promise<string> {
  const blobs = new Map<string, Uint8Array>();
  let index: { manifests: PushedBlob[] } | undefined;
  for (const { header, data } of await unpackTar(archive)) {
    if (data === undefined) continue;
    if (header.name.startsWith('blobs/sha256/')) blobs.set(`sha256:${header.name.slice(13)}`, data);
    if (header.name === 'index.json') index = JSON.parse(new TextDecoder().decode(data));
  }
  const [first] = index?.manifests ?? [];
  const manifest = blobs.get(first?.digest ?? '');
  if (first === undefined || manifest === undefined) throw new Error('the archive is no OCI layout');
  for (const [digest, content] of blobs) {
    if (!index?.manifests.some(one => one.digest === digest)) await pushBlob(base, digest, content, authorization);
  }
  await pushManifest(base, tag, first.mediaType, manifest, authorization);
  return first.digest;
}

export async function pushBlob(base: string, digest: string, content: Uint8Array, authorization = ''): Promise<void> {
  const started = await send(`${base}/blobs/uploads/`, 'POST', '', authorization);
  const address = new URL(started.headers.get('location') ?? '', base);
  address.searchParams.set('digest', digest);
  await send(address.href, 'PUT', content, authorization, 'application/octet-stream');
}

export async function pushManifest(
  base: string,
  tag: string,
  mediaType: string,
  content: Uint8Array,
  authorization = '',
): Promise<void> {
  await send(`${base}/manifests/${tag}`, 'PUT', content, authorization, mediaType);
}

async function send(url: string, method: string, body: Uint8Array | string, authorization: string, type?: string) {
  const answer = await fetch(url, {
    method,
    body: typeof body === 'string' ? body : new Uint8Array(body),
    headers: { ...(authorization && { authorization }), ...(type && { 'content-type': type }) },
    proxy: false,
    // Tests push to servers whose certificate they have made themselves.
    tls: { rejectUnauthorized: false },
  });
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`);
  await answer.arrayBuffer();
  return answer;
}
