// containerd: once, since what differs between its versions lies below the door of plugins.
/** Plugins that are broken in every way: each is named, stops a change before anything is made, and hinders nobody who only reads. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cell, container } from '../kuke/cells.ts';
import { apply, applyFailing, kuke, run } from '../kuke/kuke.ts';
import { leaks, type ReadyHost, readyHost, removeCells } from '../kuke/ready-host.ts';
import { FOLDER, removePlugins, type Written, withSetup, writePlugin } from './plugins-folder.ts';

let host: ReadyHost;
beforeAll(async () => {
  host = await readyHost();
});
afterEach(async () => {
  removePlugins();
  rmSync('/etc/kukeon', { recursive: true, force: true });
  await removeCells();
});
afterAll(() => host.containerd.stop());

const web = cell('web', [container('main')]);
const left = async () => (await leaks(host.before)).filter(line => !line.includes(FOLDER));

/** A change fails with exit code 1 and the plugin's name, and leaves nothing; who reads is told, and goes on. */
async function expectRefused(name: string, why: string | RegExp): Promise<void> {
  const stderr = await applyFailing(1, web);
  expect(stderr).toContain(name);
  expect(stderr).toMatch(why);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(await left()).toEqual([]);
  for (const reading of [
    ['get', 'cells', '-A'],
    ['plugin', 'list'],
  ]) {
    const { status, stderr: warnings } = await run(reading);
    expect([status, warnings]).toEqual([0, expect.stringContaining(name)]);
    expect(warnings).toMatch(why);
  }
}

const never = 'await new Promise(() => {});';
const HANGS = 'no answer within 400 ms';

/** Nobody should have to wait here for what hangs; all else has the time that it needs. */
function limitTime(why: unknown): void {
  if (why !== HANGS) return;
  mkdirSync('/etc/kukeon', { recursive: true });
  writeFileSync('/etc/kukeon/kuke.yaml', 'pluginTimeLimit: 400\n');
}

describe('a plugin that cannot be loaded', () => {
  test.each<[string, Written, string | RegExp]>([
    [
      'has a syntax error',
      { index: 'import { definePlugin } from "kuke/plugin";\nexport default definePlugin({{{\n' },
      /broken\/index\.ts:2:\d+: /,
    ],
    ['throws', { index: 'throw new Error("not on this host\\nat all");' }, 'not on this host at all'],
    ['hangs', { index: `${never}\nexport default {};` }, HANGS],
    [
      'imports what is not installed',
      { index: 'import x from "left-pad";\nexport default x;' },
      "Cannot find package 'left-pad'",
    ],
    [
      'imports what the door does not have',
      { index: 'import { nothing } from "kuke/plugin";\nexport default nothing;' },
      'nothing',
    ],
    ['exports nothing', { index: 'export const x = 1;' }, 'it has no default export made by definePlugin()'],
    [
      'exports something else',
      { index: 'export default { name: 5, version: "1", setup: "no" };' },
      'definePlugin.name: must be a string, not 5',
    ],
    ['has no entry', { index: '', package: '{"name": "broken", "main": "nothing.js", "kuke": {}}' }, /./],
    [
      'has a package.json that is none',
      { index: '', package: '{"name": "broken", "kuke": ' },
      /broken\/package\.json: /,
    ],
  ])('since it %s', async (_, written, why) => {
    limitTime(why);
    writePlugin('broken', written);
    await expectRefused(join(FOLDER, 'broken'), why);
  });

  test('since a package that the folder names is not installed', async () => {
    writePlugin('ignored', { index: '', package: '{"name": "not-a-plugin"}' });
    writeFileSync(join(FOLDER, 'package.json'), '{"dependencies": ');
    await expectRefused(join(FOLDER, 'package.json'), 'JSON');
    writeFileSync(join(FOLDER, 'package.json'), '{"dependencies": {"kuke-plugin-x": "1.0.0"}}');
    await expectRefused(join(FOLDER, 'node_modules/kuke-plugin-x'), 'there is nothing (run `BUN_BE_BUN=1 kuke install');
  });
});

describe('a plugin whose setup', () => {
  test.each<[string, Written, string]>([
    ['throws', withSetup('broken', 'throw new Error("no translator found")'), 'no translator found'],
    ['hangs', withSetup('broken', never), HANGS],
    [
      'requires what is missing',
      withSetup('broken', '', "requires: ['backend:images', 'kind:Cel'],"),
      'broken requires kind:Cel, which no plugin provides; did you mean `kind:Cell`?',
    ],
    [
      'requires itself',
      withSetup('broken', '', "requires: ['broken'],"),
      'plugins require each other: broken → broken',
    ],
    ['has another’s name', withSetup('cell', ''), 'there is a plugin of that name already: built-in'],
    [
      'takes a word that is taken',
      withSetup(
        'broken',
        "kernel.kind({ kind: 'Cello', plural: 'cells', aliases: [], description: '', spec: {}, columns: [] })",
        "provides: { kinds: ['Cello'] },",
      ),
      'takes the word "cells", which is Cell\'s',
    ],
    [
      'provides a backend that is there',
      withSetup('broken', "kernel.backend('images', () => ({}))", "provides: { backends: ['images'] },"),
      'the backend images is provided twice',
    ],
    [
      'registers less than it provides',
      withSetup('broken', '', "provides: { kinds: ['Greeting'] },"),
      'what it `provides` is not what its setup registers: kind Greeting',
    ],
  ])('%s', async (_, written, why) => {
    limitTime(why);
    writePlugin('broken', written);
    await expectRefused(join(FOLDER, 'broken'), why);
  });

  test('takes no configuration, and is given one', async () => {
    writePlugin('plain', withSetup('plain', ''));
    const file = '/tmp/kuke.yaml';
    writeFileSync(file, 'plugins: { plain: { a: 1 } }\n');
    const { status, stderr } = await run(['create', 'realm', 'lab', '--config', file]);
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining('the configuration has plugins.plain, which takes none'),
    ]);
  });
});

describe('a hook of a plugin', () => {
  const hook = (name: string, body: string) => withSetup('rude', `kernel.hook('${name}', async event => { ${body} });`);

  test.each([
    ['manifest:default', 'hook manifest:default of plugin rude'],
    ['manifest:validate', 'hook manifest:validate of plugin rude'],
    ['plan:made', 'hook plan:made of plugin rude'],
    ['step:before', 'hook step:before of plugin rude'],
    ['container:spec', 'hook container:spec of plugin rude'],
  ])('%s that throws or hangs fails the change, by its name, and nothing is left', async (name, step) => {
    for (const [body, why] of [
      ['throw new Error("I do not like it")', 'I do not like it'],
      [never, HANGS],
    ] as const) {
      limitTime(why);
      writePlugin('rude', hook(name, body));
      const stderr = await applyFailing(1, web);
      expect(stderr).toContain(step);
      expect(stderr).toContain(`: ${why} (`);
      expect(await left()).toEqual([]);
      expect(await kuke('get', 'cells', '-A', '-o', 'name')).toBe('');
      removePlugins();
    }
    expect(await apply(web)).toContain('created');
  });

  test('that only observes is a warning', async () => {
    writePlugin('rude', hook('step:after', 'throw new Error("I saw it")'));
    const { status, stdout, stderr } = await run(['create', 'stack', 'blog']);
    expect([status, stdout]).toEqual([0, 'stack main/default/blog created\n']);
    expect(stderr).toContain('warning: hook step:after of plugin rude: I saw it');
    await kuke('delete', 'stack', 'blog');
  });
});

describe('a plugin that others could change', () => {
  const spy = withSetup('spy', 'console.error("it ran as root")');

  test.each<[string, string, (path: string) => void]>([
    ['its folder', '.', path => chmodSync(path, 0o777)],
    ['a file of it', 'index.ts', path => chmodSync(path, 0o666)],
    ['a group’s file', 'package.json', path => chmodSync(path, 0o664)],
    ['somebody’s file', 'index.ts', path => chownSync(path, 1000, 1000)],
    ['the plugins folder', '..', path => chmodSync(path, 0o775)],
  ])('%s: it is not run', async (_, name, open) => {
    const path = join(writePlugin('spy', spy), name);
    open(path);
    await expectRefused(path.replace(/\/$/, ''), 'can be changed by others');
    expect((await run(['plugin', 'list'])).stderr).not.toContain('it ran as root');
  });

  test('what it links to: it is not run', async () => {
    const folder = writePlugin('spy', spy);
    mkdirSync('/srv/theirs', { recursive: true });
    writeFileSync('/srv/theirs/code.ts', '');
    chownSync('/srv/theirs/code.ts', 1000, 1000);
    symlinkSync('/srv/theirs', join(folder, 'lib'));
    await expectRefused('/srv/theirs/code.ts', 'can be changed by others');
  });

  test('what it would import from beside it or above: it is not run', async () => {
    const folder = writePlugin('spy', spy);
    for (const modules of [join(folder, '../node_modules'), '/opt/node_modules']) {
      mkdirSync(join(modules, 'dep'), { recursive: true });
      chmodSync(join(modules, 'dep'), 0o777);
      await expectRefused(join(modules, 'dep'), 'can be changed by others');
      rmSync(modules, { recursive: true });
    }
  });

  test('and what makes it safe is said, and does', async () => {
    const folder = writePlugin('spy', spy);
    chmodSync(join(folder, 'index.ts'), 0o666);
    chownSync(join(folder, 'index.ts'), 1000, 1000);
    const [, remedy = ''] = /\((chown .*)\)\n$/.exec(await applyFailing(1, web)) ?? [];
    expect(Bun.spawnSync(['sh', '-c', remedy]).exitCode).toBe(0);
    const { status, stderr } = await run(['plugin', 'list']);
    expect([status, stderr]).toEqual([0, 'it ran as root\n']);
  });
});

describe('a plugin that loops without end', () => {
  test.each([
    [
      'in a hook',
      withSetup('spinning', "kernel.hook('container:spec', () => { for (;;); });"),
      'hook container:spec of plugin spinning',
    ],
    ['in its setup', withSetup('spinning', 'for (;;);'), 'the setup of plugin spinning'],
    [
      'when it is loaded',
      { index: 'for (;;);\nexport default 1;' },
      'loading the plugin in /opt/kukeon/.kuke/plugins/spinning',
    ],
  ])('%s is named, and ends kuke; the next one puts right what was begun', async (_, written, named) => {
    limitTime(HANGS);
    writePlugin('spinning', written);
    const { status, stderr } = await run(['apply', '-f', '-'], { stdin: JSON.stringify(web) });
    expect(status).toBe(null); // it was killed
    expect(stderr).toContain(`${named}: it loops`);
    removePlugins();
    await apply(web);
    await kuke('delete', 'cell', 'web', '--cascade');
    expect(await left()).toEqual([]);
  });
});
