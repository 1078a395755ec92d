import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { truncateSync } from 'node:fs';
import { lstat, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { context, failure } from '../../suites/contract.ts';
import { makeStoreFolder, type StoreFolder } from './store-folder.ts';

let t: StoreFolder;
beforeEach(async () => {
  t = await makeStoreFolder();
});
afterEach(() => t.cleanup());

const inRun = (...path: string[]) => join(t.runPath, ...path);
const problems = async () =>
  (await t.store.list()).problems.map(({ path, message }) => `${path.slice(t.runPath.length + 1)}: ${message}`);

describe('what is in the way', () => {
  test('a file where a folder belongs', async () => {
    await t.write('Realm', 'main');
    await writeFile(inRun('main', 'default'), 'mine');
    const { message, remedy } = await failure(t.write('Cell', 'main/default/blog/web'), 'Conflict');
    expect(message).toContain(inRun('main', 'default'));
    expect(remedy).toContain('move it away');
    await t.remove('Space', 'main/default');
    expect(await readFile(inRun('main', 'default'), 'utf8')).toBe('mine');
    expect(await problems()).toEqual(['main/default: is not a manifest']);
    expect(await t.stored()).toEqual(['Realm main']);
  });

  test('a folder where a file belongs', async () => {
    await mkdir(inRun('main', 'realm.yaml', 'x'), { recursive: true });
    const { message } = await failure(t.write('Realm', 'main'), 'Conflict');
    expect(message).toContain(inRun('main', 'realm.yaml'));
    await t.remove('Realm', 'main');
    expect(await t.paths()).toEqual(['main/', 'main/realm.yaml/', 'main/realm.yaml/x/']);
    expect(await problems()).toEqual(['main/realm.yaml: is not the name of a resource']);
    await failure(
      t.store.writeFile({ path: 'instance/x', content: '' }, context()).then(() => t.store.instance()),
      'Failed',
      'Conflict',
    );
  });

  test('a link in place of a manifest is replaced, not followed', async () => {
    await writeFile(join(t.runPath, '..', 'outside'), 'mine');
    await mkdir(inRun('main'), { recursive: true });
    await symlink(join(t.runPath, '..', 'outside'), inRun('main', 'realm.yaml'));
    expect(await problems()).toEqual(['main/realm.yaml: is a symbolic link, which is not followed']);
    await t.write('Realm', 'main');
    expect((await lstat(inRun('main', 'realm.yaml'))).isFile()).toBe(true);
    expect(await readFile(join(t.runPath, '..', 'outside'), 'utf8')).toBe('mine');
  });

  test('a write that fails leaves no folder', async () => {
    await mkdir(inRun('main', 'default', 'blog', 'web', 'cell.yaml'), { recursive: true });
    const before = await t.paths();
    await failure(t.write('Cell', 'main/default/blog/web'), 'Conflict');
    expect(await t.paths()).toEqual(before);
  });
});

describe('what is not as kuke left it', () => {
  test('each is a problem, and the rest is there', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) await t.write('Realm', name);
    await writeFile(inRun('a', 'realm.yaml'), 'apiVersion: v1beta1\nkind: Realm\nmetadata: {name: a\n');
    await writeFile(inRun('b', 'realm.yaml'), '');
    await writeFile(inRun('c', 'space.yaml'), await readFile(inRun('c', 'realm.yaml')));
    await rename(inRun('d'), inRun('renamed'));
    await writeFile(inRun('notes.txt'), 'mine');
    await mkdir(inRun('with space'));
    await mkdir(inRun('lost+found'));
    await mkdir(inRun('.hidden'));
    await mkdir(inRun('F'));
    await mkdir(inRun('empty', 'deep'), { recursive: true });
    await writeFile(inRun('g', 'realm.yaml'), Buffer.alloc(9 * 1024 * 1024, '# big\n'));
    expect(await problems()).toEqual([
      expect.stringMatching(/^a\/realm.yaml: not valid YAML: line 4, column 1: /),
      expect.stringMatching(/^b\/realm.yaml: /),
      'c/space.yaml: is of kind Realm, which is kept in realm.yaml',
      'f: differs only in case from F, which is used',
      expect.stringMatching(/^g\/realm.yaml: has 9437184 bytes/),
      'notes.txt: is not a manifest',
      expect.stringMatching(/^renamed\/realm.yaml: is named d, but lies in /),
      'with space: is not the name of a resource',
    ]);
    expect(await t.stored()).toEqual(['Realm c', 'Realm e']);
  });

  test('a pipe or a device does not hold it up', async () => {
    await t.write('Realm', 'main');
    await mkdir(inRun('lab'));
    Bun.spawnSync(['mkfifo', inRun('lab', 'realm.yaml')]);
    expect(await problems()).toEqual(['lab/realm.yaml: is not a manifest']);
    expect(await t.stored()).toEqual(['Realm main']);
  });

  test('a file that a container has grown without end is read in part, and written anew', async () => {
    const file = { path: 'etc/main/default/default/web/hosts', content: '127.0.0.1\tlocalhost\n', inPlace: true };
    await t.store.writeFile(file, context());
    truncateSync(t.store.filePath(file.path), 2 ** 40);
    expect((await t.store.readFile(file.path))?.length).toBe(2 ** 20);
    await t.store.writeFile(file, context());
    expect(await t.store.readFile(file.path)).toBe(file.content);
  });

  test.each(['', '\n', 'two words', 'a\nb', '../x', 'x'.repeat(100), 'zzz', '3f0c1d52-7d'])(
    'an instance id is not %j',
    async content => {
      await t.store.writeFile({ path: 'instance', content }, context());
      const { message } = await failure(t.store.instance(), 'MetadataCorrupt');
      expect(message).toContain(t.store.filePath('instance'));
    },
  );
});
