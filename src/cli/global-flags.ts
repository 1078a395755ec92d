/**
 * What holds for every command: flags, each of which a KUKE_ variable and a key of the configuration file sets too (`--lock-timeout`,
 * `KUKE_LOCK_TIMEOUT`, `lockTimeout`), and the defaults of flags that many commands have: `--realm`, `--space`, `--stack`, `--output`.
 * Flags beat variables, and variables the file.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ArgsDef } from 'citty';
import { KukeError } from '../kernel/errors.ts';
import { didYouMean, nameFault } from '../kernel/names.ts';
import type { Program } from './command.ts';
import type { ConfigFile } from './config-file.ts';
import { parseDuration } from './duration.ts';

const COLOURS = ['auto', 'always', 'never'] as const;
export type ColourMode = (typeof COLOURS)[number];

export const globalArgs = {
  'run-path': { type: 'string', valueHint: 'DIR', description: 'where state is kept (/opt/kukeon)' },
  'containerd-socket': {
    type: 'string',
    valueHint: 'PATH',
    description: 'containerd’s socket (/run/containerd/containerd.sock)',
  },
  config: { type: 'string', valueHint: 'FILE', description: 'configuration file (/etc/kukeon/kuke.yaml)' },
  'lock-timeout': { type: 'string', valueHint: 'TIME', description: 'how long to wait for another kuke (5m)' },
  color: { type: 'enum', options: [...COLOURS], description: 'colours: for terminals, unless NO_COLOR is set (auto)' },
  quiet: { type: 'boolean', alias: 'q', description: 'no progress' },
  verbose: { type: 'boolean', description: 'each step as it is done, on standard error' },
  'no-daemon': { type: 'boolean', description: 'run it in this process, as root, also where kukeond runs' },
  host: { type: 'string', valueHint: 'URL', description: 'run it on another host: ssh://[USER@]HOST[:PORT]' },
  help: { type: 'boolean', alias: 'h', description: 'how the command is used' },
} as const satisfies ArgsDef;

/** The flags that say where a resource is; what each is, where a command has it, unless it is given. */
export const SCOPE_SETTINGS = ['realm', 'space', 'stack'] as const;

/** Formats that are no templates; a command that has not got one of them keeps its own default. */
const OUTPUTS = ['table', 'wide', 'text', 'json', 'yaml', 'name'] as const;

const scopes = Object.fromEntries(SCOPE_SETTINGS.map(flag => [flag, { type: 'string' } as const]));
const { config: _config, host: _host, help: _help, ...flags } = globalArgs;
/** All that a KUKE_ variable and a key of the configuration file set. (`KUKE_HOST` is a variable, too.) */
export const settings: ArgsDef = { ...flags, ...scopes, output: { type: 'string' } };

/** The key of a flag in the configuration file: `lockTimeout`. */
export const settingKey = (flag: string): string => flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

export interface GlobalFlags {
  runPath: string;
  containerdSocket: string;
  lockTimeoutMs: number;
  colour: ColourMode;
  quiet: boolean;
  verbose: boolean;
  /** By then it has been heeded: console/hand-over.ts. */
  noDaemon: boolean;
  /** What `--output` is where it is not given; undefined: the command's own default. */
  output?: string;
  /** Names by flag: `{realm: 'lab'}`. */
  scope: Record<string, string>;
  config: ConfigFile;
  /** The configuration file's, where one is named. */
  configPath?: string;
}

const DEFAULT_CONFIG = '/etc/kukeon/kuke.yaml';

/** A value, and who says so: `--color`, `KUKE_COLOR`, `/etc/kukeon/kuke.yaml: color`. */
interface Setting {
  value: string | boolean;
  source: string;
}

type Lookup = (name: string) => Setting | undefined;

/** Throws Usage that names the source of what makes no sense. */
export async function readGlobals(
  flags: Record<string, unknown>,
  env: Record<string, string | undefined>,
  program: Pick<Program, 'changeableByOthers'>,
): Promise<GlobalFlags> {
  const given: Lookup = name => {
    const flag = flags[name];
    if (typeof flag === 'string' || typeof flag === 'boolean') return { value: flag, source: `--${name}` };
    const variable = `KUKE_${name.replaceAll('-', '_').toUpperCase()}`;
    const value = env[variable];
    return value ? { value, source: variable } : undefined;
  };
  const path = given('config');
  const config = await configAt(path, program);
  const inFile = new Map<string, unknown>(Object.entries(config));
  const setting: Lookup = name => {
    const key = settingKey(name);
    const value = inFile.get(key);
    const isSet = typeof value === 'string' || typeof value === 'boolean';
    return given(name) ?? (isSet ? { value, source: `${path?.value ?? DEFAULT_CONFIG}: ${key}` } : undefined);
  };
  const lockTimeout = setting('lock-timeout');
  const output = oneOf(setting('output'), OUTPUTS);
  return {
    runPath: absolute(setting('run-path')) ?? '/opt/kukeon',
    containerdSocket: absolute(setting('containerd-socket')) ?? '/run/containerd/containerd.sock',
    lockTimeoutMs: parseDuration(String(lockTimeout?.value ?? '5m'), lockTimeout?.source ?? '--lock-timeout'),
    colour: oneOf(setting('color'), COLOURS) ?? 'auto',
    quiet: isOn(setting('quiet')),
    verbose: isOn(setting('verbose')),
    noDaemon: isOn(setting('no-daemon')),
    ...(output !== undefined && { output }),
    scope: Object.fromEntries(
      SCOPE_SETTINGS.flatMap(flag => {
        const name = nameIn(setting(flag));
        return name === undefined ? [] : [[flag, name]];
      }),
    ),
    config,
    ...(path !== undefined && { configPath: resolve(String(path.value)) }),
  };
}

/** Its schema and its parser are loaded where there is such a file. */
async function configAt(
  given: Setting | undefined,
  { changeableByOthers }: Pick<Program, 'changeableByOthers'>,
): Promise<ConfigFile> {
  const path = String(given?.value ?? DEFAULT_CONFIG);
  if (existsSync(path)) {
    return (await import('./config-file.ts')).readConfigFile(path, await changeableByOthers());
  }
  if (given === undefined) return {};
  throw new KukeError('Usage', `${given.source}: ${path}: no such file`);
}

function absolute(setting: Setting | undefined): string | undefined {
  if (setting === undefined) return undefined;
  const path = String(setting.value);
  if (path.startsWith('/')) return path.length > 1 ? path.replace(/\/+$/, '') : path;
  throw new KukeError('Usage', `${setting.source}: \`${path}\` is not an absolute path`);
}

function oneOf<T extends string>(setting: Setting | undefined, options: readonly T[]): T | undefined {
  if (setting === undefined) return undefined;
  const found = options.find(option => option === setting.value);
  if (found !== undefined) return found;
  const { value, source } = setting;
  const meant = didYouMean(String(value), options);
  throw new KukeError('Usage', `${source} is one of ${options.join(', ')}, not \`${value}\`${meant}`);
}

const WORDS: Readonly<Record<string, boolean>> = {
  '1': true,
  true: true,
  yes: true,
  on: true,
  '0': false,
  false: false,
  no: false,
  off: false,
};

/** What a switch is set to by a word, as in `KUKE_QUIET=1` and `--quiet=true`; undefined: by no such word. */
export function switchValue(word: string): boolean | undefined {
  const lower = word.toLowerCase();
  return Object.hasOwn(WORDS, lower) ? WORDS[lower] : undefined;
}

function isOn(setting: Setting | undefined): boolean {
  if (setting === undefined) return false;
  const value = switchValue(String(setting.value));
  if (value !== undefined) return value;
  throw new KukeError('Usage', `${setting.source}: \`${setting.value}\` is neither true nor false`);
}

function nameIn(setting: Setting | undefined): string | undefined {
  if (setting === undefined) return undefined;
  const name = String(setting.value);
  const fault = nameFault(name);
  if (fault === undefined) return name;
  throw new KukeError('Usage', `${setting.source}: \`${name}\` ${fault}`);
}
