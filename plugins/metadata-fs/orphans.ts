/** Folders of resources that are not there (any more), and how they are taken away. */
import { readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Claims, type Finding, shellCommand } from 'kuke/plugin';
import { isStaleTemporary, removeStaleTemporaries } from '../../src/host/atomic-file.ts';
import { foldersThere, ignore, isFolder, removeBelow, removeEmpty } from './folders.ts';
import { isSafeName, OWN_FOLDER } from './paths.ts';

interface Place {
  root: string;
  claims: Claims;
}

export async function orphanFolders(root: string, logFolder: string, claims: Claims): Promise<Finding[]> {
  return [
    ...(await halfWritten({ root, claims }, [])),
    ...(await orphanLogs({ root: logFolder, claims }, [])),
    ...(await orphanFiles({ root: join(root, OWN_FOLDER), claims }, [ETC])),
    ...(await orphanFiles({ root: join(root, OWN_FOLDER), claims }, [REVISIONS])),
  ];
}

/** Below `.kuke`: what containers have as their /etc/hosts and the like. */
const ETC = 'etc';
/** Earlier specs of cells. */
const REVISIONS = 'revisions';

/** Names in a folder: of folders, which are no links, and of all else. */
async function entriesOf(root: string, names: readonly string[]): Promise<{ folders: string[]; others: string[] }> {
  if (!(await isFolder(root, names))) return { folders: [], others: [] };
  const entries = await readdir(join(root, ...names), { withFileTypes: true });
  const isSub = (entry: (typeof entries)[number]) => entry.isDirectory() && isSafeName(entry.name);
  const folders = entries.filter(isSub).map(({ name }) => name);
  return { folders: folders.sort(), others: entries.filter(entry => !isSub(entry)).map(({ name }) => name) };
}

const isOfAny = ({ claims }: Place, names: readonly string[]): boolean => {
  const place = names.join('/').toLowerCase();
  return claims.places.some(one => `${one.toLowerCase()}/`.startsWith(`${place}/`));
};

/** Folders without a manifest, with nothing in them but what a writing that was killed has left; all else is told of as what it is. */
async function halfWritten(place: Place, names: readonly string[]): Promise<Finding[]> {
  const { folders, others } = await entriesOf(place.root, names);
  const below: Finding[] = [];
  for (const name of folders) below.push(...(await halfWritten(place, [...names, name])));
  if (names.length === 0 || isOfAny(place, names) || !others.every(isStaleTemporary)) return below;
  if (folders.length > 0) return below;
  const path = join(place.root, ...names);
  return [
    ...below,
    orphan(
      'Folder',
      `folder ${path} is of no resource`,
      async () => {
        await removeStaleTemporaries(path);
        await removeEmpty(place.root, names);
      },
      removal(path, others),
    ),
  ];
}

/** A folder, and these files in it. */
function removal(path: string, files: readonly string[]): string {
  const rmdir = shellCommand('rmdir', path);
  return files.length === 0 ? rmdir : `${shellCommand('rm', '-f', ...files.map(one => join(path, one)))}\n${rmdir}`;
}

/** Realm, space, stack, cell. */
const CELL_DEPTH = 4;

/** In realms that are there: another kuke on this host has its logs beside these. */
async function orphanLogs(place: Place, names: readonly string[]): Promise<Finding[]> {
  const { folders, others } = await entriesOf(place.root, names);
  const below: Finding[] = [];
  for (const name of folders) below.push(...(await orphanLogs(place, [...names, name])));
  const isOurs = isOfAny(place, names.slice(0, 1));
  // One of a realm, a space or a stack is there for those of cells alone.
  const isBare = names.length < CELL_DEPTH && others.length === 0;
  const isOrphan = isOurs && (isBare || !isOfAny(place, names)) && others.every(name => /\.log(?:\.|$)/.test(name));
  if (!isOrphan || folders.length > 0) return below;
  const path = join(place.root, ...names);
  return [
    ...below,
    orphan(
      'Logs',
      `folder of logs ${path} is of no cell`,
      async () => {
        for (const log of others) await unlink(join(path, log)).catch(ignore('ENOENT'));
        await removeEmpty(place.root, await foldersThere(place.root, names));
      },
      removal(path, others),
    ),
  ];
}

/** The outermost folder that holds nothing that is claimed. */
async function orphanFiles(place: Place, names: readonly string[]): Promise<Finding[]> {
  const path = names.join('/');
  const { files } = place.claims;
  if (files.includes(path)) return [];
  if (names.length > 1 && !files.some(file => file.startsWith(`${path}/`)))
    return [
      orphan(
        'Files',
        `folder ${join(place.root, path)} is of no cell`,
        () => removeBelow(place.root, names),
        shellCommand('rm', '-rf', join(place.root, path)),
      ),
    ];
  const below: Finding[] = [];
  for (const name of (await entriesOf(place.root, names)).folders)
    below.push(...(await orphanFiles(place, [...names, name])));
  return below;
}

function orphan(sort: string, what: string, remove: () => Promise<void>, command: string): Finding {
  return { level: 'error', code: `Orphan${sort}`, what, fix: remove, byHand: () => command };
}
