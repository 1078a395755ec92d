/**
 * Third parties' plugins from disk: folders with a package.json that has a `kuke` field, or packages installed below
 * `node_modules` that the folder's own package.json names. TypeScript or JavaScript, with their own dependencies.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { plugin as bunPlugin } from 'bun';
import * as v from 'valibot';
import { asKukeError, KukeError } from './errors.ts';
import type { PluginDefinition } from './plugin.ts';
import type { PluginSource } from './registry.ts';

/** A package is a plugin of ours when its package.json has a `kuke` field; what it requires and provides, its definition says. */
const packageSchema = v.object({ name: v.string(), kuke: v.unknown() });

/** `sdk` is what these plugins get when they import `kuke/plugin`: the very modules of this process. */
export async function findExternalPlugins(
  folder: string,
  sdk: () => Promise<Record<string, unknown>>,
  broken: (error: KukeError) => void,
): Promise<PluginSource[]> {
  if (!existsSync(folder)) return [];
  const packages = [...subfolders(folder), ...installed(folder)].filter(path => {
    const described = v.safeParse(packageSchema, readJson(join(path, 'package.json')));
    return described.success && described.output.kuke !== undefined;
  });
  if (packages.length > 0) refuseUnsafe(folder);
  const sources: PluginSource[] = [];
  for (const path of packages) {
    try {
      refuseUnsafe(path);
      const plugin = await loadFrom(path, sdk);
      const { name, requires = [], provides = {} } = plugin;
      sources.push({ name, requires, provides, origin: path, load: async () => plugin });
    } catch (thrown) {
      broken(asKukeError(thrown, 'PluginFailed', { step: `load the plugin in ${path}` }));
    }
  }
  return sources;
}

function subfolders(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(entry => entry.name !== 'node_modules' && (entry.isDirectory() || entry.isSymbolicLink()))
    .map(entry => join(folder, entry.name))
    .sort();
}

const dependenciesSchema = v.object({ dependencies: v.optional(v.record(v.string(), v.string()), {}) });

function installed(folder: string): string[] {
  const described = v.safeParse(dependenciesSchema, readJson(join(folder, 'package.json')));
  return described.success
    ? Object.keys(described.output.dependencies).map(name => join(folder, 'node_modules', name))
    : [];
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Its code runs as root: nobody else may be able to change it. */
function refuseUnsafe(path: string): void {
  const { uid, mode } = statSync(path);
  if (uid === (process.getuid?.() ?? 0) && (mode & 0o022) === 0) return;
  throw new KukeError(
    'PluginFailed',
    `${path} can be written by others (owner ${uid}, mode ${(mode & 0o777).toString(8)})`,
    {
      remedy: `chown root ${path} and chmod go-w ${path}`,
    },
  );
}

let sdkIsThere = false;

async function loadFrom(path: string, sdk: () => Promise<Record<string, unknown>>): Promise<PluginDefinition> {
  if (!sdkIsThere) {
    const exports = await sdk();
    bunPlugin({
      name: 'kuke-sdk',
      setup: build => void build.module('kuke/plugin', () => ({ exports, loader: 'object' })),
    });
    sdkIsThere = true;
  }
  const loaded: { default?: unknown } = await import(Bun.resolveSync(path, '/'));
  if (!isPlugin(loaded.default))
    throw new KukeError('PluginFailed', `${path} has no default export made by definePlugin()`);
  return loaded.default;
}

function isPlugin(value: unknown): value is PluginDefinition {
  return (
    typeof value === 'object' &&
    value !== null &&
    'setup' in value &&
    typeof value.setup === 'function' &&
    'name' in value
  );
}
