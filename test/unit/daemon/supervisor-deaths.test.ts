/** Whose end is told as a death, on the fakes, which tell of nothing: each look is a sweep that is asked for. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { type Supervisor, type SupervisorEvent, startSupervisor } from '../../../src/daemon/supervisor/index.ts';
import { makeJournal } from '../../../src/kernel/journal.ts';
import { publish } from '../../fakes/index.ts';
import { eventually } from '../../suites/contract.ts';
import { cellRef, cellYaml, kernelOnFakes, type TestKernel } from '../kernel/kernel-on-fakes.ts';

let kuke: TestKernel;
let over: AbortController;
let events: SupervisorEvent[];
let supervisor: Supervisor;

beforeEach(async () => {
  kuke = await kernelOnFakes();
  await kuke.init();
  publish(kuke.host, { name: 'busybox', cmd: ['sleep', '1000'] });
  over = new AbortController();
  events = [];
});

afterEach(async () => {
  over.abort();
  await supervisor.ended;
});

/** `web` comes back, `once` does not. */
async function begin(): Promise<void> {
  const containers = (policy: string) =>
    `[{ id: main, image: busybox, restartPolicy: ${policy} }, { id: side, image: busybox }]`;
  await kuke.apply([cellYaml('web', containers('always')), cellYaml('once', containers('never'))].join('---'));
  const { kernel } = kuke;
  supervisor = await startSupervisor({
    openKernel: async () => kernel,
    journal: makeJournal(kernel.settings.runPath),
    engine: { lockTimeoutMs: 5000, progress: () => {}, notice: () => {} },
    signal: over.signal,
    onChange: event => void events.push(event),
  });
}

const said = (name: string) =>
  events.filter(({ ref }) => ref.path.at(-1) === name).map(({ what, members }) => [what, ...members].join(' '));

const start = { verb: 'start', stopTimeoutMs: undefined } as const;
const stop = { verb: 'stop', stopTimeoutMs: 1000 } as const;
const restart = { verb: 'restart', stopTimeoutMs: 1000 } as const;

test('a root that dies at once after a start is, whatever its policy; what is stopped for that is not', async () => {
  await begin();
  for (const name of ['web', 'once']) {
    await kuke.change(cellRef(name), spec => ({ ...spec, desiredState: 'stopped' }), stop);
    await kuke.change(cellRef(name), spec => ({ ...spec, desiredState: 'running' }), start);
    kuke.host.exit('kukeon-main', `default_default_${name}_root`, 1);
  }
  await eventually(async () => {
    await supervisor.sweep();
    return said('web').length > 1 && said('once').length > 1 ? true : undefined;
  });
  await supervisor.sweep();
  expect([said('web'), said('once')]).toEqual([
    ['died main', 'restarted main'],
    ['died main', 'settled'],
  ]);
  expect(events.find(({ what }) => what === 'settled')?.message).toMatch(/^it has ended: .*network\.detach/);
});

test.each([
  ['is restarted', 'runtime.clear', () => kuke.change(cellRef('web'), spec => spec, restart)],
  ['is deleted', 'runtime.remove', () => kuke.remove([cellRef('web')])],
] as const)('what a command has stopped is none, however it is looked at: one that %s', async (_, step, work) => {
  await begin();
  const pause = kuke.host.faults.pause(step);
  const working = work();
  await pause.reached;
  await supervisor.sweep();
  pause.resume();
  await working;
  await supervisor.sweep();
  await eventually(async () => (kuke.host.store.holder === undefined ? true : undefined));
  expect(said('web')).toEqual([]);
});
