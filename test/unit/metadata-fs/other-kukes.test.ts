import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { lockPath } from '../../../plugins/metadata-fs/lock.ts';
import type { StoreBackend } from '../../../src/plugin.ts';
import { context, failure } from '../../suites/contract.ts';
import { makeStoreFolder, type StoreFolder } from './store-folder.ts';

let t: StoreFolder;
let others: Bun.Subprocess<'pipe', 'pipe', 'inherit'>[];
beforeEach(async () => {
  t = await makeStoreFolder();
  others = [];
});
afterEach(async () => {
  for (const other of others) other.kill('SIGKILL');
  await Promise.all(others.map(other => other.exited));
  await t.cleanup();
});

/** Another process that has said that it is at it. */
async function start(mode: 'hold' | 'write') {
  const program = join(import.meta.dir, 'other-process.ts');
  const other = Bun.spawn([process.execPath, program, t.runPath, t.lockFolder, mode], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  others.push(other);
  const reader = other.stdout.getReader();
  expect(new TextDecoder().decode((await reader.read()).value).trim()).toBe(mode === 'hold' ? 'held' : 'writing');
  return other;
}

const lock = (options: Partial<Parameters<StoreBackend['lock']>[0]> = {}) =>
  t.store.lock({
    command: 'kuke delete',
    timeoutMs: 20_000,
    signal: new AbortController().signal,
    onWait: () => {},
    ...options,
  });

describe('the lock', () => {
  test('names the process that holds it', async () => {
    const other = await start('hold');
    const [file = ''] = await readdir(t.lockFolder);
    const path = await Bun.$`printf %s ${t.runPath} | sha256sum | cut -c1-16`.text();
    expect(file).toBe(`${path.trim()}.lock`);
    expect(await readFile(join(t.lockFolder, file), 'utf8')).toBe(`${other.pid} kuke apply -f "a b.yaml"\n`);
    expect((await stat(t.lockFolder)).mode & 0o7777).toBe(0o755);
    const { message, exitCode } = await failure(lock({ timeoutMs: 50 }), 'Locked');
    expect(message).toContain(`pid ${other.pid}: kuke apply -f "a b.yaml"`);
    expect(exitCode).toBe(6);
  });

  test('tells by its turn that somebody had it', async () => {
    await t.store.writeFile({ path: 'instance', content: `${crypto.randomUUID()}\n` }, context());
    await (await lock()).release();
    const turn = async () => (await t.store.lockState?.())?.turn;
    const before = await turn();
    expect(await turn()).toBe(before);
    await Bun.sleep(50); // the kernel's file times go in ticks
    await (await lock()).release();
    expect(await turn()).not.toBe(before);
  });

  test('is told to who waits, and then passed on', async () => {
    const other = await start('hold');
    const told = Promise.withResolvers<unknown>();
    const waiting = lock({ onWait: told.resolve });
    expect(await told.promise).toEqual({ pid: other.pid, command: 'kuke apply -f "a b.yaml"' });
    other.stdin.end();
    await (await waiting).release();
  });

  test('is told by the kernel who holds it, where that has written nothing yet', async () => {
    const path = lockPath(t.lockFolder, t.runPath);
    await mkdir(t.lockFolder);
    const mute = Bun.spawn(['flock', path, 'sh', '-c', 'echo held; cat'], { stdin: 'pipe', stdout: 'pipe' });
    others.push(mute as (typeof others)[number]);
    await mute.stdout.getReader().read();
    const told = Promise.withResolvers<unknown>();
    const waiting = lock({ onWait: told.resolve });
    const command = `flock ${path} sh -c echo held; cat`;
    expect(await told.promise).toEqual({ pid: mute.pid, command });
    const { message } = await failure(lock({ timeoutMs: 50 }), 'Locked');
    expect(message).toContain(`by pid ${mute.pid}: ${command}`);
    mute.stdin.end();
    await (await waiting).release();
  });

  test('is free as soon as its holder is killed', async () => {
    const other = await start('hold');
    const waiting = lock();
    other.kill('SIGKILL');
    const held = await waiting;
    const [file = ''] = await readdir(t.lockFolder);
    expect(await readFile(join(t.lockFolder, file), 'utf8')).toBe(`${process.pid} kuke delete\n`);
    await held.release();
  });

  test('leaves no file where nothing is set up, and stays where something is', async () => {
    const first = await lock();
    const waiting = lock();
    await Bun.sleep(50);
    await first.release();
    const second = await waiting;
    await failure(lock({ timeoutMs: 0 }), 'Locked');
    await t.store.writeFile({ path: 'instance', content: `${crypto.randomUUID()}\n` }, context());
    await second.release();
    expect(await t.paths('lock')).toHaveLength(1);
    await t.store.removeFile({ path: 'instance' }, context());
    await (await lock()).release();
    expect(existsSync(t.lockFolder)).toBe(false);
  });
});

test('a kuke that is killed while it writes leaves whole files', async () => {
  for (let round = 0; round < 6; round++) {
    const writer = await start('write');
    await Bun.sleep(20 + round * 7);
    writer.kill('SIGKILL');
    await writer.exited;
    const { resources, problems } = await t.store.list();
    expect(problems).toEqual([]);
    for (const { manifest } of resources) {
      const { fill, end } = manifest.spec;
      expect(String(fill)).toBe(`${end} `.repeat(manifest.kind === 'Realm' ? 5000 : 10));
    }
  }
  await t.write('Realm', 'main');
  await t.remove('Space', 'main/a');
  expect(await t.paths()).toEqual(['main/', 'main/realm.yaml']);
});
