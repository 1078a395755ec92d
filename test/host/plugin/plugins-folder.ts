/** The folder of third parties' plugins in a box, and what tests put there. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { binary } from '../kuke/kuke.ts';
import { output } from '../observe/command.ts';
import { startRegistry } from './registry.ts';

export const FOLDER = '/opt/kukeon/.kuke/plugins';

const example = join(import.meta.dir, '../../../examples/plugin-greeting');

/** As its README says. */
export async function installGreeting(folder = join(FOLDER, 'greeting')): Promise<void> {
  copyGreeting(folder);
  await packageManager(folder, 'install', '--production', '--ignore-scripts');
}

export function copyGreeting(to: string): void {
  cpSync(example, to, { recursive: true, filter: path => !path.includes('node_modules') });
}

/** kuke as the package manager that is in it, with nothing in its cache. */
export async function packageManager(folder: string, verb: string, ...args: string[]): Promise<string> {
  using registry = startRegistry();
  const cache = join('/tmp/kuke-cache', crypto.randomUUID());
  const environment = ['BUN_BE_BUN=1', `BUN_INSTALL_CACHE_DIR=${cache}`];
  return await output('env', ...environment, binary, verb, '--cwd', folder, '--registry', registry.url, ...args);
}

export interface Written {
  /** The text of index.ts; `SETUP` stands for a kernel that is used in it. */
  index: string;
  package?: string;
}

export function writePlugin(name: string, { index, package: described }: Written): string {
  const folder = join(FOLDER, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'package.json'),
    described ?? JSON.stringify({ name, type: 'module', main: 'index.ts', kuke: {} }),
  );
  writeFileSync(join(folder, 'index.ts'), index);
  return folder;
}

/** A plugin named `name` whose setup is `body`. */
export function withSetup(name: string, body: string, fields = ''): Written {
  return {
    index: `import { definePlugin } from 'kuke/plugin';
export default definePlugin({ name: '${name}', version: '1.0.0', ${fields} async setup(kernel) { ${body} } });
`,
  };
}

export function removePlugins(): void {
  rmSync(FOLDER, { recursive: true, force: true });
}
