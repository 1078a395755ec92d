/** Whether a command line is for kukeond, where there is one, or for this very process. Asked at every start, so it imports nothing of ours. */
import { existsSync } from 'node:fs';

/** Of `daemonPlaces`. */
export const SOCKET = '/run/kukeon/kukeond.sock';

/** About this host or this program itself, or about the daemon. */
const OWN: ReadonlySet<string> = new Set([
  '__complete',
  'cni',
  'completion',
  'daemon',
  'doctor',
  'help',
  'init',
  'plugin',
  'schema',
  'uninstall',
  'version',
]);

/** What a daemon has of its own, and shares with nobody. */
const OWN_FLAGS = /^--(?:no-daemon(?!=(?:0|no|false|off)$)|run-path|containerd-socket|config)(?:=|$)/;
const OWN_VARIABLES = [
  'KUKE_RUN_PATH',
  'KUKE_CONTAINERD_SOCKET',
  'KUKE_CONFIG',
  'KUKE_TRACE',
  'CNI_PATH',
  'DOCKER_CONFIG',
];
const OFF = /^(?:|0|no|false|off)$/i;

type Environment = Readonly<Record<string, string | undefined>>;

/** What stands before `--`. */
const flagsIn = (argv: readonly string[]): readonly string[] =>
  argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;

/** Whether it asks for a daemon's settings, or for none: `--run-path`, `KUKE_NO_DAEMON`. */
export function asksForOwn(argv: readonly string[], env: Environment): boolean {
  if (!OFF.test(env.KUKE_NO_DAEMON ?? '')) return true;
  return OWN_VARIABLES.some(name => env[name]) || flagsIn(argv).some(word => OWN_FLAGS.test(word));
}

export const isOwnCommand = (word: string | undefined): boolean => word === undefined || OWN.has(word);

/**
 * Whether it may be worth to ask a daemon, as far as it can be told without knowing the flags of a command: a value may be taken for the
 * command's word here. The daemon knows, and says so.
 */
export function mayBeForDaemon(argv: readonly string[], env: Environment, socket = SOCKET): boolean {
  const flags = flagsIn(argv);
  if (env.KUKE_HOST || flags.some(word => /^--host(?:=|$)/.test(word))) return true;
  return !isOwnCommand(flags.find(word => !word.startsWith('-'))) && !asksForOwn(argv, env) && existsSync(socket);
}

/** `--host URL` and `KUKE_HOST`: what is asked for, and the command line without it. */
export function hostIn(argv: readonly string[], env: Environment): { host: string | undefined; argv: string[] } {
  const flags = flagsIn(argv);
  const at = flags.findIndex(word => word === '--host' || word.startsWith('--host='));
  if (at < 0) return { host: env.KUKE_HOST || undefined, argv: [...argv] };
  const word = flags[at] ?? '';
  const [host, length] = word.includes('=') ? [word.slice('--host='.length), 1] : [argv[at + 1] ?? '', 2];
  return { host, argv: [...argv.slice(0, at), ...argv.slice(at + length)] };
}
