/** kuke runs as root wherever somebody stands: nothing that lies in that folder is executed, or even read. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from '../kuke/kuke.ts';
import { installGreeting, removePlugins } from './plugins-folder.ts';

const folder = '/tmp/hostile';
const proof = '/tmp/it-ran';
const evil = `require('node:fs').writeFileSync('${proof}', import.meta.path); export default 1;`;

const files: Record<string, string> = {
  'bunfig.toml': 'preload = ["./evil.ts"]\n[run]\npreload = ["./evil.ts"]\n[test]\npreload = ["./evil.ts"]\n',
  '.env': `KUKE_RUN_PATH=${folder}/state\nKUKE_CONFIG=${folder}/kuke.yaml\nBUN_OPTIONS=--preload=${folder}/evil.ts\n`,
  '.env.local': `KUKE_RUN_PATH=${folder}/state\n`,
  '.env.production': `KUKE_RUN_PATH=${folder}/state\n`,
  'evil.ts': evil,
  'index.ts': evil,
  'kuke.yaml': 'runPath: /tmp/hostile/state\n',
  'tsconfig.json': '{ "compilerOptions": { "paths": { "*": ["./evil.ts"] } } }',
  'package.json': '{ "name": "kuke", "main": "evil.ts", "imports": { "#*": "./evil.ts" }, "exports": "./evil.ts" }',
  'node_modules/kuke/plugin.ts': evil,
  'node_modules/kuke/package.json': '{ "exports": { "./plugin": "./plugin.ts" } }',
  'node_modules/valibot/index.js': evil,
  'node_modules/just-capitalize/index.js': evil,
  'node_modules/yaml/index.js': evil,
};

/** Long ago, and before the last change: so that the first reading is noted (relatime). */
function forget(path: string): void {
  utimesSync(path, 1000, 2000);
}

const isRead = (name: string) => statSync(join(folder, name)).atimeMs !== 1_000_000;

beforeAll(async () => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
    forget(join(folder, name));
  }
  await installGreeting();
});
afterAll(() => {
  removePlugins();
  rmSync(folder, { recursive: true });
});

test('what is read is noticed here', () => {
  readFileSync(join(folder, 'evil.ts'));
  expect(isRead('evil.ts')).toBe(true);
  forget(join(folder, 'evil.ts'));
  expect(isRead('evil.ts')).toBe(false);
});

describe.each([
  [['version']],
  [['--help']],
  [['get', 'cells', '-A']],
  [['get', 'greetings', '-o', 'yaml']],
  [['plugin', 'list', '--timing']],
  [['apply', '-f', '-']],
])('kuke %j', argv => {
  test.each([[{}], [{ NODE_ENV: 'production' }]])('with %j', async env => {
    const { stdout, stderr } = await run(argv, { cwd: folder, env, stdin: 'kind: Nothing' });
    expect(stdout + stderr).not.toContain(folder);
    expect(Object.keys(files).filter(isRead)).toEqual([]);
    expect(existsSync(proof)).toBe(false);
    expect(existsSync(join(folder, 'state'))).toBe(false);
    if (argv.includes('list')) expect(stdout).toContain('greeting');
  });
});

test('a file is still looked for where the user stands', async () => {
  writeFileSync(join(folder, 'cell.yaml'), 'kind: Planet');
  const { stderr } = await run(['apply', '-f', 'cell.yaml'], { cwd: folder });
  expect(stderr).toContain('cell.yaml:1:1: unknown kind `Planet`');
});
