import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeStore } from '../../../plugins/metadata-fs/store.ts';
import { storeSuite } from '../../suites/store.ts';

storeSuite('metadata-fs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kuke-store-'));
  const options = { runPath: join(folder, 'run'), logFolder: join(folder, 'log'), lockFolder: join(folder, 'lock') };
  const backend = makeStore(options);
  return {
    backend,
    another: () => makeStore(options),
    spoil: async ({ kind, path }) => {
      const file = join(options.runPath, ...path, `${kind.toLowerCase()}.yaml`);
      await writeFile(file, 'apiVersion: v1beta1\nkind: [Realm\n');
      return file;
    },
    log: async ({ path }, name) => {
      await mkdir(join(options.logFolder, ...path), { recursive: true });
      await writeFile(join(options.logFolder, ...path, name), 'log');
    },
    readFile: async path =>
      existsSync(backend.filePath(path)) ? await readFile(backend.filePath(path), 'utf8') : undefined,
    cleanup: () => rm(folder, { recursive: true }),
  };
});
