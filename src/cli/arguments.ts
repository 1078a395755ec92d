/** Reads a command line against a command's flags: strict, with the nearest flag where one is not known. */
import { parseArgs } from 'node:util';
import type { ArgDef, ArgsDef } from 'citty';
import { KukeError } from '../kernel/errors.ts';
import { didYouMean, nearest } from '../kernel/names.ts';
import type { Command, CommandEntry } from './command.ts';
import { globalArgs, switchValue } from './global-flags.ts';
import { KIND_AND_NAME } from './scope.ts';

export interface FoundCommand {
  /** `['image', 'load']` */
  words: string[];
  entry: CommandEntry | undefined;
  /** What follows the command's words, with global flags that stood before them. */
  rest: string[];
}

/** Finds the command by its words; global flags may stand before and between them. Throws Usage for an unknown word. */
export function findCommand(argv: string[], commands: Record<string, CommandEntry>): FoundCommand {
  const words: string[] = [];
  const rest: string[] = [];
  let entry: CommandEntry = { summary: '', below: commands };
  for (let index = 0; index < argv.length; index++) {
    const arg = argv[index] ?? '';
    if (arg === '--' || !('below' in entry)) return { words, entry, rest: [...rest, ...argv.slice(index)] };
    if (arg.startsWith('-')) {
      rest.push(arg);
      const value = argv[index + 1];
      if (takesValue(arg) && value !== undefined) rest.push(argv[++index] ?? '');
      continue;
    }
    const known: Record<string, CommandEntry> = entry.below;
    const next = Object.hasOwn(known, arg) ? known[arg] : undefined;
    if (next === undefined) {
      const above = ['kuke', ...words].join(' ');
      const message = `there is no command \`${[...words, arg].join(' ')}\`${didYouMean(arg, Object.keys(known))}`;
      throw new KukeError('Usage', message, { remedy: `see \`${above} --help\`` });
    }
    words.push(arg);
    entry = next;
  }
  return { words, entry: words.length === 0 ? undefined : entry, rest };
}

/** Flags of many commands, which people put before them as well. */
const EARLY: readonly string[] = ['--realm', '--space', '--stack', '--cell', '--output', '-o'];

function takesValue(flag: string): boolean {
  const name = flag.replace(/^--/, '');
  if (EARLY.includes(flag)) return true;
  return Object.hasOwn(globalArgs, name) && globalArgs[name as keyof typeof globalArgs].type !== 'boolean';
}

export interface ParsedLine {
  values: Record<string, unknown>;
  lists: Record<string, string[]>;
  globals: Record<string, unknown>;
  /** The flags that were given, by their long names. */
  given: ReadonlySet<string>;
}

export function parseLine(command: Command, words: string[], argv: string[]): ParsedLine {
  const all: ArgsDef = { ...globalArgs, ...command.args };
  const usage: Fault = message => new KukeError('Usage', message, { remedy: `see \`kuke ${words.join(' ')} --help\`` });
  const { values: flags, positionals } = parseStrictly(all, argv, usage);
  const seen = new Set(Object.keys(flags).filter(name => flags[name] !== undefined));
  if (flags.help?.[0] === true) return { values: {}, lists: {}, globals: { help: true }, given: seen };
  const parsed: ParsedLine = { values: {}, lists: {}, globals: {}, given: seen };
  for (const [name, definition] of Object.entries(all)) {
    if (definition.type === 'positional') continue;
    const given = flags[name] ?? [];
    if (command.repeatable?.includes(name)) {
      parsed.lists[name] = given.map(String);
      if (given.length === 0 && definition.required) throw usage(`--${name} is needed`);
    } else {
      const isGlobal = Object.hasOwn(globalArgs, name) && !Object.hasOwn(command.args, name);
      const into = isGlobal ? parsed.globals : parsed.values;
      into[name] = flagValue(name, definition, given, usage);
    }
  }
  takePositionals(command, positionals, parsed, usage);
  return parsed;
}

function takePositionals(command: Command, given: string[], { values, lists }: ParsedLine, usage: Fault): void {
  const positionals = splitName(command, given);
  for (const [name, definition] of Object.entries(command.args)) {
    if (definition.type !== 'positional') continue;
    const isMissing = positionals.length === 0 && definition.default === undefined;
    if (isMissing && definition.required) throw usage(`${name.toUpperCase()} is needed`);
    if (command.repeatable?.includes(name)) lists[name] = positionals.splice(0);
    else values[name] = positionals.shift() ?? definition.default;
  }
  if (positionals.length > 0) throw usage(`\`${positionals[0]}\` is one argument too many`);
}

/** `cell/web` is a kind and a name. */
export function splitName({ args }: Pick<Command, 'args'>, positionals: string[]): string[] {
  const [first = '', ...others] = positionals;
  const [, kind, name] = KIND_AND_NAME.exec(first) ?? [];
  const takesBoth = args.kind?.type === 'positional' && args.name?.type === 'positional';
  return takesBoth && kind !== undefined && name !== undefined ? [kind, name, ...others] : positionals;
}

type Fault = (message: string) => KukeError;

function flagValue(
  name: string,
  definition: ArgDef,
  given: (string | boolean)[],
  usage: Fault,
): string | boolean | undefined {
  if (given.length > 1 && definition.type !== 'boolean') throw usage(`--${name} is given ${given.length} times`);
  const value = given.at(-1) ?? definition.default;
  if (value === undefined && definition.required) throw usage(`--${name} is needed`);
  if (definition.type === 'enum' && value !== undefined) {
    const fault = enumFault(definition, String(value));
    if (fault !== undefined) throw usage(`--${name} ${fault}`);
  }
  return typeof value === 'number' ? String(value) : value;
}

/** What is wrong with a value; undefined: nothing. An option that ends with `=` takes what stands behind that: `jsonpath={.kind}`. */
export function enumFault({ options = [] }: { options?: readonly string[] }, value: string): string | undefined {
  if (options.some(option => option === value || (option.endsWith('=') && value.startsWith(option)))) return undefined;
  const said = options.some(option => option.endsWith('=')) ? value.replace(/(?<=.)=.*$/s, '=') : value;
  return `is one of ${options.join(', ')}, not \`${said}\`${didYouMean(said, options)}`;
}

const NEGATION = /^no-/;

type Flags = Record<string, (string | boolean)[] | undefined>;

function parseStrictly(all: ArgsDef, argv: string[], usage: Fault): { values: Flags; positionals: string[] } {
  const options = Object.fromEntries(
    Object.entries(all)
      .filter(([, definition]) => definition.type !== 'positional')
      .map(([name, definition]) => {
        const short = 'alias' in definition && typeof definition.alias === 'string' ? { short: definition.alias } : {};
        return [
          name.replace(NEGATION, ''), // `--no-headers` is the negation of `--headers` to parseArgs
          { type: definition.type === 'boolean' ? 'boolean' : 'string', multiple: true, ...short } as const,
        ];
      }),
  );
  try {
    const { values, positionals } = parseArgs({
      args: withSwitches(withLongNames(argv, options), options, usage),
      options,
      strict: true,
      allowPositionals: true,
      allowNegative: true,
    });
    const negated = Object.keys(all).filter(name => NEGATION.test(name));
    const given = values as Flags;
    for (const name of negated) given[name] = given[name.replace(NEGATION, '')]?.map(value => value === false);
    return { values: given, positionals };
  } catch (thrown) {
    const { code, message } = thrown as Error & { code?: string };
    const [, named = ''] = /'([^']+)'/.exec(message) ?? [];
    const flag = /^\w$/.test(named) ? `-${named}` : named; // one in the middle of `-Azq`
    if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') throw usage(valueFault(longName(flag, options), message));
    if (code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') throw usage(message);
    const meant = nearest(flag.replace(/^-+/, ''), Object.keys(options));
    throw usage(`unknown flag ${flag}${meant && flag.startsWith('--') ? `; did you mean --${meant}?` : ''}`);
  }
}

/** `-o=json` and `-Ao=json`, as kubectl takes them: parseArgs would make `=json` of it. */
export function withLongNames(argv: string[], options: Record<string, { type: string; short?: string }>): string[] {
  const byShort = new Map(Object.entries(options).map(([name, option]) => [option.short, { name, ...option }]));
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length;
  const flags = argv.slice(0, end).flatMap(arg => {
    const [, switches = '', letter, value] = /^-([A-Za-z]*)([A-Za-z])=(.*)$/s.exec(arg) ?? [];
    const last = byShort.get(letter ?? '');
    const areSwitches = [...switches].every(one => byShort.get(one)?.type === 'boolean');
    if (last === undefined || !areSwitches) return [arg];
    return [...(switches === '' ? [] : [`-${switches}`]), `--${last.name}=${value}`];
  });
  return [...flags, ...argv.slice(end)];
}

/** `--watch=false`, as kubectl takes it: parseArgs knows `--watch` and `--no-watch`. Throws Usage for what is neither true nor false. */
function withSwitches(argv: string[], options: Record<string, { type: string }>, usage: Fault): string[] {
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length;
  return argv.map((arg, index) => {
    const [, no, name = '', word = ''] = /^--(no-)?([^=]+)=(.*)$/s.exec(arg) ?? [];
    if (index >= end || !Object.hasOwn(options, name) || options[name]?.type !== 'boolean') return arg;
    const value = switchValue(word);
    if (value === undefined) throw usage(`--${no ?? ''}${name}: \`${word}\` is neither true nor false`);
    return value === (no === undefined) ? `--${name}` : `--no-${name}`;
  });
}

/** `--output` of `-o` and of `-o, --output <value>`. */
function longName(flag: string, options: Record<string, { short?: string }>): string {
  const long = /--[^\s]+/.exec(flag)?.[0];
  const byShort = Object.entries(options).find(([, { short }]) => short !== undefined && flag.startsWith(`-${short}`));
  return long ?? (byShort === undefined ? flag : `--${byShort[0]}`);
}

/** parseArgs says it in three lines, and in terms of programs. */
function valueFault(flag: string, message: string): string {
  if (!message.includes('ambiguous')) return `${flag} needs a value`;
  return `${flag} needs a value; one that begins with a dash is given as ${flag}=VALUE`;
}
