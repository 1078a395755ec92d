/** Manifests and indexes: small documents, read whole. */
import type { Context } from './context.ts';
import { checkDigest, digestOf, isDigest } from './digest.ts';
import { RegistryError } from './errors.ts';
import type { Host } from './host.ts';
import { accepted, mediaTypeOf } from './media-types.ts';
import type { Descriptor, Resolved } from './types.ts';

/** What containerd and registries take at most. */
export const manifestMax = 4 << 20;

/** From one host, with retries. `wanted`: a tag, a digest or a descriptor, which is checked. */
export async function fetchManifest(host: Host, wanted: string | Descriptor, context: Context): Promise<Resolved> {
  const name = typeof wanted === 'string' ? wanted : wanted.digest;
  const reference = `${context.name}${name.includes(':') ? '@' : ':'}${name}`;
  const at = { reference, step: typeof wanted === 'string' ? 'resolve' : 'fetch the manifest' };
  const patience = host.patience();
  for (;;) {
    try {
      const answer = await host.get(`manifests/${name}`, { accept: accepted }, at);
      const content = await answer.readAll(manifestMax, context.signal);
      if (content === undefined) throw new RegistryError('refused', `its manifest is over ${manifestMax >> 20} MiB`);
      return check(content, wanted, answer.headers);
    } catch (error) {
      await patience.afterwards(host.fault(error, at));
    }
  }
}

function check(content: Uint8Array, wanted: string | Descriptor, headers: Headers): Resolved {
  const digest = digestOf(content);
  const said = headers.get('docker-content-digest') ?? '';
  // What a tag points at is known from the registry alone; what changed on the way is noticed by its header.
  checkDigest(
    typeof wanted !== 'string' ? wanted.digest : isDigest(wanted) ? wanted : isDigest(said) ? said : digest,
    digest,
  );
  if (typeof wanted !== 'string' && wanted.size !== content.length) {
    throw new RegistryError('corrupt', `its manifest has ${content.length} bytes, not ${wanted.size}`);
  }
  const mediaType = mediaTypeOf(content, headers.get('content-type'));
  return { descriptor: { mediaType, digest, size: content.length }, content };
}
