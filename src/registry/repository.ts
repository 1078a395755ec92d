/** One repository of one registry: its tags, manifests and blobs. */
import type { RegistryOptions, Repository } from './types.ts';

/** `name` with its registry, in full: `docker.io/library/nginx`. Asks nobody yet. */
export function openRepository(name: string, _options: RegistryOptions): Repository {
  throw new Error(`not written yet: ${name}`);
}
