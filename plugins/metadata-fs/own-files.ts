/** Files below `<run path>/.kuke`: the instance id, the etc-files of cells, and what later work keeps there. */
import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { KukeError, type StoredFile } from 'kuke/plugin';
import { removeStaleTemporaries, replaceFile, rewriteInPlace } from '../../src/host/atomic-file.ts';
import { ignore, isFolder, makeFolders, removeBelow } from './folders.ts';
import { OWN_FOLDER, partsOf } from './paths.ts';

/** A file below `secrets/` or `revisions/` (a spec may hold credentials) is for root alone; others are 0644, for a container's users read its /etc/hosts. */
export const modeOf = (path: string): number => (/^(?:secrets|revisions)\//.test(path) ? 0o600 : 0o644);

export async function writeOwnFile(root: string, { path, content, inPlace }: StoredFile): Promise<void> {
  const parts = partsOf(path);
  const file = join(root, OWN_FOLDER, ...parts);
  await makeFolders(root, [OWN_FOLDER], 0o700);
  await makeFolders(join(root, OWN_FOLDER), parts.slice(0, -1));
  await removeStaleTemporaries(dirname(file));
  const there = await lstat(file).catch(ignore('ENOENT'));
  if (inPlace === true && there?.isFile()) await rewriteInPlace(file, content);
  else await replaceFile(file, content, { mode: modeOf(path) });
}

/** The file or folder, and the folders around it that are empty then. */
export async function removeOwnFile(root: string, path: string): Promise<void> {
  const parts = partsOf(path);
  if (await isFolder(root, [OWN_FOLDER])) await removeBelow(join(root, OWN_FOLDER), parts);
}

/** More is in no file of kuke's; what a container has made of its /etc/hosts may be without end. */
const MAX_BYTES = 1 << 20;

/** What is in it, the first mebibyte at most; undefined when it is not there. */
export async function readOwnFile(root: string, path: string): Promise<string | undefined> {
  const file = join(root, OWN_FOLDER, ...partsOf(path));
  const opened = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW).catch(ignore('ENOENT', 'ENOTDIR'));
  if (opened === undefined) return undefined;
  await using _ = opened;
  const { buffer, bytesRead } = await opened.read(Buffer.alloc(Math.min((await opened.stat()).size, MAX_BYTES)));
  return buffer.toString('utf8', 0, bytesRead);
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Undefined before `kuke init`. With a damaged one nothing that is kuke's would be known as such any more. */
export async function readInstance(root: string): Promise<string | undefined> {
  const id = (await readOwnFile(root, 'instance'))?.trim();
  if (id === undefined || UUID.test(id)) return id;
  const remedy = 'write the id back that the label or comment of anything made by kuke carries';
  throw new KukeError('MetadataCorrupt', `${join(root, OWN_FOLDER, 'instance')} does not hold an instance id`, {
    remedy,
  });
}
