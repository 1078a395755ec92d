/**
 * Third parties' plugins from disk: folders with a package.json that has a `kuke` field, or packages installed below
 * `node_modules` that the folder's own package.json names. TypeScript or JavaScript, with their own dependencies.
 */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { plugin as bunPlugin } from 'bun';
import * as v from 'valibot';
import { asKukeError, KukeError } from './errors.ts';
import { withTimeLimit } from './hooks.ts';
import type { PluginDefinition } from './plugin.ts';
import type { PluginSource } from './registry.ts';
import { faultsOf } from './schema.ts';
import { type FindChangeable, refuseWritable } from './trusted-path.ts';

export interface ExternalPlugins {
  /** `<run path>/.kuke/plugins` */
  folder: string;
  /** What these plugins get when they import `kuke/plugin`: the very modules of this process. */
  sdk(): Promise<Record<string, unknown>>;
  changeableByOthers(): Promise<FindChangeable>;
  /** Milliseconds that importing one may take. */
  timeLimitMs: number;
  /** Told of each that cannot be loaded; throws where that is to end the command. */
  broken(error: KukeError): void;
}

/** All that are there, imported but not set up. */
export async function findExternalPlugins(options: ExternalPlugins): Promise<PluginSource[]> {
  const { folder, broken, changeableByOthers } = options;
  const sources: PluginSource[] = [];
  const safe = new Set<string>();
  for (const found of [...copied(folder), ...installed(folder, broken)]) {
    const started = performance.now();
    try {
      if (!existsSync(found.path)) throw new KukeError('PluginFailed', 'there is nothing', { remedy: found.remedy });
      if (!isPlugin(found.path)) continue;
      const find = await changeableByOthers();
      refuseWritable(found.path, find);
      for (const modules of modulesAround(found.path)) {
        if (!safe.has(modules)) refuseWritable(modules, find);
        safe.add(modules);
      }
      const plugin = await awayFromHere(() =>
        withTimeLimit(() => loadFrom(found, options.sdk), options.timeLimitMs, `loading the plugin in ${found.path}`),
      );
      const { name, requires = [], provides = {} } = plugin;
      const foundInMs = performance.now() - started;
      sources.push({ name, requires, provides, origin: found.path, foundInMs, load: async () => plugin });
    } catch (thrown) {
      broken(asKukeError(inOneLine(thrown), 'PluginFailed', { step: `load the plugin in ${found.path}` }));
    }
  }
  return sources;
}

/** Where else a package's imports are looked for: `node_modules` beside it and above, whether a package manager put it there or not. */
function modulesAround(path: string): string[] {
  const found: string[] = [];
  for (let at = dirname(realpathSync(path)); ; at = dirname(at)) {
    const modules = join(at, 'node_modules');
    if (basename(at) !== 'node_modules' && existsSync(modules)) found.push(modules);
    if (at === '/') return found;
  }
}

interface Candidate {
  path: string;
  /** The file to import. */
  entry(): string;
  /** What to do when it is not there. */
  remedy: string;
}

/** Folders in the folder, or links to such. */
function copied(folder: string): Candidate[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter(entry => entry.name !== 'node_modules' && (entry.isDirectory() || entry.isSymbolicLink()))
    .map(entry => join(folder, entry.name))
    .sort()
    .map(path => ({ path, entry: () => Bun.resolveSync(path, '/'), remedy: 'mend the link, or take it out' }));
}

const dependenciesSchema = v.object({ dependencies: v.exactOptional(v.record(v.string(), v.string())) });

/** What `kuke install` or `kuke add` (with BUN_BE_BUN=1) has put there. */
function installed(folder: string, broken: (error: KukeError) => void): Candidate[] {
  try {
    const described = v.safeParse(dependenciesSchema, readPackage(folder));
    const names = described.success ? Object.keys(described.output.dependencies ?? {}) : [];
    return names.map(name => ({
      path: join(folder, 'node_modules', name),
      entry: () => Bun.resolveSync(name, folder),
      remedy: `run \`BUN_BE_BUN=1 kuke install --cwd ${folder} --ignore-scripts\``,
    }));
  } catch (thrown) {
    broken(asKukeError(thrown, 'PluginFailed'));
    return [];
  }
}

/** A package is a plugin of ours when its package.json has a `kuke` field; what it requires and provides, its definition says. */
const packageSchema = v.object({ kuke: v.unknown() });

function isPlugin(path: string): boolean {
  const described = v.safeParse(packageSchema, readPackage(path));
  return described.success && described.output.kuke !== undefined;
}

/** Undefined when there is none. Throws when it is not JSON. */
function readPackage(folder: string): unknown {
  const path = join(folder, 'package.json');
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (thrown) {
    throw new KukeError('PluginFailed', `${path}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
}

/** Bun's resolver reads the package.json of the current folder, which may be anybody's: meanwhile that is `/`. */
async function awayFromHere<T>(run: () => Promise<T>): Promise<T> {
  const here = process.cwd();
  process.chdir('/');
  try {
    return await run();
  } finally {
    process.chdir(here);
  }
}

let sdkIsThere = false;

async function loadFrom({ entry }: Candidate, sdk: ExternalPlugins['sdk']): Promise<PluginDefinition> {
  if (!sdkIsThere) {
    const exports = await sdk();
    bunPlugin({
      name: 'kuke-sdk',
      setup: build => void build.module('kuke/plugin', () => ({ exports, loader: 'object' })),
    });
    sdkIsThere = true;
  }
  const loaded: { default?: unknown } = await import(entry());
  return asDefinition(loaded.default);
}

const words = v.exactOptional(v.array(v.string()));
const definitionSchema = v.object({
  name: v.pipe(v.string(), v.minLength(1, 'must not be empty')),
  version: v.string(),
  requires: words,
  provides: v.exactOptional(v.strictObject({ kinds: words, backends: words, operations: words })),
  setup: v.function(),
});

function asDefinition(value: unknown): PluginDefinition {
  if (typeof value !== 'object' || value === null)
    throw new KukeError('PluginFailed', 'it has no default export made by definePlugin()');
  const [fault] = faultsOf(definitionSchema, value, ['definePlugin']);
  if (fault !== undefined && !fault.message.startsWith('unknown field'))
    throw new KukeError('PluginFailed', `${fault.path}: ${fault.message}`);
  return value as PluginDefinition;
}

/** A file with syntax errors gives one error each, with its place. */
function inOneLine(thrown: unknown): unknown {
  const first: unknown = thrown instanceof AggregateError ? thrown.errors[0] : thrown;
  if (typeof first !== 'object' || first === null || !('position' in first)) return thrown;
  const { message, position } = first as {
    message?: string;
    position?: { file: string; line: number; column: number };
  };
  return position ? new Error(`${position.file}:${position.line}:${position.column}: ${message}`) : thrown;
}
