/** The program as a process of its own: what goes to which stream, whole, and with which exit code. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDocuments } from '../../../src/kernel/documents.ts';

const main = join(import.meta.dir, '../../../src/main.ts');
const REALMS = 400;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kuke-program-'));
  for (let index = 0; index < REALMS; index++) {
    const name = `realm${index}`;
    mkdirSync(join(folder, name));
    const annotations = `{ padding: "${'x'.repeat(300)}" }`;
    const text = `apiVersion: v1beta1\nkind: Realm\nmetadata: { name: ${name}, annotations: ${annotations} }\nspec: {}\n`;
    writeFileSync(join(folder, name, 'realm.yaml'), text);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** With a run path and a containerd socket of its own, of which there is none. */
function start(argv: string[], env: Record<string, string> = {}) {
  const own = { KUKE_RUN_PATH: folder, KUKE_CONTAINERD_SOCKET: join(folder, 'none.sock'), KUKE_CONFIG: '' };
  const { PATH = '', HOME = '' } = process.env;
  return Bun.spawn([process.execPath, main, ...argv], {
    env: { PATH, HOME, ...own, ...env },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  });
}

async function run(argv: string[], env: Record<string, string> = {}) {
  const program = start(argv, env);
  const [stdout, stderr, status] = await Promise.all([program.stdout.text(), program.stderr.text(), program.exited]);
  return { status, stdout, stderr };
}

describe('kuke as a process', () => {
  test('answers on stdout and ends with 0', async () => {
    expect(await run(['version'])).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^kuke \d+\.\d+\.\d+\n$/),
      stderr: '',
    });
  });

  test('tells errors on stderr, a line each, without colours for a pipe', async () => {
    const { status, stdout, stderr } = await run(['gte', 'cells'], { FORCE_COLOR: '1' });
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toBe('error: there is no command `gte`; did you mean `get`? (see `kuke --help`)\n');
  });

  test.each([
    [
      'colours what an error is',
      {},
      '\u001b[31merror\u001b[0m: there is no command `gte`; did you mean `get`? (see `kuke --help`)\r\n',
    ],
    [
      'does not with NO_COLOR',
      { NO_COLOR: '1' },
      'error: there is no command `gte`; did you mean `get`? (see `kuke --help`)\r\n',
    ],
  ])('on a terminal %s', async (_, env, expected) => {
    let shown = '';
    const whole = Promise.withResolvers<void>();
    const { PATH = '' } = process.env;
    const data = (_: unknown, bytes: Uint8Array) => {
      shown += new TextDecoder().decode(bytes);
      if (shown.endsWith('\n')) whole.resolve();
    };
    const terminal = { cols: 200, rows: 50, data };
    const program = Bun.spawn([process.execPath, main, 'gte'], { env: { PATH, TERM: 'xterm', ...env }, terminal });
    expect(await program.exited).toBe(2);
    await whole.promise;
    program.terminal?.close();
    expect(shown).toBe(expected);
  });

  test('colours as --color says, whatever it writes to', async () => {
    expect((await run(['get', 'nothing', '--color', 'always'])).stderr).toStartWith('\u001b[31merror\u001b[0m: ');
    expect((await run(['get', 'nothing'], { KUKE_COLOR: 'always', NO_COLOR: '1' })).stderr).toContain('\u001b[31m');
    expect((await run(['get', 'nothing', '--color', 'never'], { KUKE_COLOR: 'always' })).stderr).not.toContain(
      '\u001b',
    );
  });

  test('writes all of a long answer into a pipe before it ends', async () => {
    const { status, stdout } = await run(['get', 'realms', '-o', 'yaml']);
    expect(status).toBe(0);
    expect(stdout.length).toBeGreaterThan(REALMS * 300);
    expect(parseDocuments(stdout, 'stdout')).toHaveLength(REALMS);
  });

  test('takes its settings from the environment, and from flags before it', async () => {
    const other = join(folder, 'realm0');
    expect((await run(['get', 'realms', '-o', 'name', '--run-path', other])).stdout).toBe('');
    expect(await run(['get', 'realms'], { KUKE_RUN_PATH: 'relative' })).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('`relative` is not an absolute path'),
    });
    expect(await run(['get', 'realms'], { KUKE_LOCK_TIMEOUT: 'soon' })).toMatchObject({ status: 2 });
    const config = join(folder, 'kuke.conf');
    writeFileSync(config, `runPath: ${other}\nplugins: {}\n`);
    expect((await run(['get', 'realms', '-o', 'name', '--config', config], { KUKE_RUN_PATH: '' })).stdout).toBe('');
    writeFileSync(config, 'runpath: /x\n');
    const misspelt = await run(['get', 'realms', '--config', config]);
    expect(misspelt).toMatchObject({
      status: 2,
      stderr: `error: ${config}:1:1: runpath: unknown field; did you mean \`runPath\`? (mend the file)\n`,
    });
  });

  test('is not upset by a reader that has heard enough', async () => {
    const program = start(['get', 'realms', '-o', 'json']);
    const reader = program.stdout.getReader();
    await reader.read();
    await reader.cancel();
    await program.exited;
    expect(program.signalCode ?? 'none').toBeOneOf(['none', 'SIGPIPE']);
    expect(await program.stderr.text()).not.toMatch(/\n\s+at |EPIPE/);
  });
});
