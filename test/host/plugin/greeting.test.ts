// containerd: once, since what differs between its versions lies below the door of plugins.
/** examples/plugin-greeting in the compiled program, which has never seen it: a kind, a hook, a configuration, and all of it gone again. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cell, container, fileIn, manifest, pidsOf } from '../kuke/cells.ts';
import { apply, applyFailing, failing, kuke, run } from '../kuke/kuke.ts';
import { leaks, type ReadyHost, readyHost, removeCells } from '../kuke/ready-host.ts';
import { output } from '../observe/command.ts';
import { difference, inventory } from '../observe/inventory.ts';
import { copyGreeting, FOLDER, installGreeting, packageManager } from './plugins-folder.ts';

const INSTALLED = join(FOLDER, 'greeting');
const FILE = '/opt/kukeon/.kuke/greetings/main/morning';
const morning = manifest('Greeting', 'morning', { to: 'ada' });

let host: ReadyHost;
beforeAll(async () => {
  host = await readyHost();
  await installGreeting();
});
afterAll(() => host.containerd.stop());

/** What is there besides the plugin itself. */
const left = async () => (await leaks(host.before)).filter(line => !line.includes(FOLDER));

describe('the package', () => {
  test('has its dependencies, fetched by kuke itself', () => {
    expect(existsSync(join(INSTALLED, 'node_modules/just-capitalize/package.json'))).toBe(true);
    expect(existsSync('/opt/kukeon/node_modules')).toBe(false);
  });

  test('is listed with its origin and what it costs', async () => {
    const table = await kuke('plugin', 'list', '--timing');
    expect(table).toMatch(/^NAME +VERSION +ORIGIN +MS\n/);
    expect(table).toMatch(new RegExp(`^greeting +1\\.0\\.0 +${INSTALLED} +\\d+\\.\\d$`, 'm'));
    expect(table).toMatch(/^cell +\S+ +built-in +\d+\.\d$/m);
    const plugins: { name: string; ms: number }[] = JSON.parse(await kuke('plugin', 'list', '-o', 'json'));
    expect(plugins.find(({ name }) => name === 'greeting')?.ms).toBeGreaterThan(0);
  });
});

describe('its kind', () => {
  test('is created, shown with its column, unchanged, changed field by field, and gone', async () => {
    expect(await apply(morning)).toBe('greeting main/morning created\n');
    expect(readFileSync(FILE, 'utf8')).toBe('Hello, Ada!\n');
    expect(await kuke('get', 'greetings')).toBe('NAME     STATE  TEXT\nmorning  Ready  Hello, Ada!\n');
    expect(await kuke('get', 'gr', '-A', '-o', 'wide')).toMatch(
      /^REALM +NAME +STATE +TEXT +TO\nmain +morning +Ready +Hello, Ada! +ada\n$/,
    );
    expect(await apply(morning)).toBe('greeting main/morning unchanged\n');
    expect(await apply(await kuke('get', 'greeting', 'morning', '-o', 'yaml'))).toBe(
      'greeting main/morning unchanged\n',
    );
    expect(await apply(manifest('Greeting', 'morning', { to: 'grace' }))).toBe(
      'greeting main/morning updated\n  spec.to: ada → grace\n',
    );
    expect(readFileSync(FILE, 'utf8')).toBe('Hello, Grace!\n');
    expect(await kuke('delete', 'greeting', 'morning')).toBe('greeting main/morning deleted\n');
    expect(existsSync(FILE)).toBe(false);
    expect(await left()).toEqual([]);
  });

  test('is explained, has a schema, and is planned by a dry run and by hand', async () => {
    expect(await kuke('explain', 'greeting.to')).toContain('REQUIRED  yes\nCHANGE    in place\n\nwho is greeted\n');
    const { oneOf, $defs } = JSON.parse(await kuke('schema'));
    expect(oneOf).toContainEqual({ $ref: '#/$defs/Greeting' });
    expect($defs.Greeting.properties.spec.required).toEqual(['to']);
    const dryRun = async (...flags: string[]) =>
      (await run(['apply', '-f', '-', '--dry-run', ...flags], { stdin: JSON.stringify(morning) })).stdout;
    expect(await dryRun()).toBe(
      'greeting main/morning created (dry run)\n  store.write\n  store.writeFile  greetings/main/morning\n',
    );
    const script = await dryRun('--explain');
    expect(existsSync(FILE)).toBe(false);
    await output('bash', '-ec', script);
    expect(await apply(morning)).toBe('greeting main/morning unchanged\n');
    await kuke('delete', 'greeting', 'morning');
  });

  test('is told from what the host says, and put right', async () => {
    await apply(morning);
    rmSync(FILE);
    expect(await kuke('get', 'greetings')).toMatch(/morning +Failed/);
    expect(await apply(morning)).toContain('put right: store.writeFile');
    expect(await kuke('get', 'greetings')).toMatch(/morning +Ready/);
    await kuke('delete', 'greeting', 'morning');
  });

  test('is validated by its schema, with places and the nearest field', async () => {
    const before = await inventory();
    const yaml = 'apiVersion: v1beta1\nkind: Greeting\nmetadata: { name: evening }\nspec:\n  too: ada\n';
    const stderr = await applyFailing(2, yaml);
    expect(stderr).toContain('stdin:5:3: spec.too: unknown field; did you mean `to`?');
    expect(stderr).toContain('spec.to: is missing');
    expect(await applyFailing(2, manifest('Greting', 'x'))).toContain('did you mean `Greeting`?');
    expect(await applyFailing(3, manifest('Greeting', 'x', { realmId: 'none', to: 'a' }))).toContain(
      'there is no realm none',
    );
    expect(difference(before, await inventory())).toEqual([]);
  });

  test('counts among the children of its parent, and a namesake of a space takes nothing of that along', async () => {
    await apply(manifest('Greeting', 'default', { to: 'all' }));
    expect(await failing(4, 'delete', 'realm', 'main')).toContain('greeting main/default, space main/default');
    await kuke('delete', 'greeting', 'default', '--cascade');
    expect(await kuke('get', 'stacks', '-o', 'name')).toBe('stack/default\n');
    expect(await left()).toEqual([]);
  });
});

describe('its hook', () => {
  afterEach(removeCells);

  test('greets every container, unless the manifest does', async () => {
    await apply(cell('web', [container('main'), container('side', { env: ['GREETING=mine'] })]));
    const { main = 0, side = 0 } = await pidsOf('web');
    const environment = (pid: number) => fileIn(pid, '/proc/1/environ').split('\0');
    expect(environment(main)).toContain('GREETING=Hello, Web!');
    expect(environment(side).filter(entry => entry.startsWith('GREETING='))).toEqual(['GREETING=mine']);
  });
});

describe('its configuration', () => {
  const config = '/etc/kukeon/kuke.yaml';
  afterEach(() => rmSync('/etc/kukeon', { recursive: true, force: true }));

  function configure(text: string): void {
    mkdirSync('/etc/kukeon', { recursive: true });
    writeFileSync(config, text);
  }

  test('is its own', async () => {
    configure('plugins:\n  greeting:\n    word: welcome\n');
    await apply(morning);
    expect(await kuke('get', 'greetings')).toContain('Welcome, Ada!');
    await kuke('delete', 'greeting', 'morning');
  });

  test.each([
    ['wrod: x', 'plugins.greeting.wrod: unknown field; did you mean `word`?'],
    ['word: 5', 'plugins.greeting.word: must be a string, not 5'],
    ['word: two words', 'plugins.greeting.word: must be one word'],
  ])('with %s is refused by a change, and a warning for who reads', async (line, why) => {
    configure(`plugins:\n  greeting:\n    ${line}\n`);
    expect(await applyFailing(2, morning)).toContain(why);
    const { status, stdout, stderr } = await run(['get', 'cells', '-o', 'name']);
    expect([status, stdout]).toEqual([0, '']);
    expect(stderr).toContain(why);
  });

  test('may put plugins elsewhere', async () => {
    configure('pluginsPath: /srv/plugins\n');
    expect(await kuke('plugin', 'list')).not.toContain('greeting');
    mkdirSync('/srv/plugins');
    cpSync(INSTALLED, '/srv/plugins/other', { recursive: true });
    expect(await kuke('plugin', 'list')).toMatch(/^greeting +1\.0\.0 +\/srv\/plugins\/other$/m);
    rmSync('/srv/plugins', { recursive: true });
  });
});

describe('as a package that was added', () => {
  afterEach(async () => {
    for (const name of ['package.json', 'bun.lock', 'node_modules'])
      rmSync(join(FOLDER, name), { recursive: true, force: true });
    await output('mv', '/srv/greeting', INSTALLED);
  });

  test('it is found by its name, with dependencies beside it', async () => {
    await output('mv', INSTALLED, '/srv/greeting');
    copyGreeting('/srv/pack/package');
    await output('tar', '--create', '--gzip', '--file', '/srv/greeting.tgz', '--directory', '/srv/pack', 'package');
    await packageManager(FOLDER, 'add', '--ignore-scripts', '/srv/greeting.tgz');
    expect(existsSync(join(FOLDER, 'node_modules/just-capitalize'))).toBe(true);
    expect(await kuke('plugin', 'list')).toMatch(
      new RegExp(`^greeting +1\\.0\\.0 +${FOLDER}/node_modules/kuke-plugin-greeting$`, 'm'),
    );
    expect(await apply(morning)).toBe('greeting main/morning created\n');
    await kuke('delete', 'greeting', 'morning');
  });
});

describe('without it', () => {
  test('what it has made is reported and kept, until it is back', async () => {
    await apply(morning);
    await output('mv', INSTALLED, '/srv/greeting');
    const { status, stderr } = await run(['get', 'realms']);
    expect(status).toBe(0);
    expect(stderr).toContain('unknown kind `Greeting`');
    expect(await failing(1, 'uninstall', '--yes')).toContain('greeting main/morning');
    expect(await failing(1, 'delete', 'realm', 'main', '--cascade')).toContain('Greeting');
    expect(readFileSync(FILE, 'utf8')).toBe('Hello, Ada!\n');
    await output('mv', '/srv/greeting', INSTALLED);
    expect(await kuke('get', 'greetings')).toContain('Ready');
  });

  test('uninstall takes its resources, and the plugin, along', async () => {
    expect(await kuke('get', 'greetings')).toContain('morning');
    await kuke('uninstall', '--yes');
    expect(existsSync('/opt/kukeon')).toBe(false);
    expect((await inventory()).filter(line => /^(?!process).*(?:greet|opt\/kukeon)/.test(line))).toEqual([]);
  });
});
