/** The Store on the file system: a folder a resource, its manifest in it as YAML (spec.md §2). */
import { readdir, rm, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import {
  type ActionContext,
  explainWith,
  type Manifest,
  type ResourceRef,
  type StoreActions,
  type StoreBackend,
  shellCommand,
  shellQuote,
  thereWith,
} from 'kuke/plugin';
import { removeStaleTemporaries, replaceFile } from '../../src/host/atomic-file.ts';
import { hasCode } from '../../src/host/errno.ts';
import { asStoreError, throwIfAborted } from './errors.ts';
import { foldersThere, ignore, isFolder, makeFolders, removeEmpty, spelling, trustedRoot } from './folders.ts';
import { hasManifest, listManifests, listSome } from './list.ts';
import { lockPath, lockState, takeLock } from './lock.ts';
import { holdsCredentials, manifestText } from './manifest-file.ts';
import { modeOf, readInstance, readOwnFile, removeOwnFile, writeOwnFile } from './own-files.ts';
import { checkRef, manifestName, OWN_FOLDER, partsOf } from './paths.ts';
import { strangersIn } from './strangers.ts';
import { watchManifests } from './watch.ts';

export interface StoreOptions {
  /** `/opt/kukeon` */
  runPath: string;
  /** `/var/log/kukeon` */
  logFolder: string;
  /** `/run/kukeon` */
  lockFolder: string;
}

export function makeStore({ runPath, logFolder, lockFolder }: StoreOptions): StoreBackend {
  const root = () => trustedRoot(runPath);
  const filePath = (path: string) => join(resolve(runPath), OWN_FOLDER, ...partsOf(path));
  const manifestPath = ({ kind, path }: ResourceRef) => join(resolve(runPath), ...path, manifestName(kind));
  const instance = () => reported(runPath, () => readInstance(root()));

  return {
    write: action(runPath, ({ ref, manifest }) => writeManifest(root(), ref, manifest)),
    remove: action(runPath, ({ ref, keeps }) => removeResource(root(), logFolder, ref, keeps)),
    writeFile: action(runPath, file => retried(() => writeOwnFile(root(), file))),
    removeFile: action(runPath, ({ path }) => removeOwnFile(root(), path)),
    purge: action(runPath, () => purge(root(), logFolder)),
    list: only => reported(runPath, () => (only === undefined ? listManifests(root()) : listSome(root(), only))),
    readFile: path => reported(runPath, () => readOwnFile(root(), path)),
    logs: ref => reported(logFolder, async () => (await logsOf(logFolder, ref.path)).map(log => basename(log)).sort()),
    strangers: () => reported(runPath, () => strangersIn(root())),
    filePath,
    manifestPath,
    instance,
    watch: (changed, signal) => reported(runPath, () => watchManifests(root(), changed, signal)),
    lockState: async () => lockState(lockPath(lockFolder, root())),
    lock: async request => {
      throwIfAborted(request.signal);
      const isInUse = () =>
        instance().then(
          id => id !== undefined,
          () => true,
        );
      return reported(runPath, () => takeLock(lockPath(lockFolder, root()), request, isInUse));
    },
    isThere: thereWith<StoreActions>({
      write: ({ ref }) => reported(runPath, () => hasManifest(root(), ref)),
      writeFile: ({ path }) => reported(runPath, async () => (await readOwnFile(root(), path)) !== undefined),
    }),
    explain: explainWith<StoreActions>({
      write: ({ ref, manifest }) => {
        const text = Bun.YAML.stringify(JSON.parse(JSON.stringify(manifest)), null, 2);
        return `${install(manifestMode(manifest), manifestPath(ref))} <<'EOF'\n${text}\nEOF`;
      },
      remove: ({ ref, keeps = [] }) => {
        const kept = keeps.flatMap(name => ['!', '-name', name]);
        const ownLogs = ['-mindepth', '1', '-maxdepth', '1', '!', '-type', 'd', ...kept, '-delete'];
        const folder = join(logFolder, ...ref.path);
        const logs = `! [ -d ${shellQuote(folder)} ] || ${shellCommand('find', folder, ...ownLogs)}`;
        const manifest = shellCommand('rm', '-f', manifestPath(ref));
        return [logs, manifest, ...[logFolder, resolve(runPath)].map(root => emptyFolders(root, ref.path))].join('\n');
      },
      writeFile: ({ path, content, inPlace }) => {
        const target = filePath(path);
        const folder = shellCommand('mkdir', '-p', dirname(target));
        const text = shellCommand('printf', '%s', content);
        return inPlace ? `${folder}\n${text} > ${shellQuote(target)}` : `${text} | ${install(modeOf(path), target)}`;
      },
      removeFile: ({ path }) =>
        [
          shellCommand('rm', '-rf', filePath(path)),
          ...(path.includes('/') ? [emptyFolders(join(resolve(runPath), OWN_FOLDER), partsOf(dirname(path)))] : []),
        ].join('\n'),
      purge: () =>
        [
          shellCommand('rm', '-rf', join(resolve(runPath), OWN_FOLDER)),
          ...[resolve(runPath), logFolder].map(folder => emptyFolders(dirname(folder), [basename(folder)])),
        ].join('\n'),
    }),
  };
}

/** From the innermost up to the one below `root`, as far as nothing is in them. */
const emptyFolders = (root: string, names: readonly string[]): string =>
  `! [ -d ${shellQuote(join(root, ...names))} ] || (cd ${shellQuote(root)} && ${shellCommand('rmdir', '-p', '--ignore-fail-on-non-empty', names.join('/'))})`;

/** What else lies in the run path or among the logs is somebody's, and stays. */
async function purge(root: string, logFolder: string): Promise<void> {
  await rm(join(root, OWN_FOLDER), { recursive: true, force: true });
  await removeEmpty(dirname(root), [basename(root)]);
  await removeEmpty(dirname(logFolder), [basename(logFolder)]);
}

const manifestMode = (manifest: Manifest): number => (holdsCredentials(manifest) ? 0o600 : 0o644);

const install = (mode: number, path: string): string =>
  shellCommand('install', '-D', '-m', `0${mode.toString(8)}`, '/dev/stdin', path);

/** Checked, and cancelled only before it begins: each takes milliseconds and is whole or nothing. */
function action<P>(runPath: string, effect: (params: P) => Promise<void>) {
  return async (params: P, { signal }: ActionContext): Promise<void> => {
    throwIfAborted(signal);
    await reported(runPath, () => effect(params));
  };
}

async function reported<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw asStoreError(thrown, path);
  }
}

/** A removal at the same time may take the folder away as empty, just before the file is there. */
async function retried(work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (thrown) {
      if (attempt === 5 || !hasCode(thrown, 'ENOENT')) throw thrown;
    }
  }
}

async function writeManifest(root: string, ref: ResourceRef, manifest: Manifest): Promise<void> {
  checkRef(ref);
  const text = await manifestText(manifest);
  await retried(async () => {
    const names = await spelling(root, ref.path);
    const folder = join(root, ...names);
    const made = await makeFolders(root, names);
    try {
      await removeStaleTemporaries(folder);
      await replaceFile(join(folder, manifestName(ref.kind)), text, { mode: manifestMode(manifest) });
    } catch (thrown) {
      if (made.length > 0) await removeEmpty(root, names).catch(() => {});
      throw thrown;
    }
  });
}

/** The manifest goes last, so that a removal that failed half-way can be repeated. */
async function removeResource(root: string, logFolder: string, ref: ResourceRef, keeps: string[] = []): Promise<void> {
  checkRef(ref);
  const names = await spelling(root, ref.path);
  const folder = join(root, ...names);
  const file = manifestName(ref.kind);
  const isThere = await isFolder(root, names);
  if (isThere) await removeStaleTemporaries(folder);
  const others = isThere ? (await readdir(folder)).filter(name => name !== file) : [];
  if (others.length === 0) await removeLogs(logFolder, ref.path, keeps);
  if (!isThere) return;
  await unlink(join(folder, file)).catch(ignore('ENOENT', 'EISDIR')); // a folder of that name is not ours
  await removeEmpty(root, names);
}

/** Its own are those directly in the folder; in folders in it are those of others, maybe of another kuke on this host. */
async function removeLogs(logFolder: string, path: readonly string[], keeps: readonly string[]): Promise<void> {
  const gone = (await logsOf(logFolder, path)).filter(log => !keeps.includes(basename(log)));
  for (const log of gone) await unlink(log).catch(ignore('ENOENT'));
  await removeEmpty(logFolder, await foldersThere(logFolder, await spelling(logFolder, path)));
}

async function logsOf(logFolder: string, path: readonly string[]): Promise<string[]> {
  const names = await spelling(logFolder, path);
  if (!(await isFolder(logFolder, names))) return [];
  const entries = await readdir(join(logFolder, ...names), { withFileTypes: true });
  return entries.filter(entry => !entry.isDirectory()).map(({ name }) => join(logFolder, ...names, name));
}
