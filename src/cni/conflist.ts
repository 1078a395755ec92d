/** Network configuration files: a folder of them as libcni reads it (usually /etc/cni/net.d), single ones, and writing them. */
import { readdir } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { replaceFile } from '../host/atomic-file.ts';
import { hasCode } from '../host/errno.ts';
import { type NetworkConfig, parseNetworkConfig, pluginFolderName } from './config.ts';
import { conform, FormatError, isObject, type JsonObject, object, parseJson } from './json.ts';

const EXTENSIONS: readonly string[] = ['.conflist', '.conf', '.json'];
const SIZE_LIMIT = 1 << 20;

/** A network configuration file that is of no use; `message` begins with the path, and the line where it is known. */
export class ConflistError extends Error {
  override readonly name = 'ConflistError';
  readonly path: string;
  readonly line: number | undefined;

  constructor(path: string, cause: unknown) {
    const line = cause instanceof FormatError ? cause.line : undefined;
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`${path}${line === undefined ? '' : `:${line}`}: ${reason}`, { cause });
    this.path = path;
    this.line = line;
  }
}

export interface ConflistFile {
  path: string;
  network: NetworkConfig;
}

/**
 * Reads every network configuration of a folder, in the order of the file names, which is libcni's order of preference. Broken files
 * are reported and skipped. A folder that does not exist is an empty one; any other error of the folder itself is thrown.
 */
export async function readConflists(folder: string): Promise<{ files: ConflistFile[]; broken: ConflistError[] }> {
  const files: ConflistFile[] = [];
  const broken: ConflistError[] = [];
  for (const path of await configFiles(folder, EXTENSIONS)) {
    try {
      files.push({ path, network: await readConflist(path) });
    } catch (error) {
      if (!(error instanceof ConflistError)) throw error;
      broken.push(error);
    }
  }
  return { files, broken };
}

/**
 * Reads one network configuration file, with the plugins that a folder of the network's name beside it adds, unless
 * `loadOnlyInlinedPlugins` says no (specification 1.1.0, section 1). Throws ConflistError.
 */
export async function readConflist(path: string): Promise<NetworkConfig> {
  return await understand(path, async document => {
    const folder = pluginFolderName(document);
    return parseNetworkConfig(
      document,
      folder === undefined ? [] : await readPluginFolder(join(dirname(path), folder)),
    );
  });
}

/**
 * A network configuration as the text of a conflist. The same content gives the same bytes, whatever the order of the keys: what
 * identifies comes first, the chain last, the rest by name.
 */
export function formatConflist(document: JsonObject): string {
  return `${JSON.stringify(ordered(document), null, 2)}\n`;
}

/** Writes a conflist, atomically, for all to read. One that could not be read back is refused. Throws ConflistError. */
export async function writeConflist(path: string, document: JsonObject): Promise<void> {
  try {
    parseNetworkConfig(document);
    await replaceFile(path, formatConflist(document));
  } catch (error) {
    throw new ConflistError(path, error);
  }
}

async function readPluginFolder(folder: string): Promise<JsonObject[]> {
  const paths = await configFiles(folder, ['.conf']);
  return await Promise.all(paths.map(path => understand(path, document => conform(object, document))));
}

async function configFiles(folder: string, extensions: readonly string[]): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    const names = entries.filter(entry => !entry.isDirectory() && extensions.includes(extname(entry.name)));
    return names.map(entry => join(folder, entry.name)).sort();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

async function understand<T>(path: string, read: (document: unknown) => T | Promise<T>): Promise<T> {
  try {
    const file = Bun.file(path);
    const stat = await file.stat();
    if (!stat.isFile()) throw new FormatError('not a regular file');
    if (stat.size > SIZE_LIMIT) throw new FormatError('larger than 1 MiB');
    return await read(parseJson(await file.text()));
  } catch (error) {
    throw error instanceof ConflistError ? error : new ConflistError(path, error);
  }
}

const FIRST: readonly string[] = ['cniVersion', 'cniVersions', 'name', 'type'];
const LAST = 'plugins';

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (!isObject(value)) return value;
  const rank = (key: string) =>
    FIRST.includes(key) ? FIRST.indexOf(key) : key === LAST ? FIRST.length + 1 : FIRST.length;
  const keys = Object.keys(value).sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return Object.fromEntries(keys.map(key => [key, ordered(value[key])]));
}
