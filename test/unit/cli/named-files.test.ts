/** What a daemon, of another host say, may have done with a client's files: what its command line says, and no more. */
import { describe, expect, test } from 'bun:test';
import type { ArgDef, ArgsDef } from 'citty';
import type { CommandEntry } from '../../../src/cli/command.ts';
import { commands } from '../../../src/cli/commands.ts';
import { NAMING, namedIn } from '../../../src/cli/console/named-files.ts';
import { isOwnCommand } from '../../../src/cli/console/where.ts';
import type { IsNamed } from '../../../src/daemon/console/client-files.ts';

const HOWS = ['read', 'write', 'look', 'pack', 'unpack'] as const satisfies Parameters<IsNamed>[0][];

function allowed(line: string, path: string): string[] {
  const isNamed = namedIn(line.split(' '));
  return HOWS.filter(how => isNamed(how, path));
}

describe('a file that is named', () => {
  test.each([
    ['apply -f F', ['read']],
    ['apply -f x.yaml -fF', ['read']],
    ['apply -f=F --wait', ['read']],
    ['apply -qf F', ['read']],
    ['--realm lab apply --filename=F --timeout 2m', ['read']],
    ['diff -f F', ['read']],
    ['delete -f F', ['read']],
    ['get cells -o jsonpath-file=F', ['read']],
    ['get cells --output=custom-columns-file=F', ['read']],
    ['image load -i F', ['read', 'look']],
    ['image load --realm lab --input=F', ['read', 'look']],
    ['image save busybox -o F', ['write', 'look']],
    ['cp F web:/srv', ['look', 'pack']],
    ['cp -c nginx --realm lab F web:/srv --dry-run', ['look', 'pack']],
    ['cp --container=nginx web:/srv F', ['look', 'unpack']],
    ['cp -q web:/srv -c nginx F', ['look', 'unpack']],
    ['cp web:/srv -- F', ['look', 'unpack']],
  ])('%s', (line, hows) => {
    expect(allowed(line, 'F')).toEqual(hows);
  });
});

test.each([
  'exec web -- cat F',
  'exec web -e A=F -- true',
  'exec web -- cp a F',
  'exec web -- kuke image save -o F',
  'run web --image F',
  'run web --image busybox -- cp a F',
  'logs -f F',
  'get cells -l a=F',
  'get cells -o jsonpath=F',
  'apply -f x -- -f F',
  'image save F -o x.tar',
  'cp a web:F',
  'cp -c F a web:/srv',
  'cp a web:/srv F',
  'F apply -f F',
  '',
])('`%s` names no F', line => {
  expect(allowed(line, 'F')).toEqual([]);
});

test('what is no path is named by nothing', () => {
  expect(allowed('cp web:/srv', '')).toEqual([]);
});

describe('what is known of commands here is what they know', () => {
  const all = (entries: Record<string, CommandEntry>, above = ''): [words: string, load: () => Promise<ArgsDef>][] =>
    Object.entries(entries).flatMap(([word, entry]) => {
      const words = `${above} ${word}`.trim();
      if ('below' in entry) return all(entry.below, words);
      return [[words, async () => (await entry.load()).default.args]];
    });
  const aliasOf = (definition: ArgDef) => ('alias' in definition ? definition.alias : undefined);

  test('every flag that is a FILE', async () => {
    const given: unknown[] = [];
    const known: unknown[] = [];
    for (const [words, load] of all(commands).filter(([words]) => !isOwnCommand(words.split(' ')[0])))
      for (const [flag, definition] of Object.entries(await load())) {
        if (definition.valueHint !== 'FILE') continue;
        given.push([words, flag, aliasOf(definition)]);
        known.push([words, flag, NAMING.get(words)?.flags[flag]?.short]);
      }
    expect(known).toEqual(given);
    expect(given.length).toBeGreaterThanOrEqual(5);
  });

  test('every flag of cp that takes a value, which is no path', async () => {
    const args = await all(commands).find(([words]) => words === 'cp')?.[1]();
    const valued = Object.entries(args ?? {}).filter(([, { type }]) => type === 'string' || type === 'enum');
    const known = NAMING.get('cp')?.flags ?? {};
    const given = valued.map(([flag, definition]): unknown[] => [flag, aliasOf(definition)]);
    expect(valued.map(([flag]): unknown[] => [flag, known[flag]?.short])).toEqual(given);
    expect(valued.filter(([flag]) => known[flag] === undefined)).toEqual([]);
    expect(valued.length).toBeGreaterThan(0);
  });
});
