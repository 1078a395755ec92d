/** Everything below the run path: manifests, and what is none or cannot be read. */
import { closeSync, constants, type Dirent, fstatSync, lstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Manifest, othersTurn, type ResourceRef, type StoreProblem } from 'kuke/plugin';
import { asStoreError } from './errors.ts';
import { isFolder, spelling } from './folders.ts';
import { forgetOthers, knownManifest } from './known-manifests.ts';
import { MAX_BYTES, type Parsed, parseManifest } from './manifest-file.ts';
import { isSafeName, manifestName } from './paths.ts';

export interface Listing {
  resources: { ref: ResourceRef; manifest: Manifest }[];
  problems: StoreProblem[];
}

/**
 * Walks the tree. Names that start with a dot are no realms (`.kuke`) and no manifests (temporary files, an editor's), and passed over,
 * as is the `lost+found` of a file system that is mounted there. All else that is not a manifest in its place is a problem.
 */
export async function listManifests(root: string): Promise<Listing> {
  const listing: Listing = { resources: [], problems: [] };
  await walk(root, [], listing);
  forgetOthers(root, new Set(listing.resources.map(({ ref }) => join(root, ...ref.path, manifestName(ref.kind)))));
  return listing;
}

/** These and those that they lie in, and nothing of what lies beside them. */
export async function listSome(root: string, refs: readonly ResourceRef[]): Promise<Listing> {
  const listing: Listing = { resources: [], problems: [] };
  const prefixes = refs.flatMap(({ path }) => path.map((_, depth) => path.slice(0, depth + 1)));
  const paths = new Map(prefixes.map(path => [path.join('/').toLowerCase(), path]));
  for (const [, path] of paths) {
    const names = await spelling(root, path);
    const folder = join(root, ...names);
    for (const entry of entriesOf(folder, listing)) {
      if (!entry.isFile() || !/^[a-z][a-z0-9]*\.yaml$/.test(entry.name)) continue;
      const problem = (message: string) =>
        void listing.problems.push({ path: join(folder, entry.name), message, ...refByPlace(names, entry.name) });
      await read(folder, entry.name, names, listing, problem);
    }
  }
  return listing;
}

export async function hasManifest(root: string, { kind, path }: ResourceRef): Promise<boolean> {
  const names = await spelling(root, path);
  if (!(await isFolder(root, names))) return false;
  return lstatSync(join(root, ...names, manifestName(kind)), { throwIfNoEntry: false }) !== undefined;
}

async function walk(root: string, names: string[], listing: Listing): Promise<void> {
  const folder = join(root, ...names);
  const seen = new Map<string, string>();
  for (const entry of entriesOf(folder, listing)) {
    const problem = (message: string) =>
      void listing.problems.push({ path: join(folder, entry.name), message, ...refByPlace(names, entry.name) });
    if (entry.name.startsWith('.') || (names.length === 0 && entry.name === 'lost+found')) continue;
    if (entry.isSymbolicLink()) problem('is a symbolic link, which is not followed');
    else if (entry.isDirectory()) {
      const twin = seen.get(entry.name.toLowerCase());
      seen.set(entry.name.toLowerCase(), entry.name);
      if (!isSafeName(entry.name)) problem('is not the name of a resource');
      else if (twin !== undefined) problem(`differs only in case from ${twin}, which is used`);
      else await walk(root, [...names, entry.name], listing);
    } else if (!entry.isFile() || !entry.name.endsWith('.yaml')) problem('is not a manifest');
    else await read(folder, entry.name, names, listing, problem);
  }
}

/** Which resource a file is of, where its name and place tell; with the kind as manifests spell it. */
function refByPlace(path: string[], file: string): { ref?: ResourceRef } {
  const [, kind] = /^([a-z][a-z0-9]*)\.yaml$/.exec(file) ?? [];
  if (kind === undefined || path.length === 0) return {};
  return { ref: { kind: `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`, path: [...path] } };
}

/** Sorted, so that it is always the same one of two twins that counts. */
function entriesOf(folder: string, listing: Listing): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (thrown) {
    const { message, code } = asStoreError(thrown, folder);
    const isAbsent = thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';
    if (!isAbsent) listing.problems.push({ path: folder, message: `${message} (${code})` });
    return [];
  }
}

async function read(
  folder: string,
  file: string,
  path: string[],
  listing: Listing,
  problem: (message: string) => void,
): Promise<void> {
  await othersTurn();
  const where = join(folder, file);
  let parsed: Parsed;
  try {
    parsed = await knownManifest(where, () => parseManifest(readText(where)));
  } catch (thrown) {
    return problem(asStoreError(thrown, file).message);
  }
  if ('problem' in parsed) return problem(parsed.problem);
  const { kind, metadata } = parsed.manifest;
  if (manifestName(kind) !== file) return problem(`is of kind ${kind}, which is kept in ${manifestName(kind)}`);
  if (metadata.name.toLowerCase() !== path.at(-1)?.toLowerCase()) {
    return problem(`is named ${metadata.name}, but lies in ${folder}`);
  }
  listing.resources.push({ ref: { kind, path }, manifest: parsed.manifest });
}

/** By descriptor, so that neither a link nor a pipe that has taken the file's place is read. */
function readText(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size } = fstatSync(fd);
    if (size > MAX_BYTES) throw new Error(`has ${size} bytes; at most ${MAX_BYTES} are read`);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}
