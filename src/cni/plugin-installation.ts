/**
 * `kuke cni install`: the built-in plugins as files, for other runtimes. In which folders they were laid down is kept in a record, so that
 * an uninstall finds them.
 */
import { lstatSync, mkdirSync, readFileSync, readlinkSync, realpathSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { removeStaleTemporaries, replaceFile } from '../host/atomic-file.ts';
import { hasCode } from '../host/errno.ts';
import { type FileLock, lock } from '../host/flock.ts';
import { asSystemError } from '../host/libc.ts';
import { missingPartOf } from '../host/missing-folder.ts';
import { conform, parseJson } from './json.ts';
import { isKuke, type Owner, PROGRAM, putProgram, recognizer } from './plugin-file.ts';
import { BUILT_IN } from './plugins/registry.ts';

/** `left`: another vendor's, which stays; `blocked`: a folder has its name. */
export type FileResult =
  | 'installed'
  | 'renewed'
  | 'replaced'
  | 'unchanged'
  | 'left'
  | 'blocked'
  | 'removed'
  | 'not found';

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

export const NO_PLUGIN = 'only the compiled program can be a plugin: this one is Bun itself';

/** Throws where the program that runs is not a compiled kuke. Only a folder in which something of ours lies then is recorded. */
export async function installPlugins(folder: string, { force, runPath }: InstallOptions): Promise<PluginFile[]> {
  if (!isKuke()) throw new Error(NO_PLUGIN);
  return await withRecord(runPath, async (folders, write) => {
    const isKnown = folder in folders;
    const made = missingPartOf(folder);
    // First the record: by it what a killed install has left is found.
    folders[folder] ??= made === undefined ? {} : { made };
    await write();
    const files: PluginFile[] = [];
    try {
      mkdirSync(folder, { recursive: true, mode: 0o755 });
      await removeStaleTemporaries(folder);
      for (const file of layIn(folder, force)) files.push(file);
    } finally {
      const isOurs = files.some(({ result }) => result !== 'left' && result !== 'blocked');
      if (!isKnown && !isOurs) {
        delete folders[folder];
        removeFolders(folder, made);
      }
    }
    return files;
  });
}

function* layIn(folder: string, force: boolean): Generator<PluginFile> {
  const ownerOf = recognizer();
  const inPlace = BUILT_IN.map(name => join(folder, name)).find(path => ownerOf(path) === 'current');
  // On another file system a copy that is there spares the next.
  let source = inPlace === undefined ? programFile() : realpathSync(inPlace);

  function lay(path: string): FileResult {
    const result = resultAt(path, ownerOf, force);
    if (result === 'unchanged' || result === 'left' || result === 'blocked') return result;
    try {
      source = putProgram(source, path, result !== 'installed');
    } catch (error) {
      if (result === 'installed' && hasCode(error, 'EEXIST')) return lay(path); // somebody was faster
      throw error;
    }
    return result;
  }

  for (const plugin of BUILT_IN.toSorted()) {
    const path = join(folder, plugin);
    yield { plugin, path, result: lay(path) };
  }
}

/** Of laying a plugin down there. */
export function resultAt(path: string, ownerOf: (path: string) => Owner, force: boolean): FileResult {
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) return 'blocked';
  const owner = ownerOf(path);
  if (owner === 'foreign') return force ? 'replaced' : 'left';
  return ({ absent: 'installed', outdated: 'renewed', current: 'unchanged' } as const)[owner];
}

/**
 * Removes ours from a folder, or from all that the record names; each file is told of when it is done. A folder that was made for them
 * goes with them. What fails is thrown at the end; its folder stays in the record.
 */
export async function uninstallPlugins(
  folder: string | undefined,
  runPath: string,
  tell: (file: PluginFile) => void = () => {},
): Promise<void> {
  const ownerOf = recognizer();
  const failures: unknown[] = [];

  async function remove(one: string, made: string | undefined): Promise<boolean> {
    const before = failures.length;
    const steps = [
      ...BUILT_IN.toSorted().map(plugin => () => tell(removeFrom(one, plugin, ownerOf))),
      () => removeStaleTemporaries(one),
      () => removeFolders(one, made),
    ];
    for (const step of steps) {
      try {
        await step();
      } catch (error) {
        if (!hasCode(error, 'ENOENT', 'ENOTDIR')) failures.push(asSystemError(error, one));
      }
    }
    return failures.length === before;
  }

  // A host on which nothing was installed gets no folder for the record.
  if (Object.keys(await readFolders(recordIn(runPath))).length === 0) {
    if (folder !== undefined) await remove(folder, undefined);
  } else {
    await withRecord(runPath, async folders => {
      for (const one of folder === undefined ? Object.keys(folders) : [folder]) {
        if (await remove(one, folders[one]?.made)) delete folders[one];
      }
    });
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, failures.map(messageOf).join('; '));
}

/** What becomes of it in an uninstall. */
export function foundIn(folder: string, plugin: string, ownerOf: (path: string) => Owner): PluginFile {
  const path = join(folder, plugin);
  const owner = ownerInFolder(path, ownerOf);
  return { plugin, path, result: owner === 'absent' ? 'not found' : owner === 'foreign' ? 'left' : 'removed' };
}

function removeFrom(folder: string, plugin: string, ownerOf: (path: string) => Owner): PluginFile {
  const path = join(folder, plugin);
  try {
    const found = foundIn(folder, plugin, ownerOf);
    if (found.result === 'removed') rmSync(path, { force: true });
    return found;
  } catch (error) {
    throw asSystemError(error, path); // Bun's own does not name it
  }
}

/** A link of the administrator's is not ours, whatever it leads to. Where the folder is no folder, nothing is in it. */
function ownerInFolder(path: string, ownerOf: (path: string) => Owner): Owner {
  try {
    return lstatSync(path).isSymbolicLink() ? 'foreign' : ownerOf(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return 'absent';
    throw error;
  }
}

/** The file of the program, for hard links; the kernel's own name of it where that file is another by now. */
export function programFile(): string {
  const path = readlinkSync(PROGRAM);
  const [self, there] = [statSync(PROGRAM), statSync(path, { throwIfNoEntry: false })];
  return there?.ino === self.ino && there.dev === self.dev ? path : PROGRAM;
}

export const recordIn = (runPath: string): string => join(runPath, '.kuke/cni-plugins.json');

const schema = v.object({ folders: v.record(v.string(), v.object({ made: v.exactOptional(v.string()) })) });
export type Folders = v.InferOutput<typeof schema>['folders'];

export async function readFolders(record: string): Promise<Folders> {
  try {
    return conform(schema, parseJson(readFileSync(record, 'utf8'))).folders;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return {};
    throw new Error(`${record}: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * One change after another, from the reading of the record to the last file of its folders. `write` writes it down early; what stands in
 * `folders` at the end is written whether the change fails or not. A record of nothing is no file.
 */
async function withRecord<T>(
  runPath: string,
  change: (folders: Folders, write: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const record = recordIn(runPath);
  const path = `${record}.lock`;
  using _held = await lockIn(path);
  const folders = await readFolders(record);
  const write = async () => {
    if (Object.keys(folders).length > 0) {
      await replaceFile(record, `${JSON.stringify({ folders }, null, 2)}\n`, { mode: 0o600 });
      return;
    }
    rmSync(record, { force: true });
    rmSync(path, { force: true });
    removeFolders(dirname(record), dirname(dirname(record)));
  };
  try {
    return await change(folders, write);
  } finally {
    await write();
  }
}

/** Makes the folder, also where whoever had the lock has removed it. */
async function lockIn(path: string): Promise<FileLock> {
  for (;;) {
    mkdirSync(dirname(dirname(path)), { recursive: true, mode: 0o755 });
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    try {
      return await lock(path, () => `${process.pid}`);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
  }
}

/** From `folder` up to `made`, as far as they are empty. */
function removeFolders(folder: string, made: string | undefined): void {
  if (made === undefined) return;
  for (let path = folder; path.startsWith(made); path = dirname(path)) {
    try {
      rmdirSync(path);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) continue; // a killed install got no further
      if (hasCode(error, 'ENOTDIR', 'ENOTEMPTY', 'EEXIST', 'EBUSY')) return;
      throw error;
    }
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
