/** A store on a throwaway folder, as the tests of metadata-fs use it. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeStore, type StoreOptions } from '../../../plugins/metadata-fs/store.ts';
import type { Manifest, ResourceRef, StoreBackend } from '../../../src/plugin.ts';
import { context } from '../../suites/contract.ts';

export interface StoreFolder extends StoreOptions {
  store: StoreBackend;
  write(kind: string, path: string, spec?: Record<string, unknown>): Promise<void>;
  remove(kind: string, path: string): Promise<void>;
  /** `Realm main`, sorted. */
  stored(): Promise<string[]>;
  /** Every path in the folder, relative, sorted; folders end with a slash. */
  paths(of?: 'run' | 'log' | 'lock'): Promise<string[]>;
  cleanup(): Promise<void>;
}

export const refOf = (kind: string, path: string): ResourceRef => ({ kind, path: path.split('/') });

export function manifestOf(kind: string, path: string, spec: Record<string, unknown> = {}): Manifest {
  return { apiVersion: 'v1beta1', kind, metadata: { name: path.split('/').at(-1) ?? '' }, spec };
}

export async function makeStoreFolder(parent = tmpdir()): Promise<StoreFolder> {
  const folder = await mkdtemp(join(parent, 'kuke-store-'));
  const options = { runPath: join(folder, 'run'), logFolder: join(folder, 'log'), lockFolder: join(folder, 'lock') };
  const store = makeStore(options);
  return {
    ...options,
    store,
    write: (kind, path, spec) =>
      store.write({ ref: refOf(kind, path), manifest: manifestOf(kind, path, spec) }, context()),
    remove: (kind, path) => store.remove({ ref: refOf(kind, path) }, context()),
    stored: async () => (await store.list()).resources.map(({ ref }) => `${ref.kind} ${ref.path.join('/')}`).sort(),
    paths: async (of = 'run') => {
      const entries = await readdir(join(folder, of), { recursive: true, withFileTypes: true }).catch(() => []);
      return entries
        .map(
          entry =>
            join(entry.parentPath, entry.name).slice(join(folder, of).length + 1) + (entry.isDirectory() ? '/' : ''),
        )
        .sort();
    },
    cleanup: () => rm(folder, { recursive: true, force: true }),
  };
}
