/** Whether anybody but root and ourselves can change what a path leads to: it is to run, or to be written, with our rights. */
import { existsSync, lstatSync, readdirSync, realpathSync, type Stats } from 'node:fs';
import { join, resolve } from 'node:path';

/** Where others can get in. */
export interface Changeable {
  path: string;
  uid: number;
  mode: number;
}

type Found = Generator<Changeable, void, undefined>;

const STICKY = 0o1000;
const OTHERS_WRITE = 0o022;

/** Somebody else's own, or where others write: the path itself, all that it holds or links to, or the way there. Throws ENOENT. */
export function changeableByOthers(path: string): Changeable | undefined {
  return first(within(path, new Set()));
}

/** Where others can put another thing in the path's place: the folders and links that are followed to it. Throws ENOENT. */
export function changeableOnTheWay(path: string): Changeable | undefined {
  return first(onTheWay(resolve(path)));
}

const first = (found: Found): Changeable | undefined => found.next().value ?? undefined;

function* within(path: string, seen: Set<string>): Found {
  yield* onTheWay(resolve(path));
  yield* inside(realpathSync(path), seen);
}

function* inside(path: string, seen: Set<string>): Found {
  if (seen.has(path)) return;
  seen.add(path);
  const stats = lstatSync(path);
  if (isForeign(stats) || (!stats.isSymbolicLink() && isShared(stats))) yield told(path, stats);
  if (stats.isSymbolicLink() && existsSync(path)) yield* within(path, seen);
  if (stats.isDirectory()) for (const name of readdirSync(path)) yield* inside(join(path, name), seen);
}

/** Each name, as it is found by following the path from the root. */
function* onTheWay(path: string): Found {
  let at = '/';
  for (const name of path.split('/').filter(Boolean)) {
    const folder = lstatSync(at);
    const next = join(at, name);
    const stats = lstatSync(next);
    // In a folder such as /tmp each has their own; but a link there may be another name for one of ours, made by anybody.
    if (isShared(folder) && ((folder.mode & STICKY) === 0 || stats.isSymbolicLink())) yield told(at, folder);
    if (isForeign(stats)) yield told(next, stats);
    at = stats.isSymbolicLink() ? realpathSync(next) : next;
    if (stats.isSymbolicLink()) yield* onTheWay(at);
  }
}

const isShared = ({ mode }: Stats): boolean => (mode & OTHERS_WRITE) !== 0;
const isForeign = ({ uid }: Stats): boolean => uid !== 0 && uid !== process.geteuid?.();
const told = (path: string, { uid, mode }: Stats): Changeable => ({ path, uid, mode: mode & 0o7777 });
