import { afterEach, beforeEach, expect, test } from 'bun:test';
import { chmod, chown, lchown, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeStore } from '../../../plugins/metadata-fs/store.ts';
import { failure } from '../../suites/contract.ts';
import { makeStoreFolder, type StoreFolder } from '../../unit/metadata-fs/store-folder.ts';
import '../box.ts';

let mountPoint: string;
let t: StoreFolder;
const run = (...command: string[]) => {
  const { exitCode, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(' ')}: ${stderr}`);
};
beforeEach(async () => {
  mountPoint = await mkdtemp('/var/tmp/kuke-disk-');
  run('mount', '-t', 'tmpfs', '-o', 'size=256k,mode=755', 'disk', mountPoint);
  t = await makeStoreFolder(mountPoint);
});
afterEach(async () => {
  run('umount', mountPoint);
  await rm(mountPoint, { recursive: true });
});

test('a read-only file system is named, and can be read', async () => {
  await t.write('Realm', 'main', { a: 1 });
  run('mount', '-o', 'remount,ro', mountPoint);
  const { message, remedy, exitCode } = await failure(t.write('Realm', 'main', { a: 2 }), 'HostNotReady');
  expect(message).toContain(join(t.runPath, 'main'));
  expect(message).toContain('Read-only file system (EROFS)');
  expect(remedy).toContain('--run-path');
  expect(exitCode).toBe(5);
  await failure(t.write('Space', 'main/default'), 'HostNotReady');
  await failure(t.remove('Realm', 'main'), 'HostNotReady');
  const { resources, problems } = await t.store.list();
  expect({ spec: resources[0]?.manifest.spec, problems }).toEqual({ spec: { a: 1 }, problems: [] });
});

test('on a full disk the old manifest stays, and nothing else', async () => {
  await t.write('Realm', 'main', { a: 1 });
  const before = await t.paths();
  await writeFile(join(mountPoint, 'full'), Buffer.alloc(250 * 1024)).catch(() => {});
  const { message, remedy } = await failure(t.write('Realm', 'main', { a: 'x'.repeat(300_000) }), 'Failed');
  expect(message).toContain('No space left on device (ENOSPC)');
  expect(remedy).toContain('free some space');
  await failure(t.write('Cell', 'main/default/blog/web', { a: 'x'.repeat(300_000) }), 'Failed');
  expect(await t.paths()).toEqual(before);
  expect((await t.store.list()).resources[0]?.manifest.spec).toEqual({ a: 1 });
  await rm(join(mountPoint, 'full'));
  await t.write('Realm', 'main', { a: 2 });
  expect((await t.store.list()).resources[0]?.manifest.spec).toEqual({ a: 2 });
});

test('who is not root reads what is for everyone, and is told about the rest', async () => {
  await t.write('Realm', 'main');
  await t.write('Realm', 'lab', { password: 'x' });
  await mkdir(join(t.runPath, 'shut'));
  await chmod(join(t.runPath, 'shut'), 0o700);
  for (const folder of [join(t.runPath, '..'), mountPoint]) await chmod(folder, 0o755);
  const program = `
    import { makeStore } from '${join(import.meta.dir, '../../../plugins/metadata-fs/store.ts')}';
    const store = makeStore(${JSON.stringify({ runPath: t.runPath, logFolder: t.logFolder, lockFolder: t.lockFolder })});
    const ref = { kind: 'Realm', path: ['main'] };
    const manifest = { apiVersion: 'v1beta1', kind: 'Realm', metadata: { name: 'main' }, spec: {} };
    const context = { signal: new AbortController().signal, progress() {} };
    const code = work => work.then(() => 'done', error => error.code);
    const { resources, problems } = await store.list();
    console.log(JSON.stringify({
      stored: resources.map(({ ref }) => ref.path.join('/')),
      problems: problems.map(({ path, message }) => path.split('/').at(-1) + ': ' + message.includes('Permission denied')).sort(),
      write: await code(store.write({ ref, manifest }, context)),
      remove: await code(store.remove({ ref }, context)),
      lock: await code(store.lock({ command: 'x', timeoutMs: 0, signal: context.signal, onWait() {} })),
    }));`;
  const file = join(import.meta.dir, `.not-root-${process.pid}.ts`);
  await writeFile(file, program);
  try {
    const { stdout, stderr } = Bun.spawnSync([
      'setpriv',
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      process.execPath,
      file,
    ]);
    expect(stderr.toString()).toBe('');
    expect(JSON.parse(stdout.toString())).toEqual({
      stored: ['main'],
      problems: ['realm.yaml: true', 'shut: true'],
      write: 'NotRoot',
      remove: 'NotRoot',
      lock: 'NotRoot',
    });
  } finally {
    await rm(file);
  }
  expect(await readFile(join(t.runPath, 'main', 'realm.yaml'), 'utf8')).toContain('name: main');
});

test("the run path may not be somebody else's", async () => {
  await t.write('Realm', 'main');
  await chown(t.runPath, 65534, 65534);
  const { message, remedy } = await failure(t.write('Realm', 'main'), 'HostNotReady');
  expect(message).toContain('owner 65534');
  expect(remedy).toContain(`chown root ${t.runPath}`);
  await failure(t.store.instance(), 'HostNotReady');
  await failure(t.store.list(), 'HostNotReady');
  await chown(t.runPath, 0, 0);
  expect(await t.stored()).toEqual(['Realm main']);
});

test('nor a link that somebody else has made', async () => {
  await t.write('Realm', 'main');
  const link = join(mountPoint, 'link');
  await symlink(t.runPath, link);
  await lchown(link, 65534, 65534);
  const other = makeStore({ ...t, runPath: link });
  await failure(other.list(), 'HostNotReady');
  await lchown(link, 0, 0);
  expect((await other.list()).resources).toHaveLength(1);
});
