/** What `kuke cni install` and `uninstall` would do, and the commands that a person would type for it. */
import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { missingPartOf } from '../host/missing-folder.ts';
import { isKuke, recognizer } from './plugin-file.ts';
import {
  type Folders,
  foundIn,
  type InstallOptions,
  NO_PLUGIN,
  type PluginFile,
  programFile,
  readFolders,
  recordIn,
  resultAt,
} from './plugin-installation.ts';
import { BUILT_IN } from './plugins/registry.ts';
import { shellWord } from './plugins/shell-word.ts';

export interface Forecast {
  files: PluginFile[];
  /** For bash; empty where nothing is to be done. */
  script: string;
}

/** Throws what an install throws before it has begun. */
export async function foreseeInstall(folder: string, { force, runPath }: InstallOptions): Promise<Forecast> {
  if (!isKuke()) throw new Error(NO_PLUGIN);
  const folders = await readFolders(recordIn(runPath));
  const ownerOf = recognizer();
  const files = BUILT_IN.toSorted().map(plugin => {
    const path = join(folder, plugin);
    return { plugin, path, result: resultAt(path, ownerOf, force) };
  });
  const due = files.filter(({ result }) => !['unchanged', 'left', 'blocked'].includes(result)).map(({ path }) => path);
  if (due.length === 0) return { files, script: '' };
  const [there] = files.filter(({ result }) => result === 'unchanged');
  const [first = '', ...others] = there === undefined ? due : [realpathSync(there.path), ...due];
  const made = missingPartOf(folder);
  const entry = JSON.stringify(made === undefined ? {} : { made });
  const record = shellWord(recordIn(runPath));
  const lines = [
    `mkdir -p ${shellWord(folder)}`,
    ...(there === undefined ? [`install -m 755 ${shellWord(programFile())} ${shellWord(first)}`] : []),
    ...others.map(path => `ln -f ${shellWord(first)} ${shellWord(path)}`),
    ...(folder in folders
      ? []
      : [
          `mkdir -p ${shellWord(runPath)} && mkdir -p -m 700 ${shellWord(dirname(recordIn(runPath)))}`,
          `[ -e ${record} ] || (umask 077 && echo '{"folders":{}}' > ${record})`,
          inRecord(record, folder, `.folders[$folder] = ${entry}`),
        ]),
  ];
  return { files, script: lines.join('\n') };
}

export async function foreseeUninstall(folder: string | undefined, runPath: string): Promise<Forecast> {
  const folders = await readFolders(recordIn(runPath));
  const places = folder === undefined ? Object.keys(folders) : [folder];
  const ownerOf = recognizer();
  const files = places.flatMap(place => BUILT_IN.toSorted().map(plugin => foundIn(place, plugin, ownerOf)));
  const going = files.filter(({ result }) => result === 'removed').map(({ path }) => shellWord(path));
  const lines = [
    ...(going.length === 0 ? [] : [`rm -f ${going.join(' ')}`]),
    ...places.flatMap(place => foldersTo(place, folders[place]?.made).map(path => `rmdir ${shellWord(path)} || true`)),
    ...outOfRecord(folders, places, runPath),
  ];
  return { files, script: lines.join('\n') };
}

/** A record of nothing is no file, and the folder that was made for it goes with it. */
function outOfRecord(folders: Folders, places: string[], runPath: string): string[] {
  const recorded = places.filter(place => place in folders);
  if (recorded.length === 0) return [];
  const record = recordIn(runPath);
  if (Object.keys(folders).length > recorded.length)
    return recorded.map(place => inRecord(shellWord(record), place, 'del(.folders[$folder])'));
  return [
    `rm -f ${shellWord(record)} ${shellWord(`${record}.lock`)}`,
    ...foldersTo(dirname(record), runPath).map(path => `rmdir ${shellWord(path)} 2> /dev/null || true`),
  ];
}

/** A change of the record, which has to stay root's alone. */
const inRecord = (record: string, folder: string, change: string): string =>
  `(umask 077 && jq --arg folder ${shellWord(folder)} ${shellWord(change)} ${record} > ${record}.new && mv ${record}.new ${record})`;

/** From `folder` up to `made`. */
function foldersTo(folder: string, made: string | undefined): string[] {
  if (made === undefined || !folder.startsWith(made)) return [];
  return [folder, ...foldersTo(dirname(folder), made)];
}
