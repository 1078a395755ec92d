/** Programs that keep credentials: `docker-credential-NAME get` (github.com/docker/docker-credential-helpers). */
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Credentials } from './credentials.ts';
import { printable, RegistryError } from './errors.ts';

/** The folders of programs that only root writes in; PATH says others too. */
const systemFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

// What a person's fingers may need who is asked for a key's password.
const patience = 60_000;
const outputMax = 1 << 16;

/** What the helper has for a server; undefined where it has nothing. Throws RegistryError `configuration`. */
export async function askHelper(
  name: string,
  server: string,
  folders: readonly string[] = systemFolders,
): Promise<Credentials | undefined> {
  const program = `docker-credential-${name}`;
  const child = Bun.spawn([find(program, folders), 'get'], {
    stdin: Buffer.from(server),
    stdout: 'pipe',
    stderr: 'ignore',
    env: environment(folders),
    cwd: '/',
    timeout: patience,
    killSignal: 'SIGKILL',
    maxBuffer: outputMax,
  });
  const output = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) {
    if (/credentials not found|no credentials (?:server|username)/i.test(output)) return undefined;
    const end = child.signalCode === null ? `exit ${child.exitCode}` : 'killed: it took too long, or said too much';
    throw failed(program, `${end}${output === '' ? '' : `: ${printable(output)}`}`);
  }
  return read(output) ?? refuse(program, 'its answer has no Username and Secret');
}

function read(output: string): Credentials | undefined {
  try {
    const { Username: username, Secret: secret }: { Username?: unknown; Secret?: unknown } = JSON.parse(output);
    if (typeof username !== 'string' || typeof secret !== 'string' || secret === '') return undefined;
    return username === '<token>' ? { identityToken: secret } : { username, password: secret };
  } catch {
    return undefined;
  }
}

function find(program: string, folders: readonly string[]): string {
  for (const folder of folders) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
    } catch {
      continue;
    }
    const real = realpathSync(path);
    for (const checked of [real, dirname(real), folder]) {
      const { uid, mode } = statSync(checked);
      if ((uid !== 0 && uid !== process.getuid?.()) || (mode & 0o022) !== 0) {
        throw failed(program, `${checked} can be changed by others, so it is not run`);
      }
    }
    return real;
  }
  throw failed(program, `there is none in ${folders.join(', ')}`);
}

/** What such programs need of ours to find their keys: no variable that could run code in them. */
function environment(folders: readonly string[]): Record<string, string> {
  const passed =
    /^(?:LANG|LC_\w+|TZ|USER|LOGNAME|GNUPGHOME|GPG_TTY|PASSWORD_STORE_DIR|(?:https?|all|no)_proxy|(?:AWS|GOOGLE|CLOUDSDK|AZURE)_\w+)$/i;
  const kept = Object.entries(process.env).flatMap(([name, value]) =>
    value !== undefined && passed.test(name) ? [[name, value] as const] : [],
  );
  return { ...Object.fromEntries(kept), HOME: homedir(), PATH: folders.join(':') };
}

const failed = (program: string, fault: string) =>
  new RegistryError('configuration', `${program}: ${fault}`, {
    step: 'look up credentials',
    remedy: `mend ${program}, or take it out of ~/.docker/config.json`,
  });

function refuse(program: string, fault: string): never {
  throw failed(program, fault);
}
