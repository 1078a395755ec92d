/** Folders that will have to be made: who writes that down before can take them away again, however it ends. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';

/** `/opt/cni` of `/opt/cni/bin`, where that is what is missing of an absolute path; undefined where all is there. */
export function missingPartOf(folder: string): string | undefined {
  let made: string | undefined;
  for (let path = folder; !existsSync(path); path = dirname(path)) made = path;
  return made;
}
