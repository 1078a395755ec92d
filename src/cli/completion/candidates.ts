/** What may stand in the place of the last word of a command line. */
import type { ArgDef, ArgsDef } from 'citty';
import { findCommand } from '../arguments.ts';
import type { Command, CommandEntry } from '../command.ts';
import { globalArgs } from '../global-flags.ts';
import { scopeArgs } from '../scope.ts';
import { SHELLS } from './scripts.ts';

export interface Candidate {
  value: string;
  description: string;
}

export interface Completion {
  candidates: Candidate[];
  /** What the shell does besides. */
  directive: 'done' | 'nospace' | 'files' | 'folders';
}

/** Names of resources of a kind (`cell`, `ce`, `cells`) within the scope that the flags say. */
export type Names = (kind: string, flags: Readonly<Record<string, unknown>>) => Promise<string[]>;

/** The words of a line after the command's own. */
export interface ReadSoFar {
  positionals: string[];
  flags: Record<string, string | true>;
  /** The flag whose value comes next. */
  open?: string;
  /** `--` has been given. */
  isOver: boolean;
}

const nothing: Completion = { candidates: [], directive: 'done' };

/** Throws Usage where the line holds a command that is none. `words`: those before `current`, without `kuke`. */
export async function complete(
  words: string[],
  current: string,
  commands: Record<string, CommandEntry>,
  names: Names,
): Promise<Completion> {
  const { entry, rest } = findCommand(words, commands);
  if (entry === undefined || 'below' in entry) {
    const early: ArgsDef = { ...globalArgs, ...scopeArgs }; // people put these before the command, too
    const soFar = readSoFar(early, rest);
    if (soFar.open !== undefined || current.startsWith('-')) return flagOrValue(early, soFar, current, names);
    const below = entry?.below ?? commands;
    const candidates = Object.entries(below).map(([value, { summary }]) => ({ value, description: summary }));
    return matching({ candidates, directive: 'done' }, current);
  }
  const command = (await entry.load()).default;
  const all: ArgsDef = { ...globalArgs, ...command.args };
  const soFar = withPlaces(command, readSoFar(all, rest));
  if (soFar.isOver) return { candidates: [], directive: 'files' };
  if (soFar.open !== undefined || current.startsWith('-'))
    return flagOrValue(all, soFar, current, names, command.repeatable);
  return matching(await positional(command, soFar, commands, names), current);
}

/** `exec web -c`: the cell is an argument there, and says where containers are as a flag does. */
function withPlaces({ args }: Command, soFar: ReadSoFar): ReadSoFar {
  const places = Object.keys(args).filter(name => args[name]?.type === 'positional');
  const named = places.flatMap((name, index) => {
    const word = soFar.positionals[index];
    return word !== undefined && KINDS.includes(name) ? [[name, word] as const] : [];
  });
  return { ...soFar, flags: { ...Object.fromEntries(named), ...soFar.flags } };
}

/** As far as it can be read: what is no flag of the command is taken for a switch. */
export function readSoFar(all: ArgsDef, rest: readonly string[]): ReadSoFar {
  const soFar: ReadSoFar = { positionals: [], flags: {}, isOver: false };
  for (const word of rest) {
    if (soFar.open !== undefined) {
      soFar.flags[soFar.open] = word;
      delete soFar.open;
    } else if (soFar.isOver || word === '-' || !word.startsWith('-')) soFar.positionals.push(word);
    else if (word === '--') soFar.isOver = true;
    else readFlag(all, word, soFar);
  }
  return soFar;
}

function readFlag(all: ArgsDef, word: string, soFar: ReadSoFar): void {
  const [given = '', ...value] = word.split('=');
  // Of switches in one word the last one may take a value.
  const name = given.startsWith('--') ? given.slice(2) : longName(all, given.slice(-1));
  if (name === undefined) return;
  if (value.length > 0) soFar.flags[name] = value.join('=');
  else if (takesValue(all[name])) soFar.open = name;
  else soFar.flags[name] = true;
}

const takesValue = (definition: ArgDef | undefined): boolean =>
  definition !== undefined && definition.type !== 'boolean' && definition.type !== 'positional';

function longName(all: ArgsDef, letter: string): string | undefined {
  return Object.keys(all).find(name => {
    const definition = all[name];
    return definition !== undefined && 'alias' in definition && definition.alias === letter;
  });
}

async function flagOrValue(
  all: ArgsDef,
  soFar: ReadSoFar,
  current: string,
  names: Names,
  repeatable: readonly string[] = [],
): Promise<Completion> {
  if (soFar.open !== undefined) return matching(await valuesOf(all, soFar.open, soFar, names), current);
  const at = current.indexOf('=');
  if (at > 0) {
    const flag = current.slice(0, at + 1);
    const { candidates, directive } = await valuesOf(all, flag.slice(2, -1), soFar, names);
    const whole = candidates.map(({ value, description }) => ({ value: `${flag}${value}`, description }));
    return matching({ candidates: whole, directive }, current);
  }
  const candidates = Object.entries(all)
    .filter(
      ([name, { type }]) => type !== 'positional' && (!Object.hasOwn(soFar.flags, name) || repeatable.includes(name)),
    )
    .map(([name, { description = '' }]) => ({ value: `--${name}`, description }));
  return matching({ candidates, directive: 'done' }, current);
}

async function valuesOf(all: ArgsDef, flag: string, { flags }: ReadSoFar, names: Names): Promise<Completion> {
  const definition = Object.hasOwn(all, flag) ? all[flag] : undefined;
  if (definition === undefined) return nothing;
  if (definition.type === 'enum') return plain(definition.options ?? []);
  if (KINDS.includes(flag)) return plain(await names(flag, flags));
  if (definition.valueHint === 'DIR') return { candidates: [], directive: 'folders' };
  return { candidates: [], directive: definition.valueHint && FILES.test(definition.valueHint) ? 'files' : 'done' };
}

const FILES = /^(?:FILE|PATH)/;

async function positional(
  command: Command,
  { positionals, flags }: ReadSoFar,
  commands: Record<string, CommandEntry>,
  names: Names,
): Promise<Completion> {
  const places = Object.entries(command.args).filter(([, { type }]) => type === 'positional');
  const last = places.at(-1);
  const isRepeated = last !== undefined && command.repeatable?.includes(last[0]) === true;
  const place = places[positionals.length] ?? (isRepeated ? last : undefined);
  if (place === undefined) return nothing;
  const [name, { description = '' }] = place;
  switch (name) {
    case 'kind':
      return plain(kindsIn(description));
    case 'name':
      if (!Object.hasOwn(command.args, 'kind')) return nothing; // an image's, which containerd knows
      return plain(await names(positionals[places.findIndex(([one]) => one === 'kind')] ?? '', flags));
    case 'realm':
    case 'space':
    case 'stack':
    case 'cell':
      return plain(await names(name, flags));
    case 'shell':
      return plain(Object.keys(SHELLS));
    case 'command':
      // Of help; what `exec` runs is in the container.
      return Object.hasOwn(command.args, 'below') ? plain(Object.keys(commands)) : nothing;
    case 'below': {
      const entry = commands[positionals[0] ?? ''];
      return plain(entry !== undefined && 'below' in entry ? Object.keys(entry.below) : []);
    }
    default:
      return { candidates: [], directive: /file|path|archive/.test(name) ? 'files' : 'done' };
  }
}

const KINDS = ['realm', 'space', 'stack', 'cell', 'container'];

/** A command's help says which kinds it takes: `realm, space, stack or cell`; one that names none takes all. */
function kindsIn(description: string): readonly string[] {
  const named = description.replace(/\(.*?\)/g, '').match(/(?<!\.)\b(?:realm|space|stack|cell|container)s?\b(?!\.)/g);
  return named ?? KINDS;
}

function plain(values: readonly string[]): Completion {
  const candidates = values.map(value => ({ value, description: '' }));
  return { candidates, directive: 'done' };
}

/** Those that begin so; a space is not to stand behind one that wants more. */
function matching({ candidates, directive }: Completion, current: string): Completion {
  const found = candidates.filter(({ value }) => value.startsWith(current));
  const wantsMore = found.length > 0 && found.every(({ value }) => value.endsWith('='));
  return { candidates: found, directive: wantsMore ? 'nospace' : directive };
}
