import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeStore } from '../../../plugins/metadata-fs/store.ts';
import { context, failure } from '../../suites/contract.ts';
import { makeStoreFolder, manifestOf, refOf, type StoreFolder } from './store-folder.ts';

let t: StoreFolder;
beforeEach(async () => {
  t = await makeStoreFolder();
});
afterEach(() => t.cleanup());

const inRun = (...path: string[]) => join(t.runPath, ...path);
const modeOf = async (...path: string[]) => ((await stat(inRun(...path))).mode & 0o7777).toString(8);
const problems = async () =>
  (await t.store.list()).problems.map(({ path, message }) => `${path.slice(t.runPath.length + 1)}: ${message}`);
const writeLog = async (...path: string[]) => {
  await mkdir(join(t.logFolder, ...path.slice(0, -1)), { recursive: true });
  await writeFile(join(t.logFolder, ...path), 'log\n');
};

test('what lies in the run path and is neither a realm nor kuke’s own is a stranger, whatever its name', async () => {
  await t.write('Realm', 'main');
  await t.write('Space', 'lab/default'); // its realm's manifest was lost
  for (const folder of ['.kuke/journal', 'lost+found', 'home', '.git']) await mkdir(inRun(folder), { recursive: true });
  await mkdir(inRun('deep/realm.yaml'), { recursive: true });
  await writeFile(inRun('notes.txt'), '');
  expect(await t.store.strangers()).toEqual(['.git', 'deep', 'home', 'lab', 'notes.txt']);
});

test('through a link, too', async () => {
  const elsewhere = join(t.runPath, '..', 'etc');
  await mkdir(join(elsewhere, 'apt'), { recursive: true });
  await symlink(elsewhere, t.runPath);
  expect(await t.store.strangers()).toEqual(['apt']);
});

describe('on disk', () => {
  test('are the files of the specification, readable by all', async () => {
    await t.write('Realm', 'main');
    await t.write('Space', 'main/default');
    await t.write('Stack', 'main/default/blog');
    await t.write('Cell', 'main/default/blog/web');
    await t.store.writeFile({ path: 'instance', content: `${crypto.randomUUID()}\n` }, context());
    expect(await t.paths()).toEqual([
      '.kuke/',
      '.kuke/instance',
      'main/',
      'main/default/',
      'main/default/blog/',
      'main/default/blog/stack.yaml',
      'main/default/blog/web/',
      'main/default/blog/web/cell.yaml',
      'main/default/space.yaml',
      'main/realm.yaml',
    ]);
    expect(await readFile(inRun('main/realm.yaml'), 'utf8')).toBe(
      'apiVersion: v1beta1\nkind: Realm\nmetadata:\n  name: main\nspec: {}\n',
    );
    expect(await modeOf('main')).toBe('755');
    expect(await modeOf('main/realm.yaml')).toBe('644');
    expect(await modeOf('.kuke')).toBe('700');
  });

  test('files with credentials are for root alone, as long as they hold some', async () => {
    await t.write('Realm', 'main', { registryCredentials: [{ server: 'x', password: 'y' }] });
    expect(await modeOf('main/realm.yaml')).toBe('600');
    await t.write('Realm', 'main');
    expect(await modeOf('main/realm.yaml')).toBe('644');
    await t.store.writeFile({ path: 'secrets/main/key', content: 'x' }, context());
    expect(await modeOf('.kuke/secrets/main/key')).toBe('600');
  });

  test('names in another case are the same folder', async () => {
    await t.write('Realm', 'Main');
    await t.write('Space', 'MAIN/default');
    await t.write('Realm', 'main');
    expect(await t.paths()).toEqual(['Main/', 'Main/default/', 'Main/default/space.yaml', 'Main/realm.yaml']);
  });

  test('a file that is bind-mounted stays the same file, any other is replaced', async () => {
    const file = { path: 'etc/hosts', content: 'one and a half\n' };
    const inode = async () => (await stat(t.store.filePath('etc/hosts'))).ino;
    await t.store.writeFile({ ...file, inPlace: true }, context());
    const first = await inode();
    await t.store.writeFile({ path: 'etc/hosts', content: 'two\n', inPlace: true }, context());
    expect(await inode()).toBe(first);
    expect(await readFile(t.store.filePath('etc/hosts'), 'utf8')).toBe('two\n');
    await t.store.writeFile(file, context());
    expect(await inode()).not.toBe(first);
  });
});

describe('removal', () => {
  test('leaves no folder and no log, and nothing else goes', async () => {
    await t.write('Stack', 'main/default/blog');
    for (const cell of ['web', 'web2']) {
      await t.write('Cell', `main/default/blog/${cell}`);
      await writeLog('main', 'default', 'blog', cell, 'nginx.log');
    }
    await t.remove('Cell', 'main/default/blog/web');
    expect(await t.paths()).toEqual([
      'main/',
      'main/default/',
      'main/default/blog/',
      'main/default/blog/stack.yaml',
      'main/default/blog/web2/',
      'main/default/blog/web2/cell.yaml',
    ]);
    expect(await t.paths('log')).toEqual([
      'main/',
      'main/default/',
      'main/default/blog/',
      'main/default/blog/web2/',
      'main/default/blog/web2/nginx.log',
    ]);
    await t.remove('Stack', 'main/default/blog');
    expect(await t.paths('log')).toContain('main/default/blog/web2/nginx.log');
    await t.remove('Cell', 'main/default/blog/web2');
    expect(await t.paths()).toEqual([]);
    expect(await t.paths('log')).toEqual([]);
  });

  test('takes the logs of a resource that is gone already', async () => {
    await writeLog('main', 'default', 'blog', 'web', 'nginx.log');
    await t.remove('Cell', 'main/default/blog/web');
    expect(await t.paths('log')).toEqual([]);
  });

  test('keeps the logs as long as another resource is in the folder', async () => {
    await t.write('Cell', 'main/default/blog/web');
    await t.write('Greeting', 'main/default/blog/web');
    await writeLog('main', 'default', 'blog', 'web', 'nginx.log');
    await t.remove('Greeting', 'main/default/blog/web');
    expect(await t.paths('log')).toContain('main/default/blog/web/nginx.log');
    await t.remove('Cell', 'main/default/blog/web');
    expect(await t.paths('log')).toEqual([]);
  });

  test('leaves what others have put into the folder, and takes what a killed kuke has left', async () => {
    await t.write('Realm', 'main');
    await writeFile(inRun('main', '.realm.yaml.1-1-0123456789abcdef.tmp'), 'half');
    await writeFile(inRun('main', '.realm.yaml.swp'), 'an editor');
    expect(await t.stored()).toEqual(['Realm main']);
    await t.write('Realm', 'main', { a: 1 });
    expect((await readdir(inRun('main'))).sort()).toEqual(['.realm.yaml.swp', 'realm.yaml']);
    await writeFile(inRun('main', '.realm.yaml.1-1-0123456789abcdef.tmp'), 'half');
    await t.remove('Realm', 'main');
    expect(await t.paths()).toEqual(['main/', 'main/.realm.yaml.swp']);
    expect(await t.store.list()).toEqual({ resources: [], problems: [] });
  });

  test('never goes through a symbolic link', async () => {
    const outside = join(t.runPath, '..', 'outside');
    await mkdir(join(outside, 'default'), { recursive: true });
    await writeFile(join(outside, 'default', 'space.yaml'), 'mine\n');
    await mkdir(t.runPath);
    await symlink(outside, inRun('main'));
    await mkdir(t.logFolder);
    await symlink(outside, join(t.logFolder, 'lab'));
    await t.remove('Space', 'main/default');
    await t.remove('Space', 'lab/default');
    await t.remove('Realm', 'lab');
    await failure(t.write('Space', 'main/default'), 'Conflict');
    await failure(t.write('Realm', 'main'), 'Conflict');
    expect(await problems()).toEqual(['main: is a symbolic link, which is not followed']);
    expect(await readFile(join(outside, 'default', 'space.yaml'), 'utf8')).toBe('mine\n');
    expect(await readdir(outside)).toEqual(['default']);
  });
});

describe('the run path', () => {
  test('is made when it is first written to, not when it is read', async () => {
    const store = makeStore({ ...t, runPath: inRun('deep', 'er') });
    await store.list();
    await store.remove({ ref: refOf('Realm', 'main') }, context());
    await store.removeFile({ path: 'etc' }, context());
    expect(await store.instance()).toBeUndefined();
    expect(await t.paths()).toEqual([]);
    await store.write({ ref: refOf('Realm', 'main'), manifest: manifestOf('Realm', 'main') }, context());
    expect(await t.paths()).toEqual(['deep/', 'deep/er/', 'deep/er/main/', 'deep/er/main/realm.yaml']);
  });

  test('may be a link, and is one and the same to the lock', async () => {
    await t.write('Realm', 'main');
    const link = join(t.runPath, '..', 'link');
    await symlink(t.runPath, link);
    const other = makeStore({ ...t, runPath: link });
    expect(other.filePath('instance')).toBe(join(link, '.kuke', 'instance'));
    expect((await other.list()).resources).toHaveLength(1);
    const request = { command: 'kuke', timeoutMs: 0, signal: new AbortController().signal, onWait: () => {} };
    const lock = await t.store.lock(request);
    await failure(other.lock(request), 'Locked');
    await lock.release();
  });

  test('may not belong to others, nor be writable for them', async () => {
    await t.write('Realm', 'main');
    await chmod(t.runPath, 0o775);
    const { message, remedy } = await failure(t.store.list(), 'HostNotReady');
    expect(message).toContain(t.runPath);
    expect(remedy).toContain(`chmod go-w ${t.runPath}`);
    await chmod(t.runPath, 0o755);
    expect(await t.stored()).toEqual(['Realm main']);
  });

  test('may not be a file', async () => {
    await writeFile(t.runPath, 'mine');
    await failure(t.store.list(), 'Conflict');
    await failure(t.write('Realm', 'main'), 'Conflict');
    expect(await readFile(t.runPath, 'utf8')).toBe('mine');
  });
});

test('explains with commands that do the same', async () => {
  const manifest = manifestOf('Realm', 'main', { text: `it's "so"\n$(exit 9)\n`, mode: '0755', password: 'x' });
  const file = { path: 'etc/a b/hosts', content: "127.0.0.1 it's\n$HOME" };
  const run = (command: string) => {
    const { exitCode, stderr } = Bun.spawnSync(['sh', '-euc', command]);
    expect({ command, exitCode, stderr: stderr.toString() }).toEqual({ command, exitCode: 0, stderr: '' });
  };
  run(t.store.explain('write', { ref: refOf('Realm', 'main'), manifest }));
  run(t.store.explain('writeFile', file));
  expect(await t.store.list()).toEqual({ resources: [{ ref: refOf('Realm', 'main'), manifest }], problems: [] });
  expect(await modeOf('main/realm.yaml')).toBe('600');
  expect(await readFile(t.store.filePath(file.path), 'utf8')).toBe(file.content);
  run(t.store.explain('writeFile', { ...file, content: 'new', inPlace: true }).replace('tee', 'tee >/dev/null'));
  expect(await readFile(t.store.filePath(file.path), 'utf8')).toBe('new');
  run(t.store.explain('removeFile', { path: 'etc' }));
  await writeLog('main', 'x.log');
  run(t.store.explain('remove', { ref: refOf('Realm', 'main') }));
  expect(await t.paths()).toEqual(['.kuke/']);
  expect(await t.paths('log')).toEqual([]);
});
