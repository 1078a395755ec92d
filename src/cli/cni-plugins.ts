/** What the commands on the files of CNI plugins share. */
import type { Affected } from '../kernel/audit.ts';
import { KukeError } from '../kernel/errors.ts';
import { asFileError } from '../kernel/file-errors.ts';
import type { CniForecast, CniPluginFile, CniPlugins, Invocation } from './command.ts';
import { requireRoot } from './open-kernel.ts';
import { comment } from './output/explain.ts';
import { print } from './output/standard-output.ts';
import { alignColumns } from './output/table.ts';
import { colour } from './output/terminal.ts';
import { planFlags } from './plan-flags.ts';

type Opener = Pick<Invocation, 'globals' | 'program'> & { args?: object };

/** Runs `change` with the plugins and the run path. */
export async function changePlugins<T>(
  { globals, program, args }: Opener,
  change: (plugins: CniPlugins, runPath: string) => Promise<T>,
): Promise<T> {
  requireRoot({ ...(args && { args }) });
  try {
    return await change(await program.cniPlugins(), globals.runPath);
  } catch (error) {
    throw asFileError(error);
  }
}

/** What `--dry-run` and `--explain` ask for. Resolves to the files where nothing is to be done beyond that. */
export async function foreseen(
  invocation: Opener & Pick<Invocation, 'line'>,
  foresee: (plugins: CniPlugins, runPath: string) => Promise<CniForecast>,
): Promise<CniPluginFile[] | undefined> {
  const { isDryRun, isExplained } = planFlags(invocation.args);
  if (!isDryRun && !isExplained) return undefined;
  if (isExplained && Reflect.get(invocation.args ?? {}, 'output') === 'json')
    throw new KukeError('Usage', '--explain prints a script, and -o json none: leave out one of them');
  const { files, script } = await changePlugins(invocation, foresee);
  if (isExplained) print(['#!/bin/bash', comment(invocation.line), 'set -e', script].join('\n').trimEnd());
  return isDryRun ? files : undefined;
}

const CHANGED: ReadonlySet<string> = new Set(['installed', 'renewed', 'replaced', 'removed']);

/** For the audit log. */
export const pluginsChanged = (files: readonly CniPluginFile[]): Affected[] =>
  files
    .filter(({ result }) => CHANGED.has(result))
    .map(({ result, path }) => ({ resource: 'host', result: `${result} CNI plugin ${path}` }));

/** From one folder, or from all; prints what was done, also where something then fails, and returns it. `none` is called if there was nothing. */
export async function uninstallPlugins(
  opener: Opener,
  folder: string | undefined,
  output: string,
  none: () => void,
): Promise<CniPluginFile[]> {
  const files: CniPluginFile[] = [];
  try {
    await changePlugins(opener, (plugins, runPath) => plugins.uninstall(folder, runPath, file => files.push(file)));
  } finally {
    printPlugins(files, output);
  }
  if (files.length === 0) none();
  return files;
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

export function printPlugins(files: CniPluginFile[], output: string, args: object = {}): void {
  const { isDryRun, isExplained } = planFlags(args);
  if (isDryRun && isExplained) return;
  if (output === 'json') print(JSON.stringify(files, null, 2));
  else if (files.length > 0) {
    const said = isDryRun ? ' (dry run)' : '';
    const rows = files.map(({ plugin, result, path }) => [plugin, `${colour(colours[result], result)}${said}`, path]);
    print(alignColumns([['PLUGIN', 'RESULT', 'PATH'], ...rows]));
  }
}

export function requireAbsolute(folder: string): string {
  if (!folder.startsWith('/')) throw new KukeError('Usage', `--dir: \`${folder}\` is not an absolute path`);
  return folder.length > 1 ? folder.replace(/\/+$/, '') : folder;
}
