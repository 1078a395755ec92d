/** What is to run with our rights, or says what does, has to be nobody else's to change. */
import { isAbsolute } from 'node:path';
import { KukeError } from './errors.ts';

/** Finds who else could (src/host/trusted-path.ts); undefined: nobody. */
export type FindChangeable = (path: string) => { path: string; uid: number; mode: number } | undefined;

/** Throws PluginFailed when anybody else could replace or change `path`, or anything in it or that it links to. */
export function refuseWritable(path: string, find: FindChangeable): void {
  if (!isAbsolute(path)) throw new KukeError('Usage', `${path} is not an absolute path`);
  const found = find(path);
  if (found === undefined) return;
  const message = `${found.path} can be changed by others (owner ${found.uid}, mode ${found.mode.toString(8)})`;
  const [where, flag] = found.path.startsWith(path) ? [path, '-R '] : [found.path, ''];
  throw new KukeError('PluginFailed', message, {
    remedy: `chown ${flag}-h root ${where} && chmod ${flag}go-w ${where}`,
  });
}
