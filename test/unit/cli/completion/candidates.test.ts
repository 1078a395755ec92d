import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { commands } from '../../../../src/cli/commands.ts';
import { complete } from '../../../../src/cli/completion/candidates.ts';

/** Says what it was asked for. */
const known = {
  kinds: async () => ['realm', 'space', 'stack', 'cell', 'container', 'greeting'],
  names: async (kind: string, { cell, realm, stack }: Readonly<Record<string, unknown>>) => [
    'web',
    [kind, realm, stack, cell].filter(Boolean).join('-'),
  ],
  images: async ({ realm }: Readonly<Record<string, unknown>>) => ['nginx:1.29', `busybox:${realm ?? 'latest'}`],
};

const completed = async (...line: string[]) => {
  const { candidates, directive } = await complete(line.slice(0, -1), line.at(-1) ?? '', commands, known);
  return { values: candidates.map(({ value }) => value), directive };
};

describe('completion', () => {
  test.each([
    [
      ['explain', 'c'],
      ['cell', 'container'],
    ],
    [
      ['image', 'rm', ''],
      ['nginx:1.29', 'busybox:latest'],
    ],
    [['image', 'tag', '--realm', 'lab', 'b'], ['busybox:lab']],
    [['run', '--rm', 'n'], ['nginx:1.29']],
    [['image', 'pull', 'nginx:1'], ['nginx:1.29']],
    [
      ['describe', 'cell/'],
      ['cell/web', 'cell/cell'],
    ],
    [['get', 'co/w'], ['co/web']],
    [['wait', '--realm', 'lab', 'cell/c'], ['cell/cell-lab']],
    [
      ['create', 'cell/'],
      ['cell/web', 'cell/cell'],
    ],
    [['image', 'rm', 'cell/'], []],
    [
      ['events', '--for', 'c'],
      ['cell/', 'container/'],
    ],
    [['events', '--for=cell/w'], ['--for=cell/web']],
    [['ge'], ['get']],
    [
      ['image', 'l'],
      ['load', 'ls'],
    ],
    [
      ['--run-path', '/x', 'image', 'l'],
      ['load', 'ls'],
    ],
    [
      ['get', 'c'],
      ['cells', 'containers'],
    ],
    [
      ['create', ''],
      ['realm', 'space', 'stack', 'cell'],
    ],
    [['stop', ''], ['cell']],
    [
      ['stop', 'cell', ''],
      ['web', 'cell'],
    ],
    [['stop', 'cell', 'web', ''], ['cell']],
    [['delete', 'space/web', ''], ['space']],
    [['delete', 'space/web', 'space/'], ['space/space']],
    [
      ['delete', 'space/web', 'cell/'],
      ['cell/web', 'cell/cell'],
    ],
    [['rollout', 'restart', 'web', ''], ['cell-web']],
    [['image', 'rm', 'nginx:1.29', ''], ['busybox:latest']],
    [
      ['get', 'cells', ''],
      ['web', 'cells'],
    ],
    [
      ['get', 'cells', '--realm', 'lab', '--stack=blog', ''],
      ['web', 'cells-lab-blog'],
    ],
    [
      ['get', '-A', 'cells', ''],
      ['web', 'cells'],
    ],
    [['get', '-o', 'json', 'cells', 'c'], ['cells']],
    [['delete', 'realm', 'w'], ['web']],
    [
      ['get', 'cells', '--realm', ''],
      ['web', 'realm'],
    ],
    [
      ['get', 'cells', '--realm=', ''],
      ['web', 'cells'],
    ],
    [['get', 'cells', '--realm=w'], ['--realm=web']],
    [['--realm', 'r'], ['realm']],
    [
      ['get', 'co', '--cell', ''],
      ['web', 'cell'],
    ],
    [
      ['exec', 'page', '-c', ''],
      ['web', 'container-page'],
    ],
    [['exec', 'w'], ['web']],
    [['get', 'cells', '-o', 'ta'], ['table']],
    [['get', 'cells', '--output=ta'], ['--output=table']],
    [['get', 'cells', '-Ao', 'ta'], ['table']],
    [
      ['--color', 'a'],
      ['auto', 'always'],
    ],
    [['get', '--sort'], ['--sort-by']],
    [['get', '--realm', 'lab', '--rea'], []],
    [['top', '--sort', 'm'], ['memory']],
    [['tree', '--level', 'g'], ['greeting']],
    [['top', '--level=g'], ['--level=greeting']],
    [['explain', 'g'], ['greeting']],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['help', 'unin'], ['uninstall']],
    [['help', 'image', 'lo'], ['load']],
    [['version', ''], []],
    [['get', 'cells', '--nothing='], []],
    [
      ['get', 'cells', '--nothing', ''],
      ['web', 'cells'],
    ],
  ])('kuke %j', async (line, expected) => {
    expect((await completed(...line)).values).toEqual(expected);
  });

  test('what the shell knows better is left to it, and what wants more gets no space', async () => {
    expect(await completed('apply', '-f', '')).toEqual({ values: [], directive: 'files' });
    expect(await completed('apply', '--filename=')).toEqual({ values: [], directive: 'files' });
    expect(await completed('--run-path', '')).toEqual({ values: [], directive: 'folders' });
    expect(await completed('exec', 'web', '--', 'l')).toEqual({ values: [], directive: 'files' });
    expect(await completed('get', 'cells', '-o', 'custom-')).toMatchObject({ directive: 'nospace' });
    expect(await completed('get', 'cells', '-o', 'j')).toMatchObject({ directive: 'done' });
    expect(await completed('events', '--for', 'cell')).toEqual({ values: ['cell/'], directive: 'nospace' });
  });

  test('commands and flags say what they are', async () => {
    const { candidates } = await complete(['get'], '--wat', commands, known);
    expect(candidates).toEqual([{ value: '--watch', description: expect.stringContaining('Ctrl-C') }]);
  });

  test('whatever the line is, all that is offered begins with what is there', async () => {
    const word = fc.constantFrom(
      'get',
      'cell',
      'image',
      '--',
      '-',
      '--realm',
      '-o',
      '=',
      '--output=',
      'delete',
      '-f',
      'x',
      '',
      '-A',
      'help',
      'exec',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 5 }), word, async (words, current) => {
        const found = await complete(words, current, commands, known).catch(() => undefined);
        for (const { value } of found?.candidates ?? []) expect(value).toStartWith(current);
      }),
    );
  });
});
