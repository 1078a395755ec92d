/** The flags of every command; a KUKE_ variable sets each of them, and the configuration file those that it names. Flags beat variables beat the file. */
import type { ArgsDef } from 'citty';
import { KukeError } from '../kernel/errors.ts';
import { type ConfigFile, readConfigFile } from './config-file.ts';
import { parseDuration } from './duration.ts';

export const globalArgs = {
  'run-path': { type: 'string', valueHint: 'DIR', description: 'where state is kept (/opt/kukeon)' },
  'containerd-socket': {
    type: 'string',
    valueHint: 'PATH',
    description: 'containerd’s socket (/run/containerd/containerd.sock)',
  },
  config: { type: 'string', valueHint: 'FILE', description: 'configuration file (/etc/kukeon/kuke.yaml)' },
  'lock-timeout': { type: 'string', valueHint: 'TIME', description: 'how long to wait for another kuke (5m)' },
  quiet: { type: 'boolean', alias: 'q', description: 'no progress' },
  verbose: { type: 'boolean', description: 'each step as it is done, on standard error' },
  help: { type: 'boolean', alias: 'h', description: 'how the command is used' },
} as const satisfies ArgsDef;

export interface GlobalFlags {
  runPath: string;
  containerdSocket: string;
  lockTimeoutMs: number;
  quiet: boolean;
  verbose: boolean;
  config: ConfigFile;
}

const DEFAULT_CONFIG = '/etc/kukeon/kuke.yaml';

export function readGlobals(flags: Record<string, unknown>, env: Record<string, string | undefined>): GlobalFlags {
  const given = (name: string): string | undefined => {
    const flag = flags[name];
    return typeof flag === 'string' ? flag : env[`KUKE_${name.replaceAll('-', '_').toUpperCase()}`] || undefined;
  };
  const isSet = (name: string): boolean =>
    flags[name] === true || ['1', 'true'].includes(env[`KUKE_${name.toUpperCase()}`] ?? '');
  const configPath = given('config');
  const config = readConfigFile(configPath ?? DEFAULT_CONFIG, configPath !== undefined);
  return {
    runPath: absolute('run-path', given('run-path') ?? config.runPath ?? '/opt/kukeon'),
    containerdSocket: absolute(
      'containerd-socket',
      given('containerd-socket') ?? config.containerdSocket ?? '/run/containerd/containerd.sock',
    ),
    lockTimeoutMs: parseDuration(given('lock-timeout') ?? config.lockTimeout ?? '5m', '--lock-timeout'),
    quiet: isSet('quiet'),
    verbose: isSet('verbose'),
    config,
  };
}

function absolute(name: string, path: string): string {
  if (path.startsWith('/')) return path.length > 1 ? path.replace(/\/+$/, '') : path;
  throw new KukeError('Usage', `--${name}: \`${path}\` is not an absolute path`);
}
