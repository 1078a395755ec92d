/** `--help`, from the same definitions that parse the command line. */
import type { ArgDef, ArgsDef } from 'citty';
import type { Command, CommandEntry } from './command.ts';
import { currentConsole } from './console/console.ts';
import { globalArgs } from './global-flags.ts';
import { print } from './output/standard-output.ts';
import { alignColumns } from './output/table.ts';
import { isTerminal } from './output/terminal.ts';

export async function printHelp(words: string[], entry: CommandEntry): Promise<void> {
  const text =
    'below' in entry ? await commandListHelp(words, entry.below) : commandHelp(words, (await entry.load()).default);
  print(isTerminal(1) ? wrapped(text, currentConsole().size(1).columns) : text);
}

/** Below this, what is wrapped is harder to read than what the terminal breaks. */
const LEAST_WIDTH = 20;

/** Lines that are too long for a terminal go on below where their last column begins. Commands stay as they are, to be copied. */
export function wrapped(text: string, columns: number): string {
  return text
    .split('\n')
    .flatMap(line => {
      if (Bun.stringWidth(line) <= columns || /^ {2}kuke /.test(line)) return [line];
      const [start = ''] = /^(?: *\S+(?: \S+)* {2,})?/.exec(line) ?? [];
      const room = columns - start.length;
      if (room < LEAST_WIDTH) return [line];
      return fill(line.slice(start.length), room).map(
        (part, at) => `${at === 0 ? start : ' '.repeat(start.length)}${part}`,
      );
    })
    .join('\n');
}

/** A word that is longer than that stays whole. */
function fill(text: string, room: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last === '') lines[lines.length - 1] = word;
    else if (Bun.stringWidth(last) + 1 + Bun.stringWidth(word) <= room) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

export async function commandListHelp(words: string[], commands: Record<string, CommandEntry>): Promise<string> {
  const rows = Object.entries(commands).map(([name, { summary }]) => [`  ${name}`, summary]);
  const intro = words.length === 0 ? ['kuke: pods without Kubernetes\n'] : [];
  const usage = `Usage: ${['kuke', ...words].join(' ')} COMMAND [flags]`;
  const more = `See \`${['kuke', ...words].join(' ')} COMMAND --help\` for flags and examples.`;
  return [
    ...intro,
    usage,
    '',
    'Commands:',
    alignColumns(rows),
    '',
    'Flags of every command:',
    flagsHelp(globalArgs),
    ...(words.length === 0 ? [] : ['', 'Examples:', ...(await firstExamples(commands))]),
    '',
    more,
  ].join('\n');
}

/** Of each command the first. */
async function firstExamples(commands: Record<string, CommandEntry>): Promise<string[]> {
  const loaded = await Promise.all(Object.values(commands).flatMap(entry => ('load' in entry ? [entry.load()] : [])));
  return loaded.flatMap(({ default: { examples } }) => examples.slice(0, 1).map(exampleText));
}

const exampleText = ([line, what]: [string, string]): string => `  # ${what}\n  kuke ${line}`;

const placesOf = ({ args }: Command): [string, ArgDef][] =>
  Object.entries(args).filter(([, definition]) => definition.type === 'positional');

/** `kuke delete [KIND] [NAME] [flags]` */
export function usageOf(words: string[], command: Command): string {
  const placeholders = placesOf(command).map(([name, { required }]) => {
    const word = `${name.toUpperCase()}${command.repeatable?.includes(name) ? '...' : ''}`;
    return required === false ? `[${word}]` : word;
  });
  return `${['kuke', ...words, ...placeholders].join(' ')} [flags]`;
}

export function commandHelp(words: string[], command: Command): string {
  const flags: ArgsDef = Object.fromEntries(
    Object.entries(command.args).filter(([, definition]) => definition.type !== 'positional'),
  );
  const has = Object.keys(flags).length > 0;
  const places = placesOf(command);
  const lines = [
    `${command.summary.charAt(0).toUpperCase()}${command.summary.slice(1)}.`,
    '',
    `Usage: ${usageOf(words, command)}`,
    ...(places.length > 0 ? ['', 'Arguments:', alignColumns(places.map(argumentRow))] : []),
    ...(has ? ['', 'Flags:', flagsHelp(flags)] : []),
    '',
    'Flags of every command:',
    flagsHelp(Object.fromEntries(Object.entries(globalArgs).filter(([name]) => !Object.hasOwn(flags, name)))),
    '',
    'Examples:',
    ...command.examples.map(exampleText),
  ];
  return lines.join('\n');
}

const argumentRow = ([name, { description = '' }]: [string, ArgDef]): string[] => [
  `  ${name.toUpperCase()}`,
  description,
];

function flagsHelp(args: ArgsDef): string {
  return alignColumns(
    Object.entries(args).map(([name, definition]) => [`  ${flagName(name, definition)}`, flagText(definition)]),
  );
}

export function flagName(name: string, definition: ArgDef): string {
  const alias = 'alias' in definition && typeof definition.alias === 'string' ? `-${definition.alias}, ` : '    ';
  const options = 'options' in definition ? definition.options?.join('|') : undefined;
  const hint = definition.type === 'boolean' ? '' : ` ${definition.valueHint ?? options ?? 'VALUE'}`;
  return `${alias}--${name}${hint}`;
}

export function flagText({ description = '', default: value, ...definition }: ArgDef): string {
  // Where they are too many to stand beside the flag.
  const options = definition.valueHint && 'options' in definition ? `: ${definition.options?.join('|')}` : '';
  return `${description}${options}${value === undefined || value === false ? '' : ` (${value})`}`;
}
