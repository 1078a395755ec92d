/** Output that cannot be written is told, and is no success; the program runs as a process of its own. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const top = join(import.meta.dir, '../../..');
const main = join(top, 'src/main.ts');
const NO_SPACE = 'error: standard output: No space left on device (ENOSPC)\n';
const REALMS = 400;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kuke-output-'));
  for (let index = 0; index < REALMS; index++) {
    mkdirSync(join(folder, `realm${index}`));
    const metadata = `{ name: realm${index}, annotations: { padding: "${'x'.repeat(300)}" } }`;
    const text = `apiVersion: v1beta1\nkind: Realm\nmetadata: ${metadata}\nspec: {}\n`;
    writeFileSync(join(folder, `realm${index}`, 'realm.yaml'), text);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function environment(): Record<string, string> {
  const { PATH = '', HOME = '' } = process.env;
  return { PATH, HOME, KUKE_RUN_PATH: folder, KUKE_CONTAINERD_SOCKET: join(folder, 'none.sock') };
}

/** `command` of bash, in which `kuke` is the program. */
function shell(command: string) {
  const script = `kuke() { '${process.execPath}' '${main}' "$@"; }; ${command}`;
  const { exitCode, stdout, stderr } = Bun.spawnSync(['bash', '-c', script], { env: environment() });
  return { status: exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

describe('output that cannot be written', () => {
  test.each([
    ['version'],
    ['get realms'],
    ['get realms -o yaml'],
    ['get realm realm1 -o name'],
    ['apply --help'],
    [''],
  ])('kuke %s: on a full device', line => {
    expect(shell(`kuke ${line} > /dev/full`)).toEqual({ status: 1, stdout: '', stderr: NO_SPACE });
  });

  test('to a standard output that is closed', () => {
    const stderr = 'error: standard output: Bad file descriptor (EBADF)\n';
    expect(shell('kuke version >&-')).toEqual({ status: 1, stdout: '', stderr });
  });

  test('leaves an error its own exit code', () => {
    const { status, stderr } = shell('kuke get realm none > /dev/full');
    expect([status, stderr]).toEqual([3, expect.stringContaining('realm none: not found')]);
    expect(stderr).not.toContain('standard output');
  });
});

test('a reader that has heard enough is no failure', () => {
  const { status, stdout, stderr } = shell(
    'kuke get realms -o yaml | head -1; status=("${PIPESTATUS[@]}"); exit "${status[0]}"',
  );
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'apiVersion: v1beta1\n', stderr: '' });
});

test('what is thrown away on purpose, and nothing at all, are no failures', () => {
  expect(shell('kuke version > /dev/null')).toEqual({ status: 0, stdout: '', stderr: '' });
  expect(shell('kuke get cells --realm none -o name >&-')).toEqual({ status: 0, stdout: '', stderr: '' });
});

test('all of it arrives through a pipe that somebody has made non-blocking', async () => {
  const fifo = join(folder, 'fifo');
  expect(Bun.spawnSync(['mkfifo', fifo]).exitCode).toBe(0);
  const reading = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const writing = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  const argv = [process.execPath, main, 'get', 'realms', '-o', 'json'];
  const program = Bun.spawn(argv, { env: environment(), stdout: writing, stderr: 'inherit' });
  closeSync(writing);
  const text = await new Response(Bun.file(reading).stream()).text();
  expect(await program.exited).toBe(0);
  expect(JSON.parse(text).items).toHaveLength(REALMS);
});

test('no verb writes past it', () => {
  const files = [...new Bun.Glob('src/cli/**/*.ts').scanSync(top)].filter(file => !file.endsWith('standard-output.ts'));
  expect(
    files.filter(file =>
      /console\.log|process\.stdout\.write|writeSync\(1/.test(readFileSync(join(top, file), 'utf8')),
    ),
  ).toEqual([]);
});
