/** What may stand in the place of the last word of a command line. */
import type { ArgDef, ArgsDef } from 'citty';
import { findCommand, splitName } from '../arguments.ts';
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

/** What is there, as far as the metadata has it. */
export interface Known {
  /** `realm`, `space`, ... */
  kinds(): Promise<readonly string[]>;
  /** Of resources of a kind (`cell`, `ce`, `cells`) within the scope that the flags say. */
  names(kind: string, flags: Readonly<Record<string, unknown>>): Promise<string[]>;
  /** Of the images of the realm that the flags say. */
  images(flags: Readonly<Record<string, unknown>>): Promise<string[]>;
}

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
  known: Known,
): Promise<Completion> {
  const { entry, rest } = findCommand(words, commands);
  if (entry === undefined || 'below' in entry) {
    const early: ArgsDef = { ...globalArgs, ...scopeArgs }; // people put these before the command, too
    const soFar = readSoFar(early, rest);
    if (soFar.open !== undefined || current.startsWith('-')) return flagOrValue(early, soFar, current, known);
    const below = entry?.below ?? commands;
    const candidates = Object.entries(below).map(([value, { summary }]) => ({ value, description: summary }));
    return matching({ candidates, directive: 'done' }, current);
  }
  const command = (await entry.load()).default;
  const all: ArgsDef = { ...globalArgs, ...command.args };
  const read = readSoFar(all, rest);
  const soFar = await withPlaces(command, { ...read, positionals: splitName(command, read.positionals) }, known);
  if (soFar.isOver) return { candidates: [], directive: 'files' };
  if (soFar.open !== undefined || current.startsWith('-'))
    return flagOrValue(all, soFar, current, known, command.repeatable);
  const found = await positional(command, soFar, current, commands, known);
  return matching(notYetGiven(command, soFar.positionals, found), current);
}

/** Of an argument that takes several: those that are not there yet. */
function notYetGiven({ args, repeatable }: Command, positionals: readonly string[], found: Completion): Completion {
  const places = Object.keys(args).filter(name => args[name]?.type === 'positional');
  if (!repeatable?.includes(places.at(-1) ?? '') || positionals.length < places.length) return found;
  const first = places.length - 1;
  const kind = args.kind === undefined ? 'cell' : positionals[0];
  const nameOnly = (word: string) => (word.startsWith(`${kind}/`) ? word.slice(`${kind}/`.length) : word);
  const given = new Set(positionals.slice(first).map(nameOnly));
  return { ...found, candidates: found.candidates.filter(({ value }) => !given.has(nameOnly(value))) };
}

/** `exec web -c`: the cell is an argument there, and says where containers are as a flag does. */
async function withPlaces({ args }: Command, soFar: ReadSoFar, known: Known): Promise<ReadSoFar> {
  if (soFar.positionals.length === 0) return soFar;
  const kinds = await known.kinds();
  const places = Object.keys(args).filter(name => args[name]?.type === 'positional');
  const named = places.flatMap((name, index) => {
    const word = soFar.positionals[index];
    return word !== undefined && kinds.includes(name) ? [[name, word] as const] : [];
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
  known: Known,
  repeatable: readonly string[] = [],
): Promise<Completion> {
  if (soFar.open !== undefined) return matching(await valuesOf(all, soFar.open, current, soFar, known), current);
  const at = current.indexOf('=');
  if (at > 0) {
    const flag = current.slice(0, at + 1);
    const { candidates, directive } = await valuesOf(all, flag.slice(2, -1), current.slice(at + 1), soFar, known);
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

async function valuesOf(
  all: ArgsDef,
  flag: string,
  current: string,
  { flags }: ReadSoFar,
  known: Known,
): Promise<Completion> {
  const definition = Object.hasOwn(all, flag) ? all[flag] : undefined;
  if (definition === undefined) return nothing;
  if (definition.type === 'enum') return plain(definition.options ?? []);
  const { valueHint = '' } = definition;
  if (valueHint === 'KIND') return plain(await known.kinds());
  if (valueHint === 'KIND/NAME')
    return (await inKind(current, flags, known)) ?? plain((await known.kinds()).map(kind => `${kind}/`));
  if (valueHint === 'DIR') return { candidates: [], directive: 'folders' };
  if (FILES.test(valueHint)) return { candidates: [], directive: 'files' };
  return (await known.kinds()).includes(flag) ? plain(await known.names(flag, flags)) : nothing;
}

const FILES = /^(?:FILE|PATH)/;

async function positional(
  command: Command,
  { positionals, flags }: ReadSoFar,
  current: string,
  commands: Record<string, CommandEntry>,
  known: Known,
): Promise<Completion> {
  const places = Object.entries(command.args).filter(([, { type }]) => type === 'positional');
  const last = places.at(-1);
  const isRepeated = last !== undefined && command.repeatable?.includes(last[0]) === true;
  const place = places[positionals.length] ?? (isRepeated ? last : undefined);
  if (place === undefined) return nothing;
  const [name, { description = '' }] = place;
  const takesBoth = name === 'cell' || (Object.hasOwn(command.args, 'kind') && Object.hasOwn(command.args, 'name'));
  const named = takesBoth && (await inKind(current, flags, known));
  if (named) return named;
  switch (name) {
    case 'kind':
      return plain(kindsIn(description, await known.kinds()));
    case 'name':
      if (!Object.hasOwn(command.args, 'kind')) return plain(await known.images(flags));
      return plain(await known.names(positionals[places.findIndex(([one]) => one === 'kind')] ?? '', flags));
    case 'image':
      return plain(await known.images(flags));
    case 'shell':
      return plain(Object.keys(SHELLS));
    case 'command':
      // Of help; what `exec` runs is in the container.
      return Object.hasOwn(command.args, 'below') ? plain(Object.keys(commands)) : nothing;
    case 'source':
    case 'target': {
      // Of `cp`: what is in a cell, or a file.
      const cells = await known.names('cell', flags);
      return { candidates: cells.map(value => ({ value: `${value}:`, description: '' })), directive: 'files' };
    }
    case 'below': {
      const entry = commands[positionals[0] ?? ''];
      return plain(entry !== undefined && 'below' in entry ? Object.keys(entry.below) : []);
    }
    default:
      if ((await known.kinds()).includes(name)) return plain(await known.names(name, flags));
      return { candidates: [], directive: /file|path|archive/.test(name) ? 'files' : 'done' };
  }
}

/** `cell/w`: the names with their kind. */
async function inKind(
  current: string,
  flags: Readonly<Record<string, unknown>>,
  known: Known,
): Promise<Completion | undefined> {
  const [, kind] = /^([A-Za-z]+)\//.exec(current) ?? [];
  return kind === undefined ? undefined : plain((await known.names(kind, flags)).map(name => `${kind}/${name}`));
}

/** A command's help says which kinds it takes: `realm, space, stack or cell`; one that names none takes all. */
function kindsIn(description: string, kinds: readonly string[]): readonly string[] {
  const word = new RegExp(`(?<!\\.)\\b(?:${kinds.join('|')})s?\\b(?!\\.)`, 'g');
  return description.replace(/\(.*?\)/g, '').match(word) ?? kinds;
}

function plain(values: readonly string[]): Completion {
  const candidates = values.map(value => ({ value, description: '' }));
  return { candidates, directive: 'done' };
}

/** Those that begin so; a space is not to stand behind one that wants more. */
function matching({ candidates, directive }: Completion, current: string): Completion {
  const found = candidates.filter(({ value }) => value.startsWith(current));
  const wantsMore = found.length > 0 && found.every(({ value }) => /[=:/]$/.test(value));
  return { candidates: found, directive: wantsMore ? 'nospace' : directive };
}
