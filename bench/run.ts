/**
 * What kuke's network costs beside its peers: `bun bench/run.ts [NAME...]`, as root, with dist/kuke built. Each bench has a box of its own
 * (test/box.sh); what is compared is measured in turn within one run. `--binary PATH` names another kuke. See docs/benchmarks.md.
 */
import { existsSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { format, type Table } from './table.ts';

const BENCHES: Readonly<Record<string, () => Promise<{ bench: () => Promise<Table> }>>> = {
  version: () => import('./version.ts'),
  attachment: () => import('./attachment.ts'),
  growth: () => import('./growth.ts'),
  'at-once': () => import('./at-once.ts'),
  memory: () => import('./memory.ts'),
  traffic: () => import('./traffic.ts'),
  cells: () => import('./cells.ts'),
};

const top = join(import.meta.dir, '..');

const { values, positionals } = parseArgs({
  options: { binary: { type: 'string', default: join(top, 'dist/kuke') } },
  allowPositionals: true,
});
const names = positionals.length > 0 ? positionals : Object.keys(BENCHES);
const unknown = names.find(name => !Object.hasOwn(BENCHES, name));
if (unknown !== undefined) fail(`no bench ${unknown}: there are ${Object.keys(BENCHES).join(', ')}`);

if (process.env.KUKE_BOX === '1') {
  for (const name of names) {
    const loaded = await BENCHES[name]?.();
    if (loaded) console.log(format(await loaded.bench()));
  }
} else {
  const binary = resolve(values.binary);
  if (!existsSync(binary)) fail(`${binary} is absent: build it with \`bun run build\``);
  console.log(
    `${new Date().toISOString().slice(0, 16)}Z, ${cpus().length} × ${cpus()[0]?.model}, Bun ${Bun.version}\n`,
  );
  let status = 0;
  for (const name of names) status ||= await inBox(name, binary);
  process.exit(status);
}

async function inBox(name: string, binary: string): Promise<number> {
  const load = () => loadavg()[0]?.toFixed(1);
  const before = load();
  const command = [join(top, 'test/box.sh'), process.execPath, import.meta.path, name];
  const box = Bun.spawn(command, {
    cwd: top,
    env: { ...process.env, KUKE_TEST_BINARY: binary },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const status = await box.exited;
  console.log(`load average ${before} before, ${load()} after\n`);
  return status;
}

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}
