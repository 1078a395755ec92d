/** kukeond: commands through it beside the same without it, what it costs when nothing happens, and all of many cells started anew. */
import { readFileSync } from 'node:fs';
import { startContainerd } from '../test/host/containerd.ts';
import { type DaemonPeer, kuke, manifests, run, throughKukeond } from './peers/kuke.ts';
import { type Row, roundsOr, type Table, timed } from './table.ts';

const ROUNDS = roundsOr(30);
const IDLE_CELLS = 100;
const CELLS = 200;
/** Long enough for three sweeps (docs/supervision.md). */
const IDLE_MS = 100_000;
const SWEEP_MS = 30_000;
/** sysconf(_SC_CLK_TCK), proc_pid_stat(5). */
const TICK_MS = 10;

export async function bench(): Promise<Table[]> {
  await using _ = await startContainerd({ cri: true });
  const local = await kuke();
  await using through = await throughKukeond();
  const commands = await inTurnWithout(local.up, through);
  await through.awake(true);
  await through.run('apply', '-f', manifests('idle', names(0, IDLE_CELLS)));
  const hundred = await idle(through.pid);
  await through.run('apply', '-f', manifests('more', names(IDLE_CELLS, CELLS)));
  const all = await idle(through.pid);
  // A failure of one is a failure of the command.
  const restart = await timed(() => through.run('rollout', 'restart', '-A'));
  return [
    commands,
    {
      title: 'kukeond when nothing happens',
      unit: 'MiB',
      rows: [
        { what: `memory (RSS), ${IDLE_CELLS} cells`, samples: [hundred.rss], most: 120 / 1.048576 },
        { what: `memory (RSS), ${CELLS} cells`, samples: [all.rss] },
        { what: `of one core, ${IDLE_CELLS} cells`, samples: [hundred.percent], unit: '%', most: 0.5 },
        { what: `of one core, ${CELLS} cells`, samples: [all.percent], unit: '%' },
        { what: `a sweep over ${CELLS} cells, of processor time`, samples: [all.sweep], unit: 'ms', most: 100 },
      ],
      notes: [
        `Over ${IDLE_MS / 1000} s, its sweeps included; of a sweep it is the upper bound that the whole processor time gives.`,
      ],
    },
    {
      title: `${CELLS} cells started anew by one \`kuke rollout restart\``,
      unit: 's',
      rows: [{ what: 'all of them, with no failure', samples: [restart / 1000] }],
    },
  ];
}

const names = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `n${from + index}`);

async function inTurnWithout(up: (pod: string) => Promise<void>, through: DaemonPeer): Promise<Table> {
  const file = manifests('one', ['one']);
  const steps: Record<string, { args: string[]; most?: number }> = {
    'a cell Ready': { args: ['apply', '-f', file], most: 0.9 },
    'get cells': { args: ['get', 'cells'], most: 1.2 },
    'apply, of what is there': { args: ['apply', '-f', file] },
    'a cell gone': { args: ['delete', 'cell', 'one', '--cascade'] },
  };
  const ways = [
    { name: 'without', run, awake: async () => {} },
    { name: 'through kukeond', run: through.run, awake: through.awake },
  ];
  await up('beside');
  const samples = new Map<string, number[]>();
  for (let round = 0; round <= ROUNDS; round++) {
    for (const way of round % 2 === 0 ? ways : ways.toReversed()) {
      await way.awake(true);
      for (const [what, { args }] of Object.entries(steps)) {
        const took = await timed(() => way.run(...args));
        const key = `${what}, ${way.name}`;
        if (round > 0) samples.set(key, [...(samples.get(key) ?? []), took]);
      }
      await way.awake(false);
    }
  }
  const rows = Object.entries(steps).flatMap(([what, { most }]): Row[] => [
    { what: `${what}, without`, samples: samples.get(`${what}, without`) ?? [] },
    {
      what: `${what}, through kukeond`,
      samples: samples.get(`${what}, through kukeond`) ?? [],
      ...(most !== undefined && { against: [{ what: `${what}, without`, most }] }),
    },
  ]);
  return { title: 'Commands through kukeond and without it', unit: 'ms', rows };
}

/** rss in MiB, of one core in per cent, of a sweep in ms. */
async function idle(pid: number): Promise<{ rss: number; percent: number; sweep: number }> {
  await Bun.sleep(SWEEP_MS); // what the change before it left to be done
  const before = processorMs(pid);
  const since = performance.now();
  await Bun.sleep(IDLE_MS);
  const took = performance.now() - since;
  const used = processorMs(pid) - before;
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const rss = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
  return { rss, percent: (used / took) * 100, sweep: used / Math.floor(took / SWEEP_MS) };
}

/** utime and stime, proc_pid_stat(5). */
function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
