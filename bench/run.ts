/**
 * What kuke costs beside its peers: `bun run bench [NAME...]`, as root, with dist/kuke built. Each bench has a box of its own (test/box.sh);
 * what is compared is measured in turn within one run. `--write` keeps what was seen in bench/results and writes table and plot in docs/;
 * `--binary PATH` names another kuke, `--rounds N` is for a first look. See docs/benchmarks.md.
 */
import { existsSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { writeReport } from './report.ts';
import { type Result, writeResult } from './results.ts';
import { format, type Table } from './table.ts';

type Bench = () => Promise<Table | Table[]>;

const BENCHES: Readonly<Record<string, () => Promise<{ bench: Bench }>>> = {
  pods: () => import('./pods.ts'),
  fifty: () => import('./fifty.ts'),
  crowd: () => import('./crowd.ts'),
  kukeond: () => import('./kukeond.ts'),
  start: () => import('./start.ts'),
  restart: () => import('./restart.ts'),
  'daemon-latency': () => import('./daemon-latency.ts'),
  pull: () => import('./pull.ts'),
  version: () => import('./version.ts'),
  attachment: () => import('./attachment.ts'),
  growth: () => import('./growth.ts'),
  'at-once': () => import('./at-once.ts'),
  memory: () => import('./memory.ts'),
  traffic: () => import('./traffic.ts'),
};

const top = join(import.meta.dir, '..');

const { values, positionals } = parseArgs({
  options: {
    binary: { type: 'string', default: join(top, 'dist/kuke') },
    rounds: { type: 'string', default: '' },
    write: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const names = positionals.length > 0 ? positionals : Object.keys(BENCHES);
const unknown = names.find(name => !Object.hasOwn(BENCHES, name));
if (unknown !== undefined) fail(`no bench ${unknown}: there are ${Object.keys(BENCHES).join(', ')}`);

if (process.env.KUKE_BOX === '1') {
  // One bench, for the one who made the box.
  const loaded = await BENCHES[names[0] ?? '']?.();
  const tables = [(await loaded?.bench()) ?? []].flat();
  await Bun.write(Bun.stdout, JSON.stringify(tables));
  process.exit(0);
}
const binary = resolve(values.binary);
if (!existsSync(binary)) fail(`${binary} is absent: build it with \`bun run build\``);
const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, Linux ${release()}, Bun ${Bun.version}`;
const when = `${new Date().toISOString().slice(0, 16)}Z`;
console.log(`${when}, ${machine}\n`);
let failures = 0;
for (const name of names) {
  const result = await inBox(name);
  if (result === undefined) failures++;
  else if (values.write) writeResult(name, result);
}
if (values.write) writeReport(Object.keys(BENCHES));
process.exit(failures === 0 ? 0 : 1);

async function inBox(name: string): Promise<Result | undefined> {
  const load = () => loadavg()[0] ?? 0;
  const before = load();
  const since = performance.now();
  const box = Bun.spawn([join(top, 'test/box.sh'), process.execPath, import.meta.path, name], {
    cwd: top,
    env: { ...process.env, KUKE_TEST_BINARY: binary, KUKE_BENCH_ROUNDS: values.rounds },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const text = await box.stdout.text();
  if ((await box.exited) !== 0) {
    console.error(`bench ${name}: exit status ${box.exitCode}\n`);
    return undefined;
  }
  const result: Result = { when, machine, load: [before, load()], tables: JSON.parse(text) as Table[] };
  for (const table of result.tables) console.log(format(table));
  const seconds = ((performance.now() - since) / 1000).toFixed(0);
  console.log(`${name}: ${seconds} s, load average ${before.toFixed(1)} before, ${result.load[1].toFixed(1)} after\n`);
  return result;
}

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}
