/** Programs that keep credentials: `docker-credential-NAME get` (github.com/docker/docker-credential-helpers). */
import { accessSync, constants, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Credentials } from './credentials.ts';
import type { DockerConfigOptions } from './docker-config.ts';
import { printable, RegistryError } from './errors.ts';

/** The folders of programs that only root writes in; PATH says others too. */
const systemFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

// What a person's fingers may need who is asked for a key's password.
const patience = 60_000;
const outputMax = 1 << 16;

/** What the helper has for a server; undefined where it has nothing. Throws RegistryError `configuration`, or the signal's reason. */
export async function askHelper(
  name: string,
  server: string,
  signal: AbortSignal,
  { helperFolders: folders = systemFolders, changeableByOthers }: DockerConfigOptions,
): Promise<Credentials | undefined> {
  const program = `docker-credential-${name}`;
  const path = find(program, folders);
  const found = changeableByOthers(path);
  if (found !== undefined) throw failed(program, `${found.path} can be changed by others, so it is not run`);
  signal.throwIfAborted();
  const child = Bun.spawn([path, 'get'], {
    stdin: Buffer.from(server),
    stdout: 'pipe',
    stderr: 'ignore',
    env: environment(folders),
    cwd: '/',
    killSignal: 'SIGKILL',
    maxBuffer: outputMax,
  });
  const late = AbortSignal.timeout(patience);
  // What it has started may have its output, and go on.
  const ended = Promise.all([child.stdout.text(), child.exited]);
  const [output, code] = (await unless(AbortSignal.any([signal, late]), ended)) ?? ['', 0];
  child.kill('SIGKILL');
  signal.throwIfAborted();
  if (code === 0 && !late.aborted) return read(output) ?? refuse(program, 'its answer has no Username and Secret');
  if (/credentials not found|no credentials (?:server|username)/i.test(output)) return undefined;
  const killed = late.aborted ? 'it took too long' : child.signalCode === null ? undefined : 'killed: it said too much';
  throw failed(program, `${killed ?? `exit ${code}`}${output === '' ? '' : `: ${printable(output)}`}`);
}

/** What comes of it; undefined once the signal is aborted. */
async function unless<T>(signal: AbortSignal, work: Promise<T>): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const callOff = () => resolve(undefined);
  signal.addEventListener('abort', callOff);
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', callOff);
    work.catch(() => {});
  }
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
    return realpathSync(path);
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
