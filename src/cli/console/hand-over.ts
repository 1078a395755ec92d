/** The first thing that `kuke` does: where a daemon is for the command line, that runs it, and this process is its face. */
import { existsSync, readFileSync } from 'node:fs';
import type { HandedOver } from '../../daemon/console/client.ts';
import { hostIn, isOwnCommand, mayBeForDaemon, SOCKET } from './where.ts';

const CONFIG = '/etc/kukeon/kuke.yaml';

/** Resolves to the exit code; undefined: this process is to run it. */
export async function handOver(
  given: readonly string[],
  env: NodeJS.ProcessEnv,
  socket = SOCKET,
): Promise<number | undefined> {
  const { host, argv } = hostIn(given, env);
  if (host !== undefined) return remotely(host, argv);
  if (!mayBeForDaemon(argv, env, socket) || saysNo(CONFIG)) return undefined;
  const { unixLine } = await import('../../daemon/console/unix-line.ts');
  const line = await unixLine(socket);
  if (line === undefined) return undefined;
  const { handOver } = await import('../../daemon/console/client.ts');
  const end = await handOver(line, argv, () => namedIn(argv));
  if ('local' in end) {
    if (end.local !== undefined)
      await warned(`not run by kukeond, since ${end.local} (after an upgrade: \`sudo kuke daemon restart\`)`);
    return undefined;
  }
  if ('lost' in end && !end.isBegun) return undefined;
  return codeOf(end, 'kukeond');
}

const namedIn = async (argv: readonly string[]) => (await import('./named-files.ts')).namedIn(argv);

/** Of the configuration file, `noDaemon`. */
function saysNo(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    const text = readFileSync(path, 'utf8');
    return /^noDaemon:/m.test(text) && (Bun.YAML.parse(text) as { noDaemon?: unknown }).noDaemon === true;
  } catch {
    return true; // what is wrong with it is told by who reads it
  }
}

async function remotely(host: string, argv: string[]): Promise<number> {
  const { KukeError } = await import('../../kernel/errors.ts');
  const { printFailure } = await import('../output/failure.ts');
  const failed = (error: InstanceType<typeof KukeError>): number => {
    printFailure(error);
    return error.exitCode;
  };
  const { commandLine, sshCommand } = await import('../../daemon/console/ssh-line.ts');
  const command = sshCommand(host);
  if (command === undefined)
    return failed(
      new KukeError('Usage', `--host: \`${host}\` is not ssh://[USER@]HOST[:PORT]`, { remedy: 'give one' }),
    );
  const word = argv.find(one => !one.startsWith('-'));
  const own = new KukeError(
    'Usage',
    `--host: \`${['kuke', word ?? ''].join(' ').trim()}\` is about the host that it runs on`,
    {
      remedy: `run it there: \`ssh ${command.at(-4)} kuke ${argv.join(' ')}\``,
    },
  );
  if (isOwnCommand(word)) return failed(own);
  const { handOver } = await import('../../daemon/console/client.ts');
  const end = await handOver(commandLine(command), argv, () => namedIn(argv));
  return 'local' in end ? failed(own) : codeOf(end, host);
}

async function codeOf(end: Exclude<HandedOver, { local: string | undefined }>, who: string): Promise<number> {
  if ('code' in end) return end.code;
  const { KukeError } = await import('../../kernel/errors.ts');
  const { printFailure } = await import('../output/failure.ts');
  const error = end.isBegun
    ? new KukeError('HostNotReady', `${who} has gone away, and this may be done in part`, {
        remedy: 'run it again: what was begun is finished or undone first, with kukeond or without it',
      })
    : new KukeError('HostNotReady', `${who} cannot be reached`, {
        remedy: 'see that kukeond runs there, and that you may use it',
      });
  printFailure(error);
  return error.exitCode;
}

async function warned(text: string): Promise<void> {
  const { warn } = await import('../output/failure.ts');
  warn(text);
}
