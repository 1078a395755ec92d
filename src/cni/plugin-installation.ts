/**
 * `kuke cni install`: the built-in plugins as files, for other runtimes. In which folders they were laid down is kept in a record, so that
 * an uninstall finds them.
 */
import { existsSync, mkdirSync, readFileSync, readlinkSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { removeStaleTemporaries, replaceFile } from '../host/atomic-file.ts';
import { hasCode } from '../host/errno.ts';
import { lock } from '../host/flock.ts';
import { conform, parseJson } from './json.ts';
import { isKuke, type Owner, PROGRAM, putProgram, recognizer } from './plugin-file.ts';
import { BUILT_IN } from './plugins/registry.ts';

/** `left`: another vendor's, which stays. */
export type FileResult = 'installed' | 'renewed' | 'replaced' | 'unchanged' | 'left' | 'removed' | 'not found';

export interface PluginFile {
  plugin: string;
  path: string;
  result: FileResult;
}

export interface InstallOptions {
  /** Another vendor's files are replaced. */
  force: boolean;
  /** Where kuke keeps its state, and the record. */
  runPath: string;
}

/** Throws where the program that runs is not a compiled kuke. */
export async function installPlugins(folder: string, { force, runPath }: InstallOptions): Promise<PluginFile[]> {
  if (!isKuke()) throw new Error('only the compiled program can be a plugin: this one is Bun itself');
  // First the record: by it what a killed install has left is found.
  const made = missingPartOf(folder);
  await update(recordIn(runPath), folders => {
    folders[folder] ??= made === undefined ? {} : { made };
  });
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  await removeStaleTemporaries(folder);
  const ownerOf = recognizer();
  let source = programFile();

  function lay(path: string): FileResult {
    const result = resultOf(ownerOf(path), force);
    if (result === 'unchanged' || result === 'left') return result;
    try {
      source = putProgram(source, path, result !== 'installed');
    } catch (error) {
      if (result === 'installed' && hasCode(error, 'EEXIST')) return lay(path); // somebody was faster
      throw error;
    }
    return result;
  }

  return BUILT_IN.toSorted().map(plugin => {
    const path = join(folder, plugin);
    return { plugin, path, result: lay(path) };
  });
}

/** `/opt/cni` of `/opt/cni/bin`, if that is what will have to be made. */
function missingPartOf(folder: string): string | undefined {
  let made: string | undefined;
  for (let path = folder; !existsSync(path); path = dirname(path)) made = path;
  return made;
}

function resultOf(owner: Owner, force: boolean): FileResult {
  if (owner === 'foreign') return force ? 'replaced' : 'left';
  return ({ absent: 'installed', outdated: 'renewed', current: 'unchanged' } as const)[owner];
}

/** Removes ours from a folder, or from all that the record names. A folder that was made for them goes with them. */
export async function uninstallPlugins(folder: string | undefined, runPath: string): Promise<PluginFile[]> {
  const record = recordIn(runPath);
  const recorded = await readFolders(record);
  const ownerOf = recognizer();
  const files: PluginFile[] = [];
  for (const one of folder === undefined ? Object.keys(recorded) : [folder]) {
    files.push(...removeFrom(one, ownerOf));
    await removeStaleTemporaries(one);
    removeFolders(one, recorded[one]?.made);
    if (one in recorded) {
      await update(record, folders => {
        delete folders[one];
      });
    }
  }
  return files;
}

/** A link of the administrator's is not ours, whatever it leads to. */
function removeFrom(folder: string, ownerOf: (path: string) => Owner): PluginFile[] {
  return BUILT_IN.toSorted().map(plugin => {
    const path = join(folder, plugin);
    const owner = isLink(path) ? 'foreign' : ownerOf(path);
    if (owner === 'absent') return { plugin, path, result: 'not found' };
    if (owner === 'foreign') return { plugin, path, result: 'left' };
    rmSync(path, { force: true });
    return { plugin, path, result: 'removed' };
  });
}

function isLink(path: string): boolean {
  try {
    readlinkSync(path);
    return true;
  } catch {
    return false; // EINVAL, ENOENT
  }
}

/** The file of the program, for hard links; the kernel's own name of it where that file is another by now. */
function programFile(): string {
  const path = readlinkSync(PROGRAM);
  const [self, there] = [statSync(PROGRAM), statSync(path, { throwIfNoEntry: false })];
  return there?.ino === self.ino && there.dev === self.dev ? path : PROGRAM;
}

const recordIn = (runPath: string): string => join(runPath, '.kuke/cni-plugins.json');

const schema = v.object({ folders: v.record(v.string(), v.object({ made: v.exactOptional(v.string()) })) });
type Folders = v.InferOutput<typeof schema>['folders'];

async function readFolders(record: string): Promise<Folders> {
  try {
    return conform(schema, parseJson(readFileSync(record, 'utf8'))).folders;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return {};
    throw new Error(`${record}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

/** One after another. A record of nothing is no file. */
async function update(record: string, change: (folders: Folders) => void): Promise<void> {
  mkdirSync(dirname(dirname(record)), { recursive: true, mode: 0o755 });
  mkdirSync(dirname(record), { recursive: true, mode: 0o700 });
  const path = `${record}.lock`;
  using _held = await lock(path, () => `${process.pid}`);
  const folders = await readFolders(record);
  change(folders);
  if (Object.keys(folders).length > 0) {
    await replaceFile(record, `${JSON.stringify({ folders }, null, 2)}\n`, { mode: 0o600 });
    return;
  }
  rmSync(record, { force: true });
  rmSync(path, { force: true });
  removeFolders(dirname(record), dirname(dirname(record)));
}

/** From `folder` up to `made`, as far as they are empty. */
function removeFolders(folder: string, made: string | undefined): void {
  if (made === undefined) return;
  try {
    for (let path = folder; path.startsWith(made); path = dirname(path)) rmdirSync(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST', 'EBUSY')) throw error;
  }
}
