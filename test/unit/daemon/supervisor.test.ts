/** The whole supervisor on the fakes, which tell of nothing: each look is a sweep that is asked for. */
import { afterEach, beforeEach, describe, expect, setSystemTime, test } from 'bun:test';
import { type Supervisor, type SupervisorEvent, startSupervisor } from '../../../src/daemon/supervisor/index.ts';
import { KukeError } from '../../../src/kernel/errors.ts';
import { makeJournal } from '../../../src/kernel/journal.ts';
import { addImage } from '../../fakes/index.ts';
import { eventually } from '../../suites/contract.ts';
import { cellRef, cellYaml, kernelOnFakes, type TestKernel } from '../kernel/kernel-on-fakes.ts';

let kuke: TestKernel;
let over: AbortController;
let events: SupervisorEvent[];
let supervisor: Supervisor;

beforeEach(async () => {
  kuke = await kernelOnFakes();
  await kuke.init();
  const namespace = kuke.host.runtime.namespaces.get('kukeon-main');
  if (namespace === undefined) throw new Error('no namespace');
  addImage(namespace, { name: 'busybox', cmd: ['sleep', '1000'] });
  over = new AbortController();
  events = [];
});

afterEach(async () => {
  over.abort();
  await supervisor.ended;
});

async function begin(on = kuke): Promise<void> {
  const { kernel } = on;
  supervisor = await startSupervisor({
    openKernel: async () => kernel,
    journal: makeJournal(kernel.settings.runPath),
    engine: { lockTimeoutMs: 5000, progress: () => {}, notice: message => void on.notices.push(message) },
    signal: over.signal,
    onChange: event => void events.push(event),
  });
}

const ROOT = 'default_default_web_root';
const statusOf = async (name: string) => (await kuke.get('Cell', 'main', 'default', 'default', name)).manifest.status;
const said = () => events.map(({ what, ref, members }) => [what, ref.path.at(-1), ...members].join(' '));

async function until(what: string): Promise<void> {
  await eventually(async () => {
    await supervisor.sweep();
    return said().includes(what) ? true : undefined;
  });
}

/** By the supervisor, or with the session of another change. */
const settled = (name: string, as = 'Stopped') =>
  eventually(async () => {
    await supervisor.sweep();
    const { state, attachments } = (await statusOf(name)) ?? {};
    return state === as && Array.isArray(attachments) && attachments.length === 0 ? true : undefined;
  });

const containers = (policy: string, more = '') =>
  `[{ id: main, image: busybox, restartPolicy: ${policy}${more} }, { id: side, image: busybox }]`;

test('who starts by hand what has used up its retries begins anew, and the next supervisor knows', async () => {
  await kuke.apply(cellYaml('web', containers('always', ', restartMaxRetries: 1')));
  await begin();
  kuke.host.exit('kukeon-main', ROOT, 1);
  await until('restarted web main');
  kuke.host.exit('kukeon-main', ROOT, 1);
  await settled('web', 'Failed');
  expect(await statusOf('web')).toMatchObject({
    message: expect.stringContaining('its restarts (`restartMaxRetries`) are used up'),
    containers: [{ id: 'main', exitCode: 1, reason: 'RestartLimitReached' }, { id: 'side' }],
  });
  const start = { verb: 'start', stopTimeoutMs: undefined } as const;
  await kuke.change(cellRef('web'), spec => ({ ...spec, desiredState: 'running' }), start);
  await eventually(async () => {
    await supervisor.sweep();
    const [main] = ((await statusOf('web'))?.containers ?? []) as { retries?: number; restarts: number }[];
    return main?.retries === undefined && main?.restarts === 1 ? true : undefined;
  });
});

describe('an end that starts nothing again', () => {
  const stored = () => kuke.host.store.manifests.get('cell:main/default/default/web')?.manifest.status;
  const writes = () => kuke.host.calls.filter(({ action }) => action === 'store.write').length;

  test('is stored, once', async () => {
    await kuke.apply(cellYaml('web', containers('never')));
    await begin();
    kuke.host.exit('kukeon-main', 'default_default_web_side', 3);
    await eventually(async () => {
      await supervisor.sweep();
      return stored()?.state === 'Degraded' ? true : undefined;
    });
    expect(stored()).toMatchObject({ containers: [{ state: 'Running' }, { state: 'Exited', exitCode: 3 }] });
    const before = writes();
    await supervisor.sweep();
    await supervisor.sweep();
    expect(writes()).toBe(before);
  });

  test('that a command has stored is left at that', async () => {
    await kuke.apply(cellYaml('web', containers('always')));
    await begin();
    await kuke.change(cellRef('web'), spec => ({ ...spec, desiredState: 'stopped' }), {
      verb: 'stop',
      stopTimeoutMs: 1000,
    });
    expect(stored()?.state).toBe('Stopped');
    const before = writes();
    await supervisor.sweep();
    await supervisor.sweep();
    expect(writes()).toBe(before);
  });
});

describe('a root that has ended', () => {
  test('is started again in the network that it had, and how it ended is known, with whose limit was hit', async () => {
    await kuke.apply(cellYaml('web', containers('on-failure', ', resources: { memory: { limit: 64Mi } }')));
    const before = await statusOf('web');
    await begin();
    kuke.host.oomKill('kukeon-main', ROOT, '/kukeon/main/default/default/web/web_root');
    await until('restarted web main');
    const status = await eventually(async () => {
      // It is told before it is stored.
      const now = await statusOf('web');
      const [main] = (now?.containers ?? []) as { restarts: number }[];
      return now?.state === 'Ready' && main?.restarts === 1 ? now : undefined;
    });
    expect(status).toMatchObject({
      attachments: before?.attachments,
      containers: [
        {
          restarts: 1,
          retries: 1,
          lastTermination: {
            exitCode: 137,
            reason: 'OOMKilled',
            message: expect.stringContaining('its own limit (64Mi) was hit'),
          },
        },
        { restarts: 0 },
      ],
    });
  });

  test('is told of before it is started again, however short its life was; not when a person has stopped it', async () => {
    await kuke.apply(cellYaml('web', containers('always')));
    kuke.host.oomKill('kukeon-main', ROOT, '/kukeon/main/default/default/web/web_root');
    await begin();
    await until('restarted web main');
    expect(said()).toEqual(['killed web main', 'restarted web main']);
    events = [];
    await kuke.change(cellRef('web'), spec => ({ ...spec, desiredState: 'stopped' }), {
      verb: 'stop',
      stopTimeoutMs: 1000,
    });
    await settled('web');
    expect(said()).toEqual([]);
  });

  test('that a limit keeps from being started again says so, until it is', async () => {
    const side = '{ id: side, image: busybox, restartPolicy: always, resources: { pids: { limit: 1 } } }';
    await kuke.apply(cellYaml('web', `[{ id: main, image: busybox }, ${side}]`));
    kuke.host.limitHit = { path: '/kukeon/main/default/default/web/side', field: 'pids.limit' };
    kuke.host.faults.fail('runtime.start', new KukeError('RuntimeFailed', 'EOF'));
    kuke.host.exit('kukeon-main', 'default_default_web_side', 1);
    await begin();
    await until('failed web side');
    // It is told before it is stored.
    const stored = (failure: boolean) =>
      eventually(async () => {
        const status = await statusOf('web');
        return (status?.lastFailure !== undefined) === failure ? status : undefined;
      });
    const message = 'spec.containers[side].resources.pids.limit (1) is too low to start it: EOF';
    expect(await stored(true)).toMatchObject({
      state: 'Degraded',
      message: expect.stringContaining(message),
      lastFailure: { reason: 'LimitTooLow', message },
    });
    await until('restarted web side');
    expect(await stored(false)).toMatchObject({ state: 'Ready' });
  });

  test('is started again without a limit that the host lacks, which is told once', async () => {
    kuke.host.controllers.delete('pids');
    await kuke.apply(cellYaml('web', containers('always', ', resources: { pids: { limit: 10 } }')));
    await begin();
    for (let round = 1; round <= 2; round++) {
      kuke.host.exit('kukeon-main', ROOT, 1);
      await eventually(async () => {
        await supervisor.sweep();
        return said().filter(line => line === 'restarted web main').length === round ? true : undefined;
      });
    }
    expect(kuke.notices.filter(text => text.includes('pids'))).toEqual([
      'cell main/default/default/web: spec.containers[main].resources.pids.limit is not enforced: no cgroup controller pids',
    ]);
  });

  test('is left alone by a command meanwhile, with its network and the others', async () => {
    await kuke.apply(cellYaml('web', containers('always')));
    kuke.host.exit('kukeon-main', ROOT, 1);
    await kuke.apply(cellYaml('other'));
    expect(await statusOf('web')).toMatchObject({
      state: 'Failed',
      reason: 'Restarting',
      attachments: [{ interface: 'eth0' }],
      containers: [{ state: 'Exited' }, { state: 'Running' }],
    });
    await begin();
    await until('restarted web main');
  });

  test('for good takes its network along, and is deleted where it says so', async () => {
    await kuke.apply(cellYaml('web', containers('on-failure')));
    await kuke.apply(
      cellYaml('gone', '[{ id: main, image: busybox }]').replace('id: gone,', 'id: gone, autoDelete: true,'),
    );
    await begin();
    kuke.host.exit('kukeon-main', ROOT, 0);
    kuke.host.exit('kukeon-main', 'default_default_gone_root', 0);
    await until('deleted gone');
    await settled('web');
    expect(kuke.host.inventory().filter(line => line.includes('gone'))).toEqual([]);
  });
});

test('after a reboot what was to run does, in order, and not what was stopped', async () => {
  const depends = (name: string, on: string) =>
    cellYaml(name).replace(`id: ${name},`, `id: ${name}, dependsOn: [${on}],`);
  await kuke.apply([depends('b', 'a'), cellYaml('a'), cellYaml('off')].join('---'));
  await kuke.change(cellRef('off'), spec => ({ ...spec, desiredState: 'stopped' }), {
    verb: 'stop',
    stopTimeoutMs: undefined,
  });
  kuke.host.reboot();
  kuke = await kuke.another();
  await begin(kuke);
  await until('started b');
  expect(said().filter(line => line.startsWith('started'))).toEqual(['started a', 'started b']);
  expect(await statusOf('off')).toMatchObject({ state: 'Stopped' });
});

test('after a reboot one that ran on without what it depends on does so again: that has ended by itself, was stopped, or was deleted', async () => {
  const depends = (name: string, on: string) =>
    cellYaml(name).replace(`id: ${name},`, `id: ${name}, dependsOn: [${on}],`);
  await kuke.apply([cellYaml('job'), cellYaml('off'), cellYaml('gone')].join('---'));
  await kuke.apply(
    [depends('b', '{ id: job, condition: healthy }'), depends('c', 'off'), depends('d', 'gone')].join('---'),
  );
  kuke.host.exit('kukeon-main', 'default_default_job_root', 0);
  await kuke.change(cellRef('off'), spec => ({ ...spec, desiredState: 'stopped' }), {
    verb: 'stop',
    stopTimeoutMs: undefined,
  });
  await kuke.remove([cellRef('gone')]);
  await begin();
  await settled('job');
  over.abort();
  await supervisor.ended;
  over = new AbortController();
  kuke.host.reboot();
  kuke = await kuke.another();
  await begin(kuke);
  for (const name of ['b', 'c', 'd']) await until(`started ${name}`);
  expect(await statusOf('job')).toMatchObject({ state: 'Stopped', reason: 'Completed' });
  expect(await statusOf('off')).toMatchObject({ state: 'Stopped' });
});

/** Somebody moves the clock of the host. */
const moveClock = (hours: number): void => void setSystemTime(new Date(Date.now() + hours * 3_600_000));

describe('a clock that is moved', () => {
  afterEach(() => void setSystemTime());

  async function afterReboot(): Promise<void> {
    over.abort();
    await supervisor.ended;
    kuke.host.reboot();
    kuke = await kuke.another();
    over = new AbortController();
    events = [];
    await begin(kuke);
  }

  test('back, in a life: what has ended then is not started again after a reboot', async () => {
    await kuke.apply(cellYaml('web', containers('never')));
    await begin();
    moveClock(-10);
    kuke.host.exit('kukeon-main', ROOT, 0);
    await settled('web');
    await afterReboot();
    await supervisor.sweep();
    expect(said().filter(line => line.startsWith('started'))).toEqual([]);
    expect(await statusOf('web')).toMatchObject({ state: 'Stopped' });
  });

  test('back, after a life: what has run since is started again after a reboot', async () => {
    await kuke.apply(cellYaml('web', containers('never')));
    await begin();
    moveClock(10);
    kuke.host.exit('kukeon-main', ROOT, 0);
    await settled('web');
    moveClock(-10);
    await kuke.change(cellRef('web'), spec => spec, { verb: 'start', stopTimeoutMs: undefined });
    await afterReboot();
    await until('started web');
  });
});

interface Known {
  id: string;
  state: string;
  reason?: string;
  restarts: number;
}

describe('what waits for others after a reboot', () => {
  const rebooted = async () => {
    kuke.host.reboot();
    kuke = await kuke.another();
    await begin(kuke);
  };
  const stateOf = async (name: string) =>
    Object.fromEntries(
      (((await statusOf(name))?.containers ?? []) as Known[]).map(({ id, state, reason, restarts }) => [
        id,
        [state, restarts, ...(reason ? [reason] : [])].join(' '),
      ]),
    );

  test('in its cell has its turn once they are as it says, also for the next kukeond; nobody waits for the lock meanwhile', async () => {
    const job = '{ id: job, image: busybox }';
    const app = '{ id: app, image: busybox, dependsOn: [{ id: job, condition: completed }] }';
    const last = '{ id: last, image: busybox, dependsOn: [app] }';
    const applying = kuke.apply(cellYaml('web', `[{ id: main, image: busybox }, ${job}, ${app}, ${last}]`));
    await eventually(
      async () => kuke.host.runtime.namespaces.get('kukeon-main')?.containers.get('default_default_web_job')?.task,
    );
    kuke.host.exit('kukeon-main', 'default_default_web_job', 0);
    await applying;
    expect(await stateOf('web')).toMatchObject({ app: 'Running 0', last: 'Running 0' });
    await rebooted();
    await until('started web');
    expect(await kuke.apply(cellYaml('other'))).toMatchObject([{ result: 'created' }]);
    const waits = { main: 'Running 0', job: 'Running 0', app: 'Exited 0 Waiting', last: 'Exited 0 Waiting' };
    expect(await stateOf('web')).toEqual(waits);
    over.abort();
    await supervisor.ended;
    over = new AbortController();
    await begin(kuke);
    await supervisor.sweep();
    expect(await stateOf('web')).toEqual(waits);
    kuke.host.exit('kukeon-main', 'default_default_web_job', 0);
    await until('started web last');
    expect(await stateOf('web')).toMatchObject({ job: 'Exited 0', app: 'Running 0', last: 'Running 0' });
    expect(said().filter(line => line.startsWith('restarted'))).toEqual([]);
  });

  test('of its stack, too', async () => {
    await kuke.apply(cellYaml('a'));
    const after = cellYaml('b').replace('id: b,', 'id: b, dependsOn: [{ id: a, condition: completed }],');
    const applying = kuke.apply(after);
    // The lock is to be had while it waits.
    expect(await kuke.apply(cellYaml('other'))).toMatchObject([{ result: 'created' }]);
    kuke.host.exit('kukeon-main', 'default_default_a_root', 0);
    expect(await applying).toMatchObject([{ result: 'created' }]);
    await kuke.change(cellRef('a'), spec => spec, { verb: 'start', stopTimeoutMs: undefined });
    await rebooted();
    await until('started a');
    await supervisor.sweep();
    expect(await kuke.apply(cellYaml('other', '[{ id: web, image: busybox, env: [A=1] }]'))).toMatchObject([
      { result: 'updated' },
    ]);
    expect(await stateOf('b')).toMatchObject({ web: 'Exited 0' });
    kuke.host.exit('kukeon-main', 'default_default_a_root', 0);
    await until('started b');
  });
});

test('rules, bridges and links that somebody has taken away come back with the next sweep, with the same address', async () => {
  await kuke.apply(cellYaml('web'));
  const before = await statusOf('web');
  await begin();
  const network = () => kuke.host.networks.get('main-default') ?? { enforced: undefined };
  Object.assign(network(), { enforced: false });
  await until('settled default');
  expect(events.find(({ what }) => what === 'settled')?.message).toBe('put right: network.define');
  expect(network().enforced).toBe(true);
  for (const one of kuke.host.attachments.values()) one.isCut = true;
  expect(await statusOf('web')).toMatchObject({ state: 'Degraded', reason: 'NetworkMissing' });
  await until('settled web');
  const after = await statusOf('web');
  const addresses = (status: typeof after) =>
    ((status?.attachments ?? []) as { addresses: string[] }[]).map(one => one.addresses);
  expect(after?.state).toBe('Ready');
  expect(addresses(after)).toEqual(addresses(before));
});

test('its end waits for what a sweep has begun to put right', async () => {
  await begin();
  const network = kuke.host.networks.get('main-default');
  if (network === undefined) throw new Error('no network');
  network.enforced = false;
  const begun = kuke.host.faults.pause('network.define', { after: true });
  void supervisor.sweep();
  await begun.reached;
  let hasEnded = false;
  void supervisor.ended.then(() => (hasEnded = true));
  over.abort();
  await Bun.sleep(20);
  expect(hasEnded).toBe(false);
  begun.resume();
  await supervisor.ended;
  expect(kuke.host.store.holder).toBeUndefined();
});

test('a cell that is made while all are read is kept as the others are', async () => {
  const store = await kuke.kernel.use('store');
  let tell = () => {};
  store.watch = async changed => {
    tell = changed;
  };
  await begin();
  const { list } = store;
  const held = Promise.withResolvers<void>();
  const isRead = Promise.withResolvers<void>();
  store.list = async only => {
    const listed = await list(only);
    isRead.resolve();
    await held.promise;
    return listed;
  };
  tell();
  await isRead.promise;
  store.list = list;
  await (await kuke.another()).apply(cellYaml('web', containers('always')));
  tell();
  held.resolve();
  kuke.host.exit('kukeon-main', ROOT, 1);
  await until('restarted web main');
});
