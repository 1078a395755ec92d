// containerd: once, since it is apply, logs, kill and delete, which are tested on all versions.
/** run: an image in a cell of its own, in the foreground or not, and what of it stays. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { startRegistry } from '../../registry/docker-registry.ts';
import { eventually } from '../../suites/contract.ts';
import { ociArchive } from '../image.ts';
import { output } from '../observe/command.ts';
import { processes } from '../observe/system.ts';
import { addressesOf, fileIn, getCell, IMAGE, logFile, pidsOf, stateOf } from './cells.ts';
import { binary, failing, kuke, run, start } from './kuke.ts';
import { leaks, type ReadyHost, readyHost, removeCells } from './ready-host.ts';

let host: ReadyHost;
beforeAll(async () => {
  host = await readyHost();
});
afterAll(() => host.containerd.stop());
afterEach(() => removeCells());

const cells = async () => (await kuke('get', 'cells', '-o', 'name')).split('\n').filter(Boolean);
const script = (text: string) => ['--', 'sh', '-c', text];

/** Nothing of any cell: no log either, but for the folders that all cells of a stack share. */
async function expectNothing(): Promise<void> {
  expect(await cells()).toEqual([]);
  expect(
    (await leaks(host.before)).filter(line => !/file \/var\/log\/kukeon\/(?:main\/(?:default\/){0,2})?$/.test(line)),
  ).toEqual([]);
}

describe('in the foreground', () => {
  test('it prints what is written, and ends as what runs ends; the cell stays', async () => {
    const { status, stdout, stderr } = await run([
      'run',
      IMAGE,
      ...script('echo out; echo err >&2; seq 20000; exit 3'),
    ]);
    expect(status).toBe(3);
    expect(stdout.replace('err\n', '')).toBe(`out\n${Array.from({ length: 20_000 }, (_, n) => `${n + 1}\n`).join('')}`);
    expect(stderr).toMatch(/^in cell test-[a-z]{6}\n$/);
    const [name = ''] = await cells();
    expect(`in ${name.replace('/', ' ')}\n`).toBe(stderr);
    expect(await stateOf(name.replace('cell/', ''))).toBe('Failed RootExited');
  });

  test('--rm leaves nothing, whether it ends by itself, by Ctrl-C, or by the second one', async () => {
    expect(await run(['run', '--rm', '--name', 'gone', '-q', IMAGE, ...script('echo hi; exit 4')])).toEqual({
      status: 4,
      stdout: 'hi\n',
      stderr: '',
    });
    await expectNothing();
    for (const [traps, signals, status, words] of [
      ['trap "echo bye; exit 9" INT', 1, 9, 'ready\nbye\n'],
      ['trap "" INT', 2, 137, 'ready\n'],
    ] as const) {
      const program = start([
        'run',
        '--rm',
        '-q',
        IMAGE,
        ...script(`${traps}; echo ready; while :; do sleep 0.05; done`),
      ]);
      const reader = program.stdout.getReader();
      let text = Buffer.from((await reader.read()).value ?? []).toString();
      for (let sent = 0; sent < signals; sent++) {
        program.kill('SIGINT');
        await Bun.sleep(100);
      }
      for (let next = await reader.read(); !next.done; next = await reader.read())
        text += Buffer.from(next.value).toString();
      expect([await program.exited, text]).toEqual([status, words]);
      await expectNothing();
    }
  });

  test('nor when it cannot be started, when it is cancelled before, or when nobody reads', async () => {
    expect(await failing(127, 'run', '--rm', IMAGE, '--', 'nope')).toContain('nope cannot be run');
    await expectNothing();
    const program = start(['run', '--rm', '--name', 'early', IMAGE]);
    program.kill('SIGINT');
    await program.exited;
    await kuke('delete', 'cell', 'early', '--cascade', '--force', '--ignore-not-found');
    const line = `"$0" run --rm -q ${IMAGE} -- sh -c 'while :; do echo x; done' | head -1`;
    expect(await output('bash', '-c', line, binary)).toBe('x\n');
    await expectNothing();
  });

  test('what a killed kuke leaves runs on, and is deleted like every cell', async () => {
    const program = start(['run', '--rm', '--name', 'left', IMAGE]);
    await eventually(async () => ((await cells()).length > 0 && (await pidsOf('left')).main) || undefined, 60_000);
    program.kill('SIGKILL');
    await program.exited;
    expect(await stateOf('left')).toBe('Ready');
    await kuke('delete', 'cell', 'left', '--cascade');
    expect(processes().some(({ command }) => command[0] === binary)).toBe(false);
  });
});

test('an image that is not there is pulled first; one that no registry has leaves nothing', async () => {
  await using registry = await startRegistry();
  await registry.pushArchive(
    'tool',
    '1',
    ociArchive({ name: 'tool', config: { Env: ['PATH=/bin'], Cmd: ['/bin/true'] } }),
  );
  const image = `${registry.host}/tool:1`;
  expect(await run(['run', '--rm', '-q', image, ...script('echo pulled; exit 6')])).toMatchObject({
    status: 6,
    stdout: 'pulled\n',
  });
  await kuke('image', 'rm', image);
  expect(await failing(3, 'run', '--rm', `${registry.host}/none:1`)).toContain('/none:1');
  expect(await cells()).toEqual([]);
});

describe('in the background', () => {
  test('-d prints the name; the flags are what the container gets', async () => {
    mkdirSync('/srv/site', { recursive: true });
    writeFileSync('/srv/site/index.html', 'hello\n');
    const flags = [
      '--name',
      'web',
      '-e',
      'A=1',
      '-e',
      'B=2',
      '-v',
      '/srv/site:/site:ro',
      '-p',
      '8099:80',
      '-u',
      'user',
      '-w',
      '/tmp',
    ];
    const text = 'echo $A $B; id -u; pwd; touch /site/x || echo read-only; sleep 100000 & wait';
    expect(await run(['run', '-d', ...flags, IMAGE, ...script(text)])).toEqual({
      status: 0,
      stdout: 'web\n',
      stderr: '',
    });
    await eventually(async () => readFileSync(logFile('web', 'main'), 'utf8').includes('read-only') || undefined);
    const logged = readFileSync(logFile('web', 'main'), 'utf8');
    expect(logged.replace(/^touch:.*\n/m, '')).toBe('1 2\n1000\n/tmp\nread-only\n');
    const { main = 0 } = await pidsOf('web');
    expect(fileIn(main, '/site/index.html')).toBe('hello\n');
    expect((await addressesOf('web')).length).toBe(1);
    expect((await getCell('web')).status.attachments[0]).toMatchObject({ ports: ['8099:80'] });
    const again = await failing(4, 'run', '--name', 'web', IMAGE);
    expect(again).toContain('`kuke delete cell web --cascade`');
  });

  test.each([
    [['-it'], 'standard input is not a terminal'],
    [['-d', '--rm'], 'nobody waits'],
    [['-v', 'data:/x'], 'not a path'],
  ])('%j is refused by name', async (flags, message) => {
    expect(await failing(2, 'run', ...flags, IMAGE)).toContain(message);
    await expectNothing();
  });
});
