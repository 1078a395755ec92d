import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtins } from '../../../src/builtins.ts';

// The type checker takes its time on a loaded machine.
setDefaultTimeout(120_000);

const top = join(import.meta.dir, '../../..');
const LIST = 'src/builtins.ts';

/** A copy of the product's sources, to build in. */
let copy: string;
beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'kuke-build-'));
  for (const name of ['src', 'plugins', 'build.ts', 'package.json'])
    cpSync(join(top, name), join(copy, name), { recursive: true });
  symlinkSync(join(top, 'node_modules'), join(copy, 'node_modules'));
  const { compilerOptions } = JSON.parse(readFileSync(join(top, 'tsconfig.json'), 'utf8'));
  writeFileSync(
    join(copy, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, include: ['src', 'plugins', 'build.ts'] }),
  );
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

function run(...command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd: copy });
  if (exitCode !== 0) throw new Error(`${command.join(' ')}: exit code ${exitCode}\n${stdout}${stderr}`);
  return stdout.toString();
}

const generate = () => run('bun', 'build.ts', '--list-only');
const list = (from: string) => readFileSync(join(from, LIST), 'utf8');

describe('src/builtins.ts', () => {
  test('is what build.ts makes of plugins/', () => {
    generate();
    expect(list(copy)).toBe(list(top));
  });

  test('says of each plugin what that says of itself', async () => {
    const folders = readdirSync(join(top, 'plugins'), { withFileTypes: true }).filter(entry => entry.isDirectory());
    expect(builtins.map(({ name }) => name).sort()).toEqual(folders.map(({ name }) => name).sort());
    for (const { load, name, requires, provides, origin } of builtins) {
      const plugin = await load();
      const { requires: itsRequires = [], provides: itsProvides = {} } = plugin;
      expect({ name: plugin.name, requires: itsRequires, provides: itsProvides, origin: 'built-in' }).toEqual({
        name,
        requires,
        provides,
        origin,
      });
    }
  });
});

describe('without', () => {
  const backends = ['cni-bridge', 'containerd-shim', 'cgroup-v2', 'metadata-fs'];

  test.each([[['cni-bridge']], [backends]])('the folders %j the rest still type-checks', names => {
    for (const name of names) rmSync(join(copy, 'plugins', name), { recursive: true, force: true });
    generate();
    for (const name of names) expect(list(copy)).not.toContain(name);
    run(join(top, 'node_modules/.bin/tsc'), '--noEmit');
  });
});
