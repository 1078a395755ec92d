/** Whether a folder's contents can be changed by others than root and ourselves: what it holds is to run with our rights. */
import { existsSync, lstatSync, readdirSync, realpathSync, type Stats } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { KukeError } from './errors.ts';

/** Throws PluginFailed when anybody else could replace or change `path`, or anything in it or that it links to. */
export function refuseWritable(path: string): void {
  if (!isAbsolute(path)) throw new KukeError('Usage', `${path} is not an absolute path`);
  const seen = new Set<string>();
  for (let at = path; at !== '/'; at = dirname(at)) {
    // A link cannot be changed, only replaced by who can write in the folder around it.
    if (lstatSync(at).isSymbolicLink()) refuseOwner(at, lstatSync(at), path);
  }
  check(realpathSync(path), path, seen);
}

function check(path: string, top: string, seen: Set<string>): void {
  if (seen.has(path)) return;
  seen.add(path);
  const stats = lstatSync(path);
  refuseOwner(path, stats, top);
  if (stats.isSymbolicLink()) {
    if (existsSync(path)) check(realpathSync(path), top, seen);
    return;
  }
  if ((stats.mode & OTHERS_WRITE) !== 0) throw changeable(path, stats, top);
  checkAround(dirname(path), top, seen);
  if (stats.isDirectory()) for (const name of readdirSync(path)) check(join(path, name), top, seen);
}

/** Who can write in a folder around it can put another in its place, save in one such as /tmp. */
function checkAround(path: string, top: string, seen: Set<string>): void {
  if (seen.has(path) || seen.has(`${path}/`)) return;
  seen.add(`${path}/`);
  const stats = lstatSync(path);
  refuseOwner(path, stats, top);
  if ((stats.mode & OTHERS_WRITE) !== 0 && (stats.mode & STICKY) === 0) throw changeable(path, stats, top);
  checkAround(dirname(path), top, seen);
}

const STICKY = 0o1000;
const OTHERS_WRITE = 0o022;

function refuseOwner(path: string, stats: Stats, top: string): void {
  if (stats.uid !== 0 && stats.uid !== process.getuid?.()) throw changeable(path, stats, top);
}

function changeable(path: string, { uid, mode }: Stats, top: string): KukeError {
  const message = `${path} can be changed by others (owner ${uid}, mode ${(mode & 0o7777).toString(8)})`;
  const [where, flag] = path.startsWith(top) ? [top, '-R '] : [path, ''];
  return new KukeError('PluginFailed', message, {
    remedy: `chown ${flag}-h root ${where} && chmod ${flag}go-w ${where}`,
  });
}
