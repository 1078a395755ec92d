import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { findCommand, parseLine } from '../../../src/cli/arguments.ts';
import { type Command, type CommandEntry, command } from '../../../src/cli/command.ts';
import { KukeError } from '../../../src/kernel/errors.ts';

const nothing = async () => 0;

const show = command({
  summary: 'show',
  examples: [],
  args: {
    kind: { type: 'positional', required: true },
    name: { type: 'positional', required: false },
    realm: { type: 'string' },
    output: { type: 'enum', alias: 'o', options: ['table', 'json'], default: 'table' },
    filename: { type: 'string', alias: 'f' },
    all: { type: 'boolean', alias: 'A' },
    yes: { type: 'boolean', alias: 'y' },
  },
  repeatable: ['filename'],
  run: nothing,
});

const needy = command({
  summary: 'needs a flag',
  examples: [],
  args: { input: { type: 'string', alias: 'i', required: true }, each: { type: 'string', required: true } },
  repeatable: ['each'],
  run: nothing,
});

const many = command({
  summary: 'takes many',
  examples: [],
  args: { name: { type: 'positional', required: true }, quiet: { type: 'boolean', alias: 'q' } },
  repeatable: ['name'],
  run: nothing,
});

const load = async (): Promise<{ default: Command }> => ({ default: show });
const commands: Record<string, CommandEntry> = {
  show: { summary: 'show', load },
  image: { summary: 'images', below: { ls: { summary: 'list', load }, rm: { summary: 'remove', load } } },
};

const parse = (...argv: string[]) => parseLine(show, ['show'], argv);
const find = (...argv: string[]) => findCommand(argv, commands);

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof KukeError && thrown.code === 'Usage' && thrown.exitCode === 2) return thrown.summary;
    throw thrown;
  }
  throw new Error('it was taken');
}

describe('findCommand', () => {
  test('finds commands by their words, with global flags before and between them', () => {
    expect(find('show', 'a', '--all')).toMatchObject({ words: ['show'], rest: ['a', '--all'] });
    expect(find('image', 'ls', 'x')).toMatchObject({ words: ['image', 'ls'], rest: ['x'] });
    expect(find('--run-path', '/x', 'image', '-q', 'ls', 'y')).toMatchObject({
      words: ['image', 'ls'],
      rest: ['--run-path', '/x', '-q', 'y'],
    });
    expect(find('--run-path=/x', 'show').words).toEqual(['show']);
  });

  test('a global flag’s value is not taken for a command', () => {
    expect(find('--config', 'show', 'image')).toMatchObject({ words: ['image'], rest: ['--config', 'show'] });
    expect(find('--config')).toMatchObject({ words: [], entry: undefined, rest: ['--config'] });
  });

  test('what stands behind a command is its own', () => {
    expect(find('show', 'image', 'ls')).toMatchObject({ words: ['show'], rest: ['image', 'ls'] });
    expect(find('show', '--', '--help')).toMatchObject({ words: ['show'], rest: ['--', '--help'] });
  });

  test('without a word, or with half a command, there is nothing to run', () => {
    expect(find()).toMatchObject({ words: [], entry: undefined });
    expect(find('image').entry).toHaveProperty('below');
    expect(find('--', 'show').words).toEqual([]);
  });

  test.each([
    [['shwo'], 'there is no command `shwo`; did you mean `show`? (see `kuke --help`)'],
    [['image', 'lst'], 'there is no command `image lst`; did you mean `ls`? (see `kuke image --help`)'],
    [['toString'], 'there is no command `toString` (see `kuke --help`)'],
    [['__proto__'], 'there is no command `__proto__` (see `kuke --help`)'],
    [['constructor', 'show'], 'there is no command `constructor` (see `kuke --help`)'],
    [['image', 'hasOwnProperty'], 'there is no command `image hasOwnProperty` (see `kuke image --help`)'],
    [[''], 'there is no command `` (see `kuke --help`)'],
  ])('%j is refused', (argv, why) => {
    expect(refusal(() => find(...argv))).toBe(why);
  });
});

describe('parseLine', () => {
  test('takes flags in every spelling, and positionals among them', () => {
    for (const argv of [
      ['cells', 'web', '--output', 'json', '-A', '--realm', 'lab'],
      ['-A', '--realm=lab', 'cells', '-o', 'json', 'web'],
      ['-Aojson', 'cells', '--realm=lab', '--', 'web'],
      ['-o=json', 'cells', '-A', '--realm=lab', 'web'],
      ['cells', 'web', '-Ao=json', '--realm=lab'],
    ]) {
      expect(parse(...argv).values).toMatchObject({
        kind: 'cells',
        name: 'web',
        output: 'json',
        all: true,
        realm: 'lab',
      });
    }
  });

  test('has defaults, and undefined for what is not given', () => {
    expect(parse('cells').values).toEqual({
      kind: 'cells',
      name: undefined,
      output: 'table',
      realm: undefined,
      all: undefined,
      yes: undefined,
    });
  });

  test('a flag that may be repeated is a list, in order', () => {
    expect(parse('cells', '-f', 'a', '--filename=b', '-f', '-').lists).toEqual({ filename: ['a', 'b', '-'] });
    expect(parse('cells').lists).toEqual({ filename: [] });
  });

  test('a positional that may be repeated takes all that follow', () => {
    expect(parseLine(many, ['many'], ['a', '-q', 'b', '--', '-c']).lists).toEqual({ name: ['a', 'b', '-c'] });
    expect(refusal(() => parseLine(many, ['many'], []))).toStartWith('NAME is needed');
  });

  test('a command’s own flag goes before the global one of that name', () => {
    const { values, globals } = parseLine(many, ['many'], ['a', '-q']);
    expect(values.quiet).toBe(true);
    expect(globals).not.toHaveProperty('quiet');
  });

  test('behind -- nothing is a flag with a value', () => {
    expect(parse('cells', '--', '-o=json').values).toMatchObject({ name: '-o=json', output: 'table' });
  });

  test('global flags are kept apart, wherever they stand', () => {
    const { globals, values } = parse('-q', 'cells', '--lock-timeout', '1m', '--run-path=/x');
    expect(globals).toMatchObject({ quiet: true, 'lock-timeout': '1m', 'run-path': '/x' });
    expect(values).not.toHaveProperty('quiet');
  });

  test('of a switch and its opposite the last one counts', () => {
    expect(parse('cells', '--all', '--no-all').values.all).toBe(false);
    expect(parse('cells', '--no-all', '-A', '-A').values.all).toBe(true);
  });

  test.each([
    [['--all=true'], true],
    [['--all=false'], false],
    [['-A=0'], false],
    [['--no-all=false'], true],
    [['--all', '--all=no'], false],
    [['--', '--all=true'], undefined],
  ])('a switch may be given a value, as with kubectl: %j', (argv, all) => {
    expect(parse('cells', ...argv).values.all).toBe(all);
  });

  test('help needs nothing else, and behind -- is a word like others', () => {
    expect(parse('--help').globals).toEqual({ help: true });
    expect(parseLine(needy, ['needy'], ['-h']).globals).toEqual({ help: true });
    expect(parse('cells', '--', '--help').values.name).toBe('--help');
    expect(parse('cells', '--no-help').values.kind).toBe('cells');
  });

  test.each([
    [['cells', '--outptu', 'json'], 'unknown flag --outptu; did you mean --output?'],
    [['cells', '--bogus', 'x'], 'unknown flag --bogus'],
    [['cells', '-z'], 'unknown flag -z'],
    [['cells', '--toString'], 'unknown flag --toString'],
    [['cells', '--__proto__=x'], 'unknown flag --__proto__'],
    [['cells', '--no-realm'], 'unknown flag --no-realm'],
    [['cells', '--realm', 'a', '--realm=b'], '--realm is given 2 times'],
    [['cells', '-o', 'json', '--output', 'json'], '--output is given 2 times'],
    [['cells', '--run-path', '/a', '--run-path', '/b'], '--run-path is given 2 times'],
    [['cells', '-o', 'jsn'], '--output is one of table, json, not `jsn`; did you mean `json`?'],
    [['cells', '-o='], '--output is one of table, json, not ``'],
    [['cells', '-o==json'], '--output is one of table, json, not `=json`; did you mean `json`?'],
    [['cells', '-A=x'], '--all: `x` is neither true nor false'],
    [['cells', '-zo=json'], 'unknown flag -z'],
    [['cells', '-f', '-o=json'], '--filename needs a value; one that begins with a dash is given as --filename=VALUE'],
    [['cells', '--output='], '--output is one of table, json, not ``'],
    [['cells', '--realm'], '--realm needs a value'],
    [['cells', '-o'], '--output needs a value'],
    [['cells', '--realm', '--all'], '--realm needs a value; one that begins with a dash is given as --realm=VALUE'],
    [['cells', '-f', '-x'], '--filename needs a value; one that begins with a dash is given as --filename=VALUE'],
    [['cells', '--all='], '--all: `` is neither true nor false'],
    [['cells', '--no-all=2'], '--no-all: `2` is neither true nor false'],
    [['cells', '--quiet=maybe'], '--quiet: `maybe` is neither true nor false'],
    [[], 'KIND is needed'],
    [['--all'], 'KIND is needed'],
    [['a', 'b', 'c'], '`c` is one argument too many'],
    [['a', 'b', '--', '--help'], '`--help` is one argument too many'],
  ])('%j is refused', (argv, why) => {
    expect(refusal(() => parse(...argv))).toBe(`${why} (see \`kuke show --help\`)`);
  });

  test.each([
    [['--each', 'x'], '--input is needed'],
    [['-i', 'x'], '--each is needed'],
  ])('a flag that is needed is asked for: %j', (argv, why) => {
    expect(refusal(() => parseLine(needy, ['needy'], argv))).toStartWith(why);
  });

  test('takes a value that begins with a dash in no other way, and loses nothing', () => {
    const value = fc.string({ minLength: 1 });
    fc.assert(
      fc.property(value, fc.array(value, { maxLength: 3 }), (realm, files) => {
        const { values, lists } = parse(
          `--realm=${realm}`,
          ...files.map(file => `--filename=${file}`),
          '--',
          'cells',
          '--all',
        );
        expect(values).toMatchObject({ realm, kind: 'cells', name: '--all' });
        expect(values.all).toBeUndefined();
        expect(lists.filename).toEqual(files);
      }),
    );
  });

  test('nothing that is typed makes it fail in any other way', () => {
    const argument = fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.constantFrom(
        '--',
        '-',
        '--help',
        '-h',
        '--all',
        '-A',
        '--realm',
        '-o',
        'json',
        '-f',
        '--no-all',
        '---',
        '-=',
        '--=x',
        '--constructor',
      ),
    );
    fc.assert(
      fc.property(fc.array(argument, { maxLength: 6 }), argv => {
        try {
          const { values, globals } = parse(...argv);
          expect(globals.help === true || typeof values.kind === 'string').toBe(true);
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'Usage' });
        }
      }),
      { numRuns: 300 },
    );
  });
});
