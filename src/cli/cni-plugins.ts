/** What the commands on the files of CNI plugins share. */
import type { ArgsDef } from 'citty';
import { KukeError } from '../kernel/errors.ts';
import { asFileError } from '../kernel/file-errors.ts';
import type { CniPluginFile, CniPlugins, Invocation } from './command.ts';
import { requireRoot } from './open-kernel.ts';
import { print } from './output/standard-output.ts';
import { alignColumns } from './output/table.ts';
import { colour } from './output/terminal.ts';

export const outputArg = {
  output: { type: 'enum', alias: 'o', options: ['table', 'json'], default: 'table', description: 'how it is printed' },
} as const satisfies ArgsDef;

type Opener = Pick<Invocation, 'globals' | 'program'>;

/** Runs `change` with the plugins and the run path. */
export async function changePlugins<T>(
  { globals, program }: Opener,
  change: (plugins: CniPlugins, runPath: string) => Promise<T>,
): Promise<T> {
  requireRoot();
  try {
    return await change(await program.cniPlugins(), globals.runPath);
  } catch (error) {
    throw asFileError(error);
  }
}

/** From one folder, or from all; prints what was done, also where something then fails. `none` is called if there was nothing. */
export async function uninstallPlugins(
  opener: Opener,
  folder: string | undefined,
  output: string,
  none: () => void,
): Promise<void> {
  const files: CniPluginFile[] = [];
  try {
    await changePlugins(opener, (plugins, runPath) => plugins.uninstall(folder, runPath, file => files.push(file)));
  } finally {
    printPlugins(files, output);
  }
  if (files.length === 0) none();
}

const colours = {
  installed: 'green',
  renewed: 'yellow',
  replaced: 'yellow',
  unchanged: 'dim',
  left: 'red',
  blocked: 'red',
  removed: 'green',
  'not found': 'dim',
} as const;

export function printPlugins(files: CniPluginFile[], output: string): void {
  if (output === 'json') print(JSON.stringify(files, null, 2));
  else if (files.length > 0) {
    const rows = files.map(({ plugin, result, path }) => [plugin, colour(colours[result], result), path]);
    print(alignColumns([['PLUGIN', 'RESULT', 'PATH'], ...rows]));
  }
}

export function requireAbsolute(folder: string): string {
  if (!folder.startsWith('/')) throw new KukeError('Usage', `--dir: \`${folder}\` is not an absolute path`);
  return folder.length > 1 ? folder.replace(/\/+$/, '') : folder;
}
