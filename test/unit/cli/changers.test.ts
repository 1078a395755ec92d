/** Which commands change something: each of them can be looked at before, and tells what a person would type for it (docs/plans.md). */
import { expect, test } from 'bun:test';
import type { Command, CommandEntry } from '../../../src/cli/command.ts';
import { commands } from '../../../src/cli/commands.ts';
import { planArgs } from '../../../src/cli/plan-flags.ts';

/** They only look, or write what they were told to write. */
const READERS = new Set([
  ...['completion', 'describe', 'diff', 'explain', 'get', 'help', 'history', 'logs', 'plugin list', 'schema'],
  'events',
  ...['rollout history', 'rollout status', 'status', 'top', 'tree', 'version', 'wait'],
  ...['image inspect', 'image ls', 'image save'],
]);

/** What they do is one command already, which systemctl or a program in a container is given. */
const DIRECT = /^(?:attach|exec|daemon .*)$/;

async function allBelow(entries: Record<string, CommandEntry>, above: string[] = []): Promise<[string, Command][]> {
  const found = Object.entries(entries).map(async ([word, entry]): Promise<[string, Command][]> => {
    const words = [...above, word];
    return 'below' in entry ? allBelow(entry.below, words) : [[words.join(' '), (await entry.load()).default]];
  });
  return (await Promise.all(found)).flat();
}

const changers = (await allBelow(commands)).filter(([name]) => !READERS.has(name) && !DIRECT.test(name));

test.each(changers)('kuke %s has --dry-run and --explain', (_, { args }) => {
  expect(args).toMatchObject(planArgs);
});

test('there are such', () => {
  const names = changers.map(([name]) => name);
  expect(names).toEqual(
    expect.arrayContaining(['apply', 'image load', 'cni install', 'doctor', 'set resources', 'kill']),
  );
});
