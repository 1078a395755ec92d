/**
 * Which plugins the suite runs against, told by its environment: KUKE_TEST_CNI is `kuke` (the binary in dist, under the plugins' names),
 * `reference` (Debian's), or the path of a folder, as run.sh gives it.
 */
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Difference, differences, type Entry } from './differences.ts';

export const TYPES = ['bridge', 'firewall', 'host-local', 'loopback', 'portmap', 'static'] as const;
export type Type = (typeof TYPES)[number];

/** `reference`: containernetworking/plugins of the years of specification 1.0; `other`: whatever else, without known differences. */
export type Implementation = 'kuke' | 'reference' | 'other';

const wanted = process.env.KUKE_TEST_CNI ?? 'reference';

/** Folder with the plugins. */
export const path = wanted === 'kuke' ? ownPlugins() : wanted === 'reference' ? '/usr/lib/cni' : resolve(wanted);

for (const type of TYPES) {
  if (!existsSync(join(path, type))) throw new Error(`no plugin ${type} in ${path}: give a folder that has them all`);
}

export const implementation: Implementation = wanted === 'kuke' ? wanted : recognized();

/** Whether the plugins under test differ from the expectation in this way, as the table says. */
export function has(difference: Difference): boolean {
  return (differences[difference].of as readonly Implementation[]).includes(implementation);
}

/** What stays after DEL in all cases, by the table. */
export function alwaysLeft(): RegExp[] {
  const entries: Entry[] = Object.values(differences).filter(({ of }) =>
    (of as readonly string[]).includes(implementation),
  );
  return entries.flatMap(({ leaves = [] }) => leaves);
}

/** Links to the compiled binary by the plugins' names. It has to be built before: `bun run build`. */
function ownPlugins(): string {
  const folder = '/opt/conformance';
  mkdirSync(folder, { recursive: true });
  for (const type of TYPES) {
    const link = join(folder, type);
    if (!existsSync(link)) symlinkSync(process.env.KUKE_TEST_BINARY ?? resolve('dist/kuke'), link);
  }
  return folder;
}

/** Who they are is told on stderr when no command is set. Of the reference plugins, those with an older specification have a table here. */
function recognized(): Implementation {
  const { stderr } = Bun.spawnSync([join(path, 'bridge')], { env: {} });
  const told = stderr.toString();
  if (/^CNI bridge plugin .*\n.*\b1\.0\.0$/m.test(told.trim())) return 'reference';
  return /kuke/.test(told) ? 'kuke' : 'other';
}
