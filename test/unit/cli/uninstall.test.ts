/** What a person has to know at the end: how far an uninstall has come, and what lies where kuke cannot read it. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cellYaml } from '../kernel/kernel-on-fakes.ts';
import { type FakeKuke, readyKuke } from './kuke-on-fakes.ts';

let fake: FakeKuke;
beforeEach(async () => {
  fake = await readyKuke();
  const yaml = [cellYaml('one'), cellYaml('two')].join('---');
  expect((await fake.kuke('apply', '-f', fake.file('cells.yaml', yaml))).status).toBe(0);
});
afterEach(() => fake.remove());

test('where a cell cannot be removed: what is gone, what stays, then why', async () => {
  fake.host.faults.fail('network.detach', new Error('device is busy'), { nth: 1 });
  const { status, stdout, stderr } = await fake.kuke('uninstall', '--yes');
  expect(status).toBe(1);
  expect(stdout.trim().split('\n').sort()).toEqual([
    expect.stringMatching(/^cell main\/default\/default\/(one|two) (deleted|failed)$/),
    expect.stringMatching(/^cell main\/default\/default\/(one|two) (deleted|failed)$/),
    'realm main failed',
    'space main/default failed',
    'stack main/default/default failed',
  ]);
  expect(stdout.match(/deleted/g)).toHaveLength(1);
  expect(stderr).toStartWith('error: not everything could be removed, so kuke stays');
  expect(stderr.match(/device is busy/g)).toHaveLength(1);
});

test('where the rest cannot be removed: the resources that are gone', async () => {
  fake.host.faults.fail('store.purge', new Error('read-only file system'));
  const { status, stdout, stderr } = await fake.kuke('uninstall', '--yes');
  expect(status).toBe(1);
  expect(stdout).toContain('cell main/default/default/one deleted\n');
  expect(stdout).toContain('realm main deleted\n');
  expect(stdout).not.toContain('has left');
  expect(stderr).toContain('read-only file system');
});

test('what lies in the journal and is none is told of by what changes the host', async () => {
  const folder = join(fake.runPath, '.kuke/journal');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'notes'), 'garbage\n');
  writeFileSync(join(folder, 'a.jsonl'), 'garbage\n');
  const { status, stdout, stderr } = await fake.kuke('create', 'stack', 'blog');
  expect([status, stdout]).toEqual([0, 'stack main/default/blog created\n']);
  expect(stderr).toContain(`warning: ${join(folder, 'notes')} is no journal of kuke's, and is left alone\n`);
  expect(stderr).toContain(`${join(folder, 'a.unreadable')}: it holds no plan`);
  expect(readFileSync(join(folder, 'notes'), 'utf8')).toBe('garbage\n');
});
