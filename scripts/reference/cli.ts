/** docs/reference/cli.md, from the definitions of the commands. */
import type { ArgsDef } from 'citty';
import type { Command, CommandEntry } from '../../src/cli/command.ts';
import { globalArgs } from '../../src/cli/global-flags.ts';
import { flagName, flagText, usageOf } from '../../src/cli/help.ts';
import { cell, page } from './page.ts';

export async function cliPage(commands: Record<string, CommandEntry>): Promise<string> {
  const all = await commandsIn(commands, []);
  const contents = all.map(
    ({ words, entry }) => `- [kuke ${words.join(' ')}](#kuke-${words.join('-')}): ${entry.summary}`,
  );
  return page('Command line: every command', [
    '`kuke COMMAND --help` shows the same in a terminal.',
    contents.join('\n'),
    '## Flags of every command',
    'A variable sets each of them (`KUKE_RUN_PATH` for `--run-path`), and /etc/kukeon/kuke.yaml; flags beat variables, and these the file.',
    flagTable(globalArgs),
    ...all.flatMap(({ words, command }) => section(words, command)),
  ]);
}

interface Found {
  words: string[];
  entry: CommandEntry;
  command: Command;
}

async function commandsIn(entries: Record<string, CommandEntry>, above: string[]): Promise<Found[]> {
  const found: Found[] = [];
  for (const [name, entry] of Object.entries(entries)) {
    const words = [...above, name];
    if (name.startsWith('_')) continue; // for programs alone
    if ('below' in entry) found.push(...(await commandsIn(entry.below, words)));
    else found.push({ words, entry, command: (await entry.load()).default });
  }
  return found;
}

function section(words: string[], command: Command): string[] {
  const { args } = command;
  const of = (isPositional: boolean) =>
    Object.fromEntries(Object.entries(args).filter(([, { type }]) => (type === 'positional') === isPositional));
  const [places, flags] = [of(true), of(false)];
  const described = Object.entries(places).map(
    ([name, { description = '' }]) => `- \`${name.toUpperCase()}\`: ${description}`,
  );
  const summary = `${command.summary.charAt(0).toUpperCase()}${command.summary.slice(1)}.`;
  return [
    `## kuke ${words.join(' ')}`,
    summary,
    `    ${usageOf(words, command)}`,
    ...(described.length > 0 ? [described.join('\n')] : []),
    ...(Object.keys(flags).length > 0 ? [flagTable(flags)] : []),
    command.examples.map(([line, what]) => `    # ${what}\n    kuke ${line}`).join('\n'),
  ];
}

function flagTable(flags: ArgsDef): string {
  const rows = Object.entries(flags).map(
    ([name, definition]) => `| \`${cell(flagName(name, definition).trim())}\` | ${cell(flagText(definition))} |`,
  );
  return ['| flag | |', '|---|---|', ...rows].join('\n');
}
