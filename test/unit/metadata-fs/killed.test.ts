/** What a kuke that was killed in the middle leaves is taken away by whoever does the same again. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { context } from '../../suites/contract.ts';
import { makeStoreFolder, type StoreFolder } from './store-folder.ts';

let t: StoreFolder;
beforeEach(async () => {
  t = await makeStoreFolder();
});
afterEach(() => t.cleanup());

/** As replaceFile names them; no process is as old as the machine. */
const temporary = (name: string) => `.${name}.1-0-0123456789abcdef.tmp`;
const hosts = 'etc/main/default/blog/web/hosts';
const write = () => t.store.writeFile({ path: hosts, content: 'x', inPlace: true }, context());
const remove = (path = hosts) => t.store.removeFile({ path }, context());

async function leaveTemporary(): Promise<void> {
  const folder = join(t.runPath, '.kuke/etc/main/default/blog/web');
  await mkdir(folder, { recursive: true, mode: 0o755 });
  await writeFile(join(folder, temporary('hosts')), 'half');
}

test('a temporary file goes with the next writing', async () => {
  await leaveTemporary();
  await write();
  expect((await t.paths()).filter(path => !path.endsWith('/'))).toEqual([`.kuke/${hosts}`]);
});

test('a temporary file goes with the removal, also of a file that never came to be', async () => {
  await leaveTemporary();
  await remove();
  expect(await t.paths()).toEqual(['.kuke/']);
});

test('a removal that got half-way up the folders is finished', async () => {
  for (const left of ['etc/main/default/blog', 'etc/main', 'etc']) {
    await mkdir(join(t.runPath, '.kuke', left), { recursive: true, mode: 0o755 });
    await remove('etc/main/default/blog/web');
    expect(await t.paths()).toEqual(['.kuke/']);
  }
});

test('so is that of logs', async () => {
  for (const left of ['main/default/blog', 'main']) {
    await mkdir(join(t.logFolder, left), { recursive: true });
    await t.remove('Cell', 'main/default/blog/web');
    expect(await t.paths('log')).toEqual([]);
  }
});
