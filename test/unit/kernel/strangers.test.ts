/** Processes that somebody has moved into a cgroup of ours, when that is to go. */
import { beforeEach, expect, test } from 'bun:test';
import { makeJournal } from '../../../src/kernel/journal.ts';
import { remove } from '../../../src/kernel/remove.ts';
import { cell, type Limited, limited, realm, web } from './limits/limited.ts';

let kuke: Limited;
beforeEach(async () => {
  kuke = await limited();
  await kuke.put(web);
  await kuke.put(cell('two'));
  kuke.host.strangers.push({ pid: 77, command: 'sleep 1000', path: `${web.group}/web_root` });
});
const refOf = ({ kind, path }: typeof realm) => ({ kind, path });

test.each([web, realm])('keep $kind $path with all that is in it; they are named', async level => {
  const before = kuke.host.inventory();
  const [outcome] = await kuke.remove([refOf(level)]);
  expect(outcome?.error?.exitCode).toBe(4);
  expect(outcome?.error?.summary).toBe(
    `${level.kind.toLowerCase()} ${level.path.join('/')}: these processes are no container's: 77 (sleep 1000) in ${web.group}/web_root (move them elsewhere or end them, or say --force, which kills them)`,
  );
  expect(kuke.host.inventory()).toEqual(before);
});

test('keep nothing beside it', async () => {
  expect((await kuke.remove([refOf(cell('two'))])).map(({ result }) => result)).toEqual(['deleted']);
});

test('are killed with --force and by uninstall, and told before', async () => {
  const calls = kuke.host.calls.length;
  const told: string[] = [];
  const killing = (what: string) => {
    told.push(what);
    expect(kuke.host.calls.length).toBe(calls);
  };
  const journal = makeJournal(`${kuke.kernel.settings.runPath}`);
  await remove(kuke.kernel, journal, [refOf(web)], { cascade: true, stopTimeoutMs: 0, killing }, kuke.engine);
  expect(told).toEqual([
    `cell main/default/default/web: processes that are no container's are killed: 77 (sleep 1000) in ${web.group}/web_root`,
  ]);
  kuke.host.strangers = [{ pid: 78, command: 'x', path: '/kukeon/main' }];
  await kuke.uninstall();
  expect(kuke.notices.join()).toContain("realm main: processes that are no container's are killed: 78 (x)");
});
