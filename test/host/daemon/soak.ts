/**
 * scripts/soak: random changes, random deaths, and after each the host against a model of it. In a box; `SOAK_MINUTES`, `SOAK_SEED`.
 * The model: which cells there are, and whether each is to run. A step has ended well when every cell is so, the containers of containerd,
 * network namespaces, links and reservations of addresses are those of the cells, no more and no fewer, no plan is unfinished, and doctor finds nothing.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { containerdVersions } from '../../runner/plan.ts';
import { eventually } from '../../suites/contract.ts';
import { type Cell, cell, container } from '../kuke/cells.ts';
import { kuke, run, start } from '../kuke/kuke.ts';
import { leaks, type ReadyHost, readyHost, removeCells } from '../kuke/ready-host.ts';
import { output } from '../observe/command.ts';
import { links } from '../observe/network.ts';
import { chooseContainerd } from './containerd-version.ts';
import { fullDisk } from './full-disk.ts';
import { isNotKukeond, type Kukeond, startKukeond } from './kukeond.ts';
import { reboot } from './reboot.ts';

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
let version = '1.6';
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

interface Change {
  what: string;
  args: string[];
  stdin?: string;
  /** Of the model, once it is done. */
  done(): void;
}

const changes: Record<string, () => Change | undefined> = {
  apply() {
    const name = `n${random(CELLS)}`;
    const containers = 1 + random(3);
    // Of a cell that is stopped, an apply makes no containers.
    if (model.get(name)?.runs === false) return undefined;
    // Another value has them made anew.
    const env = [`TURN=${random(3)}`];
    const members = Array.from({ length: containers }, (_, index) =>
      container(`c${index}`, { restartPolicy: 'always', env }),
    );
    return {
      what: `apply ${name}, ${containers} containers, ${env}`,
      args: ['apply', '-f', '-'],
      stdin: JSON.stringify(cell(name, members)),
      done: () => model.set(name, { runs: true, containers, deaths: model.get(name)?.deaths ?? 0 }),
    };
  },
  delete() {
    const name = anyOf([...model.keys()]);
    if (name === undefined) return undefined;
    return {
      what: `delete ${name}`,
      args: ['delete', 'cell', name, '--cascade', '--ignore-not-found'],
      done: () => model.delete(name),
    };
  },
  stopOrStart() {
    const [name, modelled] = anyOf([...model]) ?? [];
    if (name === undefined || modelled === undefined) return undefined;
    const verb = modelled.runs ? 'stop' : 'start';
    return {
      what: `${verb} ${name}`,
      args: [verb, 'cell', name],
      done: () => model.set(name, { ...modelled, runs: !modelled.runs, deaths: 0 }),
    };
  },
  restart() {
    const [name, modelled] = anyOf([...model].filter(([, { runs }]) => runs)) ?? [];
    if (name === undefined || modelled === undefined) return undefined;
    const done = () => model.set(name, { ...modelled, deaths: 0 });
    return { what: `restart ${name}`, args: ['rollout', 'restart', name], done };
  },
};

const someChange = (): Change | undefined =>
  changes[model.size < 2 ? 'apply' : (anyOf(['apply', ...Object.keys(changes)]) ?? 'apply')]?.();
const options = ({ stdin }: Change) => (stdin === undefined ? {} : { stdin });

async function make(change: Change): Promise<void> {
  const { status, stdout, stderr } = await run(change.args, options(change));
  if (status !== 0) throw new Error(`${change.what}: exit code ${status}\n${stdout}${stderr}`);
  change.done();
}

/** Something happens in the middle of a command, which may fail for it; the same one again puts it right. */
async function during(disturb: () => Promise<void>, later = 400): Promise<string> {
  const change = someChange();
  const program = change && start(change.args, options(change));
  const after = random(later);
  await Bun.sleep(after);
  await disturb();
  const status = await program?.exited;
  if (change) await make(change);
  return `after ${after} ms of ${change?.what ?? 'nothing'}, which ended with ${status}`;
}

async function anew(): Promise<void> {
  await kukeond.kill();
  kukeond = await startKukeond();
}

async function die({ pids }: { pids: number[] } = { pids: [] }): Promise<void> {
  const pid = anyOf(pids);
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
}

const steps: Record<string, () => Promise<string>> = {
  async change() {
    const change = someChange();
    if (change) await make(change);
    return change?.what ?? 'nothing';
  },
  async killProcess() {
    const found = await victim();
    await die(found);
    return `of ${found?.name}`;
  },
  async killShim() {
    const { name, pids: [pid] = [] } = (await victim()) ?? {};
    const shim = pid === undefined ? 0 : shimOf(pid);
    if (shim > 1) process.kill(shim, 'SIGKILL');
    return `of ${name}`;
  },
  async killContainerd() {
    await host.containerd.kill();
    const found = random(2) === 0 ? await victim().catch(() => undefined) : undefined;
    await die(found);
    await host.containerd.start();
    return `and a process of ${found?.name}`;
  },
  /** Upwards: what a newer one has begun, an older one need not know. */
  async upgradeContainerd() {
    version = containerdVersions[containerdVersions.indexOf(version) + random(2)] ?? version;
    await host.containerd.stop();
    await chooseContainerd(version);
    await host.containerd.start();
    return `to ${version}`;
  },
  async killKukeond() {
    const found = await victim();
    await die(found);
    await Bun.sleep(random(300));
    await anew();
    return `while it started ${found?.name} again`;
  },
  killKukeondAtWork: () => during(anew),
  killContainerdAtWork: () =>
    during(async () => {
      await host.containerd.kill();
      await host.containerd.start();
    }),
  async killClient() {
    const change = someChange();
    if (change === undefined) return 'nothing';
    const client = start(change.args, options(change));
    await Bun.sleep(random(300));
    client.kill('SIGKILL');
    await client.exited;
    await make(change);
    return change.what;
  },
  async reboot() {
    await kukeond.kill();
    await reboot(host.containerd);
    kukeond = await startKukeond();
    return 'all';
  },
  async fullDisk() {
    const found = await victim();
    await fullDisk(async () => {
      await die(found);
      const change = someChange();
      if (change && (await run(change.args, options(change))).status === 0) change.done();
      await Bun.sleep(random(1000));
    });
    return `while a process of ${found?.name} was killed`;
  },
  async takeAway() {
    const [veth] = (await links()).filter(({ ifname }) => /^veth/.test(ifname));
    const what = anyOf(['rules', 'link']);
    if (what === 'rules') await output('nft', 'flush', 'ruleset');
    else if (veth) await output('ip', 'link', 'del', veth.ifname);
    return what ?? '';
  },
  async second() {
    expect((await run(['daemon', 'serve'])).status).toBe(5);
    return 'refused';
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
  const running = [...model.values()].filter(({ runs }) => runs).length;
  const total = [...model.values()].reduce((sum, { containers }) => sum + containers, 0);
  const listed = (await output('ctr', '-n', 'kukeon-main', 'containers', 'ls', '-q')).split('\n').filter(Boolean);
  const counted = {
    'containers in containerd': [listed.length, total],
    'network namespaces': [namesIn('/run/netns', /^kuke-/), running],
    links: [(await links()).filter(({ ifname }) => /^veth/.test(ifname)).length, running],
    addresses: [namesIn('/var/lib/cni/networks/main-default', /^10\./), running],
    'unfinished plans': [namesIn('/opt/kukeon/.kuke/journal', /./), 0],
  };
  for (const [what, [count, wanted]] of Object.entries(counted))
    if (count !== wanted) found.push(`${count} ${what}, not ${wanted}`);
  if (found.length > 0) return found;
  const { status, stdout } = await run(['doctor']);
  return status === 0 ? [] : [stdout];
}

function namesIn(folder: string, which: RegExp): number {
  try {
    return readdirSync(folder).filter(name => which.test(name)).length;
  } catch {
    return 0;
  }
}

beforeAll(async () => {
  await chooseContainerd(version);
  host = await readyHost();
  process.env.KUKE_NO_DAEMON = '0';
  kukeond = await startKukeond();
});

afterAll(async () => {
  await kukeond.kill();
  await host.containerd.stop();
});

test(
  `soak, seed ${seed}`,
  async () => {
    const end = performance.now() + minutes * 60_000;
    let count = 0;
    for (; performance.now() < end; count++) {
      const name =
        model.size < 2 ? 'change' : (anyOf(['change', 'change', 'change', ...Object.keys(steps)]) ?? 'change');
      // Half of the commands do their own work.
      process.env.KUKE_NO_DAEMON = String(random(2));
      const what = await steps[name]?.();
      console.log(`${count} ${name}: ${what}`);
      let last: string[] = [];
      await eventually(async () => {
        last = await differences();
        return last.length === 0 ? true : undefined;
      }, PATIENCE_MS).catch(() => expect(last).toEqual([]));
    }
    console.log(`${count} steps; kukeond has ${Math.round(kukeond.resident())} MiB`);
    await removeCells();
    expect((await leaks(host.before)).filter(isNotKukeond)).toEqual([]);
  },
  (minutes + 5) * 60_000,
);
