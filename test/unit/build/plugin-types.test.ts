import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// The type checker takes its time on a loaded machine.
setDefaultTimeout(120_000);

const top = join(import.meta.dir, '../../..');
const example = join(top, 'examples/plugin-greeting');

/** A plugin of somebody who builds on the example, in a folder of their own. */
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kuke-types-'));
  const { compilerOptions } = JSON.parse(readFileSync(join(example, 'tsconfig.json'), 'utf8'));
  const paths = { 'kuke/plugin': [join(top, 'src/plugin.ts')], 'kuke-plugin-greeting': [join(example, 'index.ts')] };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...compilerOptions, paths }, include: ['*.ts'] }),
  );
  symlinkSync(join(top, 'node_modules'), join(folder, 'node_modules'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function check(cwd: string): string[] {
  const { stdout } = Bun.spawnSync([join(top, 'node_modules/.bin/tsc'), '--noEmit', '--pretty', 'false'], { cwd });
  return stdout
    .toString()
    .trim()
    .split('\n')
    .filter(line => line !== '');
}

test('the example type-checks from its own folder', () => {
  expect(check(example)).toEqual([]);
});

test('what a plugin declares is known to those who build on it, and mistakes are found', () => {
  const source = `import { definePlugin, type ResourceOf } from 'kuke/plugin';
import type greeting from 'kuke-plugin-greeting';

declare module 'kuke/plugin' {
  interface KukeHooks {
    'greeting:said': (event: { text: string }) => void;
  }
  interface KukeOperations {
    'polite.bow': { params: { degrees: number }; result: { deepest: number } };
  }
}

type Greeted = ResourceOf<'Greeting'>['spec']['to'];
export const right: Greeted = 'ada';
export const wrong: Greeted = 5;
export type Config = typeof greeting;

export default definePlugin({
  name: 'polite',
  version: '1.0.0',
  setup(kernel) {
    kernel.hook('greeting:said', ({ text }) => kernel.warn(text));
    kernel.hook('greeting:said', ({ txet }) => kernel.warn(txet));
    kernel.hook('greeting:sung', () => {});
    kernel.hook('container:spec', ({ spec }) => void spec.process.env.push(5));
    kernel.hook('plan:made', ({ plan }) => {
      const bow = plan.add({ kind: 'Cell', path: [] }, 'polite.bow', { degrees: 30 });
      plan.add({ kind: 'Cell', path: [] }, 'polite.bow', { degrees: bow.result<number>('deepest') });
      plan.add({ kind: 'Cell', path: [] }, 'polite.bow', { degrees: 'deep' });
    });
  },
});
`;
  writeFileSync(join(folder, 'index.ts'), source);
  const lines = source.split('\n');
  const found = check(folder).map(line => /^index\.ts\((\d+),\d+\): error (TS\d+)/.exec(line) ?? [line]);
  expect(found.map(([whole, line, code]) => [lines[Number(line) - 1]?.trim() ?? whole, code])).toEqual([
    ['export const wrong: Greeted = 5;', 'TS2322'],
    ["kernel.hook('greeting:said', ({ txet }) => kernel.warn(txet));", 'TS2339'],
    ["kernel.hook('greeting:sung', () => {});", 'TS2345'],
    ["kernel.hook('container:spec', ({ spec }) => void spec.process.env.push(5));", 'TS2345'],
    ["plan.add({ kind: 'Cell', path: [] }, 'polite.bow', { degrees: 'deep' });", 'TS2322'],
  ]);
});
