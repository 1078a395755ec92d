/**
 * scripts/soak: random changes, random deaths, and after each the host against a model of it. In a box; `SOAK_MINUTES`, `SOAK_SEED`.
 * The model: which cells there are, and whether each is to run. A step has ended well when every cell is so, and the containerd containers,
 * network namespaces and attachments are those of the cells, no more and no fewer.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { eventually } from '../../suites/contract.ts';
import { type Cell, cell, container } from '../kuke/cells.ts';
import { apply, kuke } from '../kuke/kuke.ts';
import { leaks, type ReadyHost, readyHost, removeCells } from '../kuke/ready-host.ts';
import { output } from '../observe/command.ts';
import { isNotKukeond, type Kukeond, startKukeond } from './kukeond.ts';

const minutes = Number(process.env.SOAK_MINUTES) || 1;
const seed = Number(process.env.SOAK_SEED) || Date.now() % 1_000_000;
const CELLS = 6;
/** Pauses before restarts grow, and after so many deaths in a row a cell is left in peace until it is started again by hand. */
const DEATHS = 3;
const PATIENCE_MS = 60_000;

let host: ReadyHost;
let kukeond: Kukeond;

interface Modelled {
  runs: boolean;
  containers: number;
  deaths: number;
}
const model = new Map<string, Modelled>();

let state = seed;
/** mulberry32. */
function random(below: number): number {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % below;
}
const anyOf = <T>(list: readonly T[]): T | undefined => list[random(list.length)];

async function cells(): Promise<Cell[]> {
  const { items } = JSON.parse(await kuke('get', 'cells', '-o', 'json')) as { items: Cell[] };
  return items;
}

const shimOf = (pid: number): number =>
  Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);

/** A cell that may die once more, with the pids of what runs in it. */
async function victim(): Promise<{ name: string; pids: number[] } | undefined> {
  const willing = [...model].filter(([, { runs, deaths }]) => runs && deaths < DEATHS);
  const [name] = anyOf(willing) ?? [];
  if (name === undefined) return undefined;
  const there = (await cells()).find(({ metadata }) => metadata.name === name);
  const pids = (there?.status.containers ?? []).flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  const modelled = model.get(name);
  if (modelled) modelled.deaths++;
  return { name, pids };
}

const steps: Record<string, () => Promise<string>> = {
  async apply() {
    const name = `n${random(CELLS)}`;
    const containers = 1 + random(3);
    // Of a cell that is stopped, an apply makes no containers.
    if (model.get(name)?.runs === false) return `${name} is stopped`;
    const runs = true;
    const members = Array.from({ length: containers }, (_, index) =>
      container(`c${index}`, { restartPolicy: 'always' }),
    );
    await apply(cell(name, members));
    model.set(name, { runs, containers, deaths: model.get(name)?.deaths ?? 0 });
    return `${name}, ${containers} containers`;
  },
  async delete() {
    const name = anyOf([...model.keys()]);
    if (name === undefined) return 'nothing';
    await kuke('delete', 'cell', name, '--cascade');
    model.delete(name);
    return name;
  },
  async stopOrStart() {
    const name = anyOf([...model.keys()]);
    const modelled = model.get(name ?? '');
    if (name === undefined || modelled === undefined) return 'nothing';
    await kuke(modelled.runs ? 'stop' : 'start', 'cell', name);
    model.set(name, { ...modelled, runs: !modelled.runs, deaths: 0 });
    return `${name}, ${modelled.runs ? 'stopped' : 'started'}`;
  },
  async killProcess() {
    const { name, pids = [] } = (await victim()) ?? {};
    const pid = anyOf(pids);
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    return `${name} ${pid}`;
  },
  async killShim() {
    const { name, pids: [pid] = [] } = (await victim()) ?? {};
    const shim = pid === undefined ? 0 : shimOf(pid);
    if (shim > 1) process.kill(shim, 'SIGKILL');
    return `${name} ${shim}`;
  },
  async killContainerd() {
    await host.containerd.kill();
    await host.containerd.start();
    return 'killed and started';
  },
  async killSupervisor() {
    await kukeond.kill();
    kukeond = await startKukeond();
    return 'killed and started';
  },
  async killSupervisorAtWork() {
    const { name, pids: [pid] = [] } = (await victim()) ?? {};
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    await Bun.sleep(random(200));
    await kukeond.kill();
    kukeond = await startKukeond();
    return `${name} ${pid}`;
  },
};

/** What is not as the model has it; none: all is. */
async function differences(): Promise<string[]> {
  const seen = new Map((await cells()).map(one => [one.metadata.name, one]));
  const found: string[] = [];
  for (const [name, { runs, containers }] of model) {
    const { status } = seen.get(name) ?? {};
    const wanted = runs ? 'Ready' : 'Stopped';
    if (status?.state !== wanted) found.push(`${name} is ${status?.state} ${status?.reason ?? ''}, not ${wanted}`);
    if (status && status.containers.length !== containers)
      found.push(`${name} has ${status.containers.length} containers`);
    if (status && status.attachments.length !== (runs ? 1 : 0))
      found.push(`${name} has ${status.attachments.length} attachments`);
  }
  for (const name of seen.keys()) if (!model.has(name)) found.push(`${name} is there`);
  const running = [...model.values()].filter(({ runs }) => runs);
  const total = [...model.values()].reduce((sum, { containers }) => sum + containers, 0);
  const listed = (await output('ctr', '-n', 'kukeon-main', 'containers', 'ls', '-q'))
    .split('\n')
    .filter(Boolean).length;
  if (listed !== total) found.push(`${listed} containers in containerd, not ${total}`);
  const names = readdirSync('/run/netns').filter(name => name.startsWith('kuke-')).length;
  if (names !== running.length) found.push(`${names} network namespaces, not ${running.length}`);
  return found;
}

beforeAll(async () => {
  host = await readyHost();
  kukeond = await startKukeond();
});

afterAll(async () => {
  await kukeond.kill();
  await host.containerd.stop();
});

test(
  `soak, seed ${seed}`,
  async () => {
    const end = Date.now() + minutes * 60_000;
    let count = 0;
    for (; Date.now() < end; count++) {
      const name = anyOf(Object.keys(steps)) ?? 'apply';
      const what = await steps[name]?.();
      console.log(`${count} ${name}: ${what}`);
      let last: string[] = [];
      await eventually(async () => {
        last = await differences();
        return last.length === 0 ? true : undefined;
      }, PATIENCE_MS).catch(() => expect(last).toEqual([]));
    }
    console.log(`${count} steps`);
    await removeCells();
    expect((await leaks(host.before)).filter(isNotKukeond)).toEqual([]);
  },
  (minutes + 5) * 60_000,
);
