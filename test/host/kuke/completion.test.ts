/** Completion in each real shell, on a terminal, with Tab; names come from files, and neither containerd nor root is needed. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { eventually } from '../../suites/contract.ts';
import { binary, run } from './kuke.ts';

const runPath = '/run/completion/state';
const home = '/run/completion/home';

beforeAll(() => {
  const write = (kind: string, path: string, spec: object) => {
    const name = path.split('/').at(-1);
    const file = join(runPath, path, `${kind.toLowerCase()}.yaml`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${JSON.stringify({ apiVersion: 'v1beta1', kind, metadata: { name }, spec })}\n`);
  };
  const at = { realmId: 'main', spaceId: 'default' };
  write('Realm', 'main', {});
  write('Space', 'main/default', { realmId: 'main' });
  write('Stack', 'main/default/default', at);
  write('Stack', 'main/default/blog', at);
  const containers = [
    { id: 'nginx', image: 'x' },
    { id: 'sidecar', image: 'x' },
  ];
  write('Cell', 'main/default/default/frontend', { ...at, stackId: 'default', containers });
  write('Cell', 'main/default/default/database', { ...at, stackId: 'default' });
  write('Cell', 'main/default/blog/journal', { ...at, stackId: 'blog' });
  mkdirSync(join(home, 'manifests'), { recursive: true });
  writeFileSync(join(home, 'manifests/only.yaml'), '');
});

const environment = {
  PATH: `${dirname(binary)}:${process.env.PATH}`,
  HOME: home,
  TERM: 'xterm',
  LANG: 'C.UTF-8',
  KUKE_RUN_PATH: runPath,
};

/** An interactive shell on a terminal of its own. */
function shell(argv: string[]) {
  let screen = '';
  const data = (_: unknown, bytes: Uint8Array) => {
    screen += new TextDecoder().decode(bytes);
  };
  const program = Bun.spawn(argv, { cwd: home, env: environment, terminal: { cols: 200, rows: 50, data } });
  const type = (text: string) => program.terminal?.write(text);
  /** Types, and waits until the pattern is on the screen behind what was there before. */
  const see = async (text: string, pattern: RegExp): Promise<void> => {
    const from = screen.length;
    type(text);
    const shown = () => Bun.stripANSI(screen.slice(from)).replaceAll('\u0007', ''); // a bell where several are meant
    await eventually(async () => (pattern.test(shown()) ? true : undefined)).catch(() => {
      throw new Error(`${pattern} is not on the screen:\n${shown()}`);
    });
  };
  return {
    see,
    /** What stands at the prompt after Tab; the line is dropped then. */
    async completes(text: string, pattern: RegExp): Promise<void> {
      await see(`${text}\t`, pattern).finally(() => type('\u0015'));
    },
    async end() {
      program.kill('SIGKILL');
      await program.exited;
      program.terminal?.close();
    },
  };
}

const shells = {
  bash: { argv: ['bash', '--norc', '--noprofile', '-i'], load: 'source <(kuke completion bash)' },
  zsh: { argv: ['zsh', '-f', '-i'], load: 'autoload -Uz compinit; compinit -u -D; source <(kuke completion zsh)' },
} as const;

describe.each(['bash', 'zsh'] as const)('%s', name => {
  let open: ReturnType<typeof shell>;
  beforeAll(async () => {
    open = shell([...shells[name].argv]);
    // The word is not on the screen as it is typed.
    await open.see(`${shells[name].load}; PS1='> '; echo lo""aded\n`, /^loaded/m);
  });
  afterAll(() => open.end());

  test.each([
    ['kuke unin', /kuke uninstall /],
    ['kuke get sta', /kuke get stacks /],
    ['kuke get cell fr', /kuke get cell frontend /],
    ['kuke get cell --stack blog j', /kuke get cell --stack blog journal /],
    ['kuke get cell --stack=b', /kuke get cell --stack=blog /],
    ['kuke get cells --sor', /kuke get cells --sort-by /],
    ['kuke get cells -o ya', /kuke get cells -o yaml /],
    ['kuke get cells --output=ya', /kuke get cells --output=yaml /],
    ['kuke get cells -o jso', /kuke get cells -o json(?!p)/],
    ['kuke get co --cell frontend si', /kuke get co --cell frontend sidecar /],
    ['kuke --realm m', /kuke --realm main /],
    ['kuke apply -f manif', /kuke apply -f manifests\//],
    ['kuke apply -f manifests/on', /kuke apply -f manifests\/only\.yaml /],
  ])('%s', async (line, pattern) => {
    await open.completes(line, pattern);
  });

  test('of several it shows what there is', async () => {
    await open.see('kuke get cell \t\t', /database[\s\S]*frontend/);
    await open.see('\u0015kuke get re', /kuke get re/);
    await open.see('\t', /alms /);
  });
});

test('fish', async () => {
  const asked = async (line: string) => {
    const script = `kuke completion fish | source; complete -C ${JSON.stringify(line)}`;
    const program = Bun.spawn(['fish', '--no-config', '-c', script], { cwd: home, env: environment, stdout: 'pipe' });
    return (await program.stdout.text())
      .trimEnd()
      .split('\n')
      .map(one => one.split('\t'));
  };
  expect(await asked('kuke unin')).toEqual([['uninstall', expect.stringContaining('remove everything')]]);
  expect(await asked('kuke get cell ')).toEqual([['database'], ['frontend']]);
  expect(await asked('kuke get cell --stack blog ')).toEqual([['journal']]);
  expect(await asked('kuke get cells -o ya')).toEqual([['yaml']]);
  expect(await asked('kuke get cells --output=ya')).toEqual([['--output=yaml']]);
  expect(await asked('kuke get co --cell frontend ')).toEqual([['nginx'], ['sidecar']]);
  expect(await asked('kuke apply -f manifests/o')).toEqual([['manifests/only.yaml']]);
});

describe('kuke __complete', () => {
  test.each([
    [['nonsense', ''], {}],
    [['get', 'cells', ''], { KUKE_RUN_PATH: '/nowhere' }],
    [['get', 'cells', ''], { KUKE_RUN_PATH: 'relative' }],
    [['get', 'cells', ''], { KUKE_CONFIG: '/nowhere' }],
    [['get', 'nothing', ''], {}],
    [[], {}],
  ])('%j in %j is no failure, and tells nobody', async (words, env) => {
    const { status, stderr } = await run(['__complete', ...words], { env: { KUKE_RUN_PATH: runPath, ...env } });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test('a file that is no manifest is passed over without a word', async () => {
    writeFileSync(join(runPath, 'main/default/blog/journal/notes.txt'), 'x');
    const env = { KUKE_RUN_PATH: runPath };
    const asked = await run(['__complete', 'get', 'cells', '--stack', 'blog', ''], { env });
    expect(asked).toEqual({ status: 0, stdout: 'journal\n:done\n', stderr: '' });
  });

  test('what shells run is printed; of another shell there is none', async () => {
    for (const name of ['bash', 'zsh', 'fish'])
      expect((await run(['completion', name])).stdout).toContain('__complete');
    expect(await run(['completion', 'bsh'])).toMatchObject({ status: 2, stderr: expect.stringContaining('`bash`') });
  });
});
