/** Flags beat variables, and variables the file; what makes no sense is told by its source. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GlobalFlags, globalArgs, readGlobals } from '../../../src/cli/global-flags.ts';
import { changeableByOthers } from '../../../src/host/trusted-path.ts';
import { KukeError } from '../../../src/kernel/errors.ts';
import { type FakeKuke, readyKuke } from './kuke-on-fakes.ts';

let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kuke-globals-'));
  file = join(folder, 'kuke.yaml');
});
beforeEach(() => {
  writeFileSync(file, '');
  chmodSync(file, 0o644);
});
afterAll(() => rmSync(folder, { recursive: true }));

type Env = Record<string, string>;
const program = { changeableByOthers: async () => changeableByOthers };
const read = (flags: object, env: Env = {}) => readGlobals({ config: file, ...flags }, env, program);

async function refusal(flags: object, env: Env = {}): Promise<KukeError> {
  const thrown = await read(flags, env).then(
    value => value,
    (error: unknown) => error,
  );
  if (thrown instanceof KukeError) return thrown;
  throw new Error(`it was not refused: ${Bun.inspect(thrown)}`);
}

/** Each setting: its flag, its key in the file, three values, and what comes of one. */
const settings: [string, string, [unknown, unknown, unknown], (globals: GlobalFlags) => unknown, unknown][] = [
  ['run-path', 'runPath', ['/a', '/b', '/c'], one => one.runPath, '/opt/kukeon'],
  [
    'containerd-socket',
    'containerdSocket',
    ['/a', '/b', '/c'],
    one => one.containerdSocket,
    '/run/containerd/containerd.sock',
  ],
  ['lock-timeout', 'lockTimeout', ['1ms', '2ms', '3ms'], one => `${one.lockTimeoutMs}ms`, '300000ms'],
  ['color', 'color', ['always', 'never', 'always'], one => one.colour, 'auto'],
  ['quiet', 'quiet', [true, false, true], one => one.quiet, false],
  ['verbose', 'verbose', [true, false, true], one => one.verbose, false],
  ['no-daemon', 'noDaemon', [true, false, true], one => one.noDaemon, false],
  ['output', 'output', ['json', 'yaml', 'wide'], one => one.output, undefined],
  ['realm', 'realm', ['a', 'b', 'c'], one => one.scope.realm, undefined],
  ['space', 'space', ['a', 'b', 'c'], one => one.scope.space, undefined],
  ['stack', 'stack', ['a', 'b', 'c'], one => one.scope.stack, undefined],
];

describe.each(settings)('--%s', (flag, key, [inFlag, inVariable, inFile], of, otherwise) => {
  const variable = `KUKE_${flag.replaceAll('-', '_').toUpperCase()}`;

  test('is given by flag, variable or file, in this order', async () => {
    expect(of(await read({}))).toBe(otherwise as never);
    expect(of(await read({}, { [variable]: '' }))).toBe(otherwise as never);
    writeFileSync(file, `${key}: ${inFile}\n`);
    expect(of(await read({}))).toBe(inFile as never);
    expect(of(await read({}, { [variable]: String(inVariable) }))).toBe(inVariable as never);
    expect(of(await read({ [flag]: inFlag }, { [variable]: String(inVariable) }))).toBe(inFlag as never);
  });

  test('what makes no sense is told by its source', async () => {
    const bad = ['quiet', 'verbose', 'noDaemon'].includes(key) ? undefined : 'no such!';
    if (bad !== undefined) expect((await refusal({ [flag]: bad })).message).toStartWith(`--${flag}`);
    expect((await refusal({}, { [variable]: 'no such!' })).message).toStartWith(variable);
    writeFileSync(file, `\n${key}: [1]\n`);
    expect((await refusal({})).message).toStartWith(`${file}:2:1: ${key}: must be `);
    if (bad === undefined || key.endsWith('Path') || key.endsWith('Socket')) return;
    writeFileSync(file, `${key}: no such!\n`);
    expect((await refusal({})).message).toStartWith(`${file}: ${key}`);
  });
});

test('every flag of every command but --config, --host and --help is among them', () => {
  const flags = settings.map(([flag]) => flag);
  expect(Object.keys(globalArgs).filter(name => !flags.includes(name))).toEqual(['config', 'host', 'help']);
});

test.each(['1', 'true', 'YES', 'on'])('KUKE_QUIET=%s is yes', async value => {
  expect((await read({}, { KUKE_QUIET: value })).quiet).toBe(true);
});
test.each(['0', 'false', 'No', 'off', ''])('KUKE_QUIET=%s is no', async value => {
  expect((await read({}, { KUKE_QUIET: value })).quiet).toBe(false);
});

describe('the configuration file', () => {
  test.each([
    ['# mine\nquiet: true\nrunpath: /x\n', ':3:1: runpath: unknown field; did you mean `runPath`?'],
    ['lockTimeuot: 5m\n', ':1:1: lockTimeuot: unknown field; did you mean `lockTimeout`?'],
    ['quiet: "yes"\n', ':1:1: quiet: must be true or false'],
    ['runPath: relative\n', ':1:1: runPath: must be an absolute path'],
    ['plugins: 1\n', ':1:1: plugins: must be '],
    ['realm: [lab\n', ':'],
    ['- a\n', ':1:1: must be a map, not a list'],
  ])('%j is refused with its place', async (text, why) => {
    writeFileSync(file, text);
    const { message, exitCode } = await refusal({});
    expect([message, exitCode]).toEqual([expect.stringContaining(`${file}${why}`), 2]);
  });

  test('one that others can change is not read', async () => {
    writeFileSync(file, 'quiet: true\n');
    chmodSync(file, 0o666);
    const { message, remedy, exitCode } = await refusal({});
    expect([message, exitCode]).toEqual([expect.stringMatching(/kuke\.yaml can be changed by others/), 5]);
    expect(remedy).toContain('chmod');
    chmodSync(file, 0o644);
    expect((await read({})).quiet).toBe(true);
    if (process.getuid?.() !== 0) return;
    chownSync(file, 1000, 1000);
    expect((await refusal({})).message).toContain('owner 1000');
    chownSync(file, 0, 0);
  });

  test('one that is named has to be there', async () => {
    expect((await refusal({ config: '/nowhere' })).message).toBe('--config: /nowhere: no such file');
    const thrown = await readGlobals({}, { KUKE_CONFIG: '/nowhere' }, program).catch(error => error);
    expect(thrown.message).toBe('KUKE_CONFIG: /nowhere: no such file');
  });
});

describe('what commands make of them', () => {
  let fake: FakeKuke;
  beforeAll(async () => {
    fake = await readyKuke();
    await fake.kuke('create', 'realm', 'lab');
    await fake.kuke('create', 'space', 'dmz', '--realm', 'lab');
  });
  afterAll(() => fake.remove());
  const configured = (text: string, ...argv: string[]) => fake.kuke('--config', fake.file('kuke.yaml', text), ...argv);
  const names = async (text: string, ...argv: string[]) =>
    (await configured(text, 'get', ...argv, '-o', 'name')).stdout.trim().split('\n');

  test('a scope holds where none is given, and disturbs nobody who has none', async () => {
    expect(await names('realm: lab\n', 'spaces')).toEqual(['space/dmz']);
    expect(await names('realm: lab\n', 'spaces', '--realm', 'main')).toEqual(['space/default']);
    expect(await names('realm: lab\n', 'spaces', '-A')).toEqual(['space/dmz', 'space/default']);
    expect(await names('realm: lab\nspace: dmz\nstack: none\n', 'realms')).toEqual(['realm/lab', 'realm/main']);
    expect(await names('', '--realm', 'lab', 'spaces')).toEqual(['space/dmz']);
  });

  test('an output holds for commands that have it', async () => {
    expect(JSON.parse((await configured('output: json\n', 'get', 'realms')).stdout)).toMatchObject({ kind: 'List' });
    expect((await configured('output: json\n', 'get', 'realms', '-o', 'name')).stdout).toBe('realm/lab\nrealm/main\n');
    expect((await configured('output: wide\n', 'version')).stdout).toBe('kuke 1.2.3\n');
    expect((await configured('output: jsn\n', 'version')).stderr).toContain(
      'is one of table, wide, text, json, yaml, name, not `jsn`; did you mean `json`?',
    );
  });
});
