import { describe, expect, test } from 'bun:test';
import type { ArgsDef } from 'citty';
import { findCommand, parseLine } from '../../../src/cli/arguments.ts';
import type { Command, CommandEntry } from '../../../src/cli/command.ts';
import { commands } from '../../../src/cli/commands.ts';
import { globalArgs } from '../../../src/cli/global-flags.ts';
import { commandHelp, commandListHelp, wrapped } from '../../../src/cli/help.ts';

interface Named {
  words: string[];
  command: Command;
}

async function allBelow(entries: Record<string, CommandEntry>, above: string[] = []): Promise<Named[]> {
  const found = await Promise.all(
    Object.entries(entries).map(async ([word, entry]) => {
      const words = [...above, word];
      return 'below' in entry ? await allBelow(entry.below, words) : [{ words, command: (await entry.load()).default }];
    }),
  );
  return found.flat();
}

const all = await allBelow(commands);
const cases = all.map(({ words, command }) => [words.join(' '), words, command] as const);

describe.each(cases)('kuke %s --help', (_, words, command) => {
  const help = commandHelp(words, command);
  const lines = help.split('\n');

  test('names every argument, and every flag with its short form, its values and what it does', () => {
    const flags: ArgsDef = { ...globalArgs, ...command.args };
    for (const [name, definition] of Object.entries(flags)) {
      if (definition.type === 'positional') {
        const line = lines.find(one => one.startsWith(`  ${name.toUpperCase()} `));
        expect([name, line]).toEqual([name, expect.stringContaining(definition.description ?? '?')]);
        continue;
      }
      const alias = 'alias' in definition && definition.alias ? `-${definition.alias}, ` : '    ';
      const line = lines.find(one => one.startsWith(`  ${alias}--${name}`));
      expect([name, line]).toEqual([name, expect.stringContaining(definition.description ?? '?')]);
      for (const option of 'options' in definition ? (definition.options ?? []) : []) expect(line).toContain(option);
      if (definition.type !== 'boolean') expect(line).toMatch(/--[a-z-]+ \S/);
    }
  });

  test('has examples, each with what it does, that kuke itself can read', () => {
    expect(command.examples.length).toBeGreaterThan(0);
    for (const [line, what] of command.examples) {
      expect(help).toContain(`  # ${what}\n  kuke ${line}`);
      const [own = ''] = line.split(/ [|<>] /);
      const found = findCommand(own.trim().split(/\s+/), commands);
      const target = all.find(one => one.words.join(' ') === found.words.join(' '));
      expect([line, target?.words]).toEqual([line, found.words]);
      if (target) expect(() => parseLine(target.command, target.words, found.rest)).not.toThrow();
    }
    // The examples of `get` show `apply` too, but one at least is of the command itself.
    expect(command.examples.some(([line]) => line.startsWith(words.join(' ')))).toBe(true);
  });

  test('fits a terminal, is plain text, and describes each flag in a line', () => {
    expect(help).not.toMatch(/undefined|\[object/);
    expect(help.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    expect(lines.filter(line => Bun.stringWidth(line) > 150)).toEqual([]);
    expect(help).toStartWith(
      `${command.summary.charAt(0).toUpperCase()}${command.summary.slice(1)}.\n\nUsage: kuke ${words.join(' ')}`,
    );
  });
});

describe('kuke --help', () => {
  test('lists every command, and every word that has commands below it', async () => {
    const help = await commandListHelp([], commands);
    for (const [word, { summary }] of Object.entries(commands))
      expect(help).toMatch(new RegExp(`^  ${word} +${summary}$`, 'm'));
    for (const name of Object.keys(globalArgs)) expect(help).toContain(`--${name}`);
  });

  test('below a word has an example of each command', async () => {
    for (const [word, entry] of Object.entries(commands)) {
      if (!('below' in entry)) continue;
      const help = await commandListHelp([word], entry.below);
      for (const name of Object.keys(entry.below))
        expect(help).toMatch(new RegExp(`^  # .+\n  kuke ${word} ${name} ?`, 'm'));
    }
  });

  test('has the verbs of spec.md §7', () => {
    const verbs = ['init', 'create', 'apply', 'get', 'delete', 'start', 'stop', 'kill', 'version', 'uninstall'];
    expect(verbs.filter(verb => !Object.hasOwn(commands, verb))).toEqual([]);
  });

  test('no two flags of a command have one short form', () => {
    for (const { words, command } of all) {
      const short = Object.values<ArgsDef[string]>({ ...globalArgs, ...command.args }).flatMap(one =>
        'alias' in one && one.alias ? [one.alias] : [],
      );
      expect([words, new Set(short).size]).toEqual([words, short.length]);
    }
  });
});

describe('on a narrow terminal', () => {
  test.each(cases)('kuke %s --help goes on below where its column begins', (_, words, command) => {
    const help = commandHelp(words, command);
    const narrow = wrapped(help, 70).split('\n');
    const tooLong = narrow.filter(line => Bun.stringWidth(line) > 70 && !/^ {2}kuke |\S{30}/.test(line));
    expect(tooLong).toEqual([]);
    expect(narrow.join(' ').replace(/\s+/g, ' ')).toBe(help.replace(/\s+/g, ' '));
    expect(wrapped(help, 1000)).toBe(help);
  });

  test('as it looks', () => {
    expect(
      wrapped('Flags:\n  -a, --all  one two three four five\n  kuke get cells -A --sort-by .status.state', 30),
    ).toBe('Flags:\n  -a, --all  one two three four five\n  kuke get cells -A --sort-by .status.state');
    expect(wrapped('  -a, --all  one two three four five', 33)).toBe(
      '  -a, --all  one two three four\n             five',
    );
  });
});
