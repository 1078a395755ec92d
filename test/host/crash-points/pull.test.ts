// containerd: once, since what a pull takes back it takes back by lease, and leases are tested on all.
/**
 * `kuke image pull`, killed (-9) before and after each of its requests to the registry, and at each change that it makes in containerd; and
 * called off (Ctrl-C) at each request. The next pull is whole, and what is called off leaves nothing.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type RegistryUnderTest, startRegistry } from '../../registry/docker-registry.ts';
import { eventually } from '../../suites/contract.ts';
import type { Containerd } from '../containerd.ts';
import { busybox, ociArchive } from '../image.ts';
import { kuke, type Ran, run, start } from '../kuke/kuke.ts';
import { warmHost } from '../kuke-faults/warm-host.ts';
import { difference, type Inventory } from '../observe/inventory.ts';
import { hostState } from './host-state.ts';
import { type Coverage, momentsOf, tell } from './moments.ts';

let containerd: Containerd;
let registry: RegistryUnderTest;
let proxy: Bun.Server<undefined>;
/** Before and after each request, in turn: 1, 2, ... */
let onMoment: (moment: number) => void = () => {};
let moments = 0;
let name: string;
let without: Inventory;
let withIt: Inventory;

beforeAll(async () => {
  [containerd, registry] = await Promise.all([warmHost(), startRegistry()]);
  await registry.pushArchive('web', '1', ociArchive({ name: 'web', layers: [busybox(), { a: 'a' }, { b: 'b' }] }));
  proxy = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch({ method, url, headers }) {
      onMoment(++moments);
      const { pathname, search } = new URL(url);
      const answer = await fetch(`http://${registry.host}${pathname}${search}`, { method, headers, proxy: false });
      const body = await answer.arrayBuffer();
      // By then it is on its way.
      setTimeout(() => onMoment(++moments), 2);
      return new Response(method === 'HEAD' ? null : body, { status: answer.status, headers: answer.headers });
    },
  });
  name = `127.0.0.1:${proxy.port}/web:1`;
  without = await hostState();
  await kuke('image', 'pull', name);
  withIt = await hostState();
  await removed();
});
afterAll(async () => {
  await proxy.stop(true);
  await registry[Symbol.asyncDispose]();
  await containerd.stop();
});

/** containerd collects what nobody refers to in its own time. */
async function removed(): Promise<void> {
  await kuke('image', 'rm', name);
  await eventually(async () => (difference(without, await hostState()).length === 0 ? true : undefined), 30_000);
}

/** Ends a pull by a signal at a moment; undefined: it was over before. */
async function ended(signal: NodeJS.Signals, moment: number): Promise<Ran | undefined> {
  moments = 0;
  const pull = start(['image', 'pull', name]);
  onMoment = now => {
    if (now === moment) pull.kill(signal);
  };
  const [stdout, stderr, status] = await Promise.all([pull.stdout.text(), pull.stderr.text(), pull.exited]);
  onMoment = () => {};
  return status === 0 ? undefined : { status: pull.signalCode === null ? status : null, stdout, stderr };
}

async function pullsAgain(what: object): Promise<void> {
  expect({ ...what, ...(await run(['image', 'pull', name])) }).toMatchObject({ ...what, status: 0 });
  expect({ ...what, different: difference(withIt, await hostState()) }).toEqual({ ...what, different: [] });
  await removed();
}

const covered: Coverage[] = [];

test('killed around its requests', async () => {
  const coverage = { name: 'pull, around its requests', killed: 0, last: 0 };
  for (const moment of momentsOf(0)) {
    const ran = await ended('SIGKILL', moment);
    if (ran === undefined) break;
    expect({ moment, ...ran }).toMatchObject({ moment, status: null });
    Object.assign(coverage, { killed: coverage.killed + 1, last: moment });
    await pullsAgain({ moment });
  }
  await removed();
  covered.push(coverage);
  expect(coverage.last).toBeGreaterThan(5);
});

/** Kills a pull when containerd has told of so many changes; false: there were fewer. */
async function killedAt(change: number): Promise<boolean> {
  const events = Bun.spawn(['ctr', '--namespace', 'kukeon-main', 'events'], { stdout: 'pipe' });
  const news = events.stdout.getReader();
  const pull = start(['image', 'pull', name]);
  let seen = 0;
  const counting = (async () => {
    for (let read = await news.read(); !read.done; read = await news.read()) {
      seen += new TextDecoder().decode(read.value).split('\n').length - 1;
      if (seen >= change) pull.kill('SIGKILL');
    }
  })();
  await pull.exited;
  events.kill();
  await counting;
  return pull.signalCode === 'SIGKILL';
}

test('killed at changes in containerd', async () => {
  const coverage = { name: 'pull, at changes in containerd', killed: 0, last: 0 };
  for (const change of momentsOf(0)) {
    if (!(await killedAt(change))) break;
    Object.assign(coverage, { killed: coverage.killed + 1, last: change });
    await pullsAgain({ change });
  }
  await removed();
  covered.push(coverage);
  tell(covered);
  expect(coverage.killed).toBeGreaterThan(0);
});

test('called off, it leaves nothing', async () => {
  for (const moment of momentsOf(1)) {
    const ran = await ended('SIGINT', moment);
    if (ran === undefined) break;
    // Null: it had not begun to listen for signals, nor anything else.
    expect([1, null]).toContain(ran.status);
    expect({ moment, left: difference(without, await hostState()) }).toEqual({ moment, left: [] });
  }
  await removed();
});
