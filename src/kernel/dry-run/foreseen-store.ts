import type { StoreBackend } from '../backends/index.ts';
import type { Manifest, ResourceRef } from '../resource.ts';
import { keyOf } from '../resource.ts';

export function foreseenStore(real: StoreBackend): Partial<StoreBackend> {
  /** Undefined: removed. */
  const resources = new Map<string, { ref: ResourceRef; manifest: Manifest } | undefined>();
  const files = new Map<string, string | undefined>();
  let isPurged = false;
  return {
    async write({ ref, manifest }) {
      resources.set(keyOf(ref), { ref, manifest });
    },
    async remove({ ref }) {
      resources.set(keyOf(ref), undefined);
    },
    async writeFile({ path, content }) {
      files.set(path, content);
    },
    async removeFile({ path }) {
      for (const known of files.keys()) if (known.startsWith(`${path}/`)) files.set(known, undefined);
      files.set(path, undefined);
    },
    async purge() {
      isPurged = true;
    },
    async list() {
      const stored = await real.list();
      const others = stored.resources.filter(({ ref }) => !resources.has(keyOf(ref)));
      return { ...stored, resources: [...others, ...[...resources.values()].filter(one => one !== undefined)] };
    },
    readFile: async path => (files.has(path) ? files.get(path) : real.readFile(path)),
    async instance() {
      if (isPurged) return undefined;
      return files.has('instance') ? files.get('instance')?.trim() : real.instance();
    },
    // What only looks holds nobody up.
    lock: async () => ({ isAwaited: () => false, release: async () => {} }),
  };
}
