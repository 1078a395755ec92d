import { afterEach, beforeEach, expect, test } from 'bun:test';
import { cpus, totalmem } from 'node:os';
import { type FakeKuke, kukeOnFakes } from './kuke-on-fakes.ts';

let fake: FakeKuke;
beforeEach(() => {
  fake = kukeOnFakes();
});
afterEach(() => fake.remove());

const init = (...argv: string[]) => fake.kuke('init', ...argv);
const last = ({ stdout }: { stdout: string }) => stdout.trimEnd().split('\n').at(-1);

test('an init of what is there already leaves the limits that it has', async () => {
  await init();
  await fake.kuke('set', 'resources', 'space', 'default', '--pids', '100');
  expect((await init('--reserve-cpu', '0.5')).stdout).toContain('space main/default unchanged\n');
  expect((await fake.kuke('get', 'space', 'default', '-o', 'yaml')).stdout).toContain('limit: 100');
});

test('what is reserved is told; what is not named stays, and 0 lifts it', async () => {
  expect(last(await init('--reserve-memory', '64Mi', '--reserve-cpu', '0.5'))).toBe(
    'reserved for the host: 64Mi of memory, 0.5 CPUs',
  );
  expect((await init()).stdout).not.toContain('reserved');
  expect(last(await init('--reserve-memory', '0'))).toBe('reserved for the host: 0.5 CPUs');
  expect(last(await init('--reserve-cpu', '0'))).toBe('nothing of the host is reserved');
});

const findings = async () => JSON.parse((await fake.kuke('doctor', '-o', 'json')).stdout);
const shared = async () => JSON.parse((await fake.kuke('get', 'realm', 'main', '-o', 'json')).stdout).status;
const left = `${cpus().length - 0.5}`;

test('doctor and every realm show what is reserved', async () => {
  await init();
  expect(await findings()).toEqual([]);
  expect(await shared()).not.toHaveProperty('sharedResources');
  await init('--reserve-cpu', '0.5');
  expect(await findings()).toEqual([
    { level: 'ok', code: 'Reserved', what: 'reserved for the host: 0.5 CPUs', fixable: false },
  ]);
  expect((await shared()).sharedResources).toEqual([{ field: 'cpu.limit', value: left, from: 'kuke init' }]);
});

test('what is not enforced is told by each init, by doctor and by the realm', async () => {
  fake.host.controllers.delete('cpu');
  const warning = 'warning: --reserve-cpu is not enforced: no cgroup controller cpu\n';
  for (const argv of [['--reserve-cpu', '0.5'], ['--reserve-cpu', '0.5'], []])
    expect((await init(...argv)).stderr).toContain(warning);
  expect(await findings()).toContainEqual({
    level: 'warning',
    code: 'ReserveNotEnforced',
    fixable: false,
    what: `cpu.limit ${left} of all that kuke runs is not enforced: no cgroup controller cpu`,
  });
  expect((await shared()).sharedResources).toMatchObject([{ notEnforced: 'no cgroup controller cpu' }]);
});

test('what somebody wrote into the root by hand stays, and is told until another share is reserved', async () => {
  await init('--reserve-cpu', '0.5');
  fake.host.cgroups.get('/kukeon')?.values?.set('cpu.limit', 0.1);
  const what = `cpu.limit of all that kuke runs was set by hand: it is 0.1, and not ${left}`;
  for (const argv of [['--reserve-cpu', '0.5'], []])
    expect((await init(...argv)).stderr).toContain(`warning: ${what}; `);
  expect(await findings()).toContainEqual({
    level: 'warning',
    code: 'ReserveByHand',
    fixable: false,
    what,
    remedy: expect.stringContaining('/kukeon'),
  });
  expect((await shared()).sharedResources).toEqual([{ field: 'cpu.limit', value: '0.1', from: 'manual', asked: left }]);
  await init('--reserve-cpu', '0.25');
  expect(fake.host.cgroups.get('/kukeon')?.values?.get('cpu.limit')).toBe(cpus().length - 0.25);
  expect(await findings()).toEqual([
    { level: 'ok', code: 'Reserved', what: 'reserved for the host: 0.25 CPUs', fixable: false },
  ]);
});

test('what somebody wrote there where nothing is reserved is shown, and is no fault', async () => {
  await init();
  Object.assign(fake.host.cgroups.get('/kukeon') ?? {}, { values: new Map([['pids.limit', 500]]) });
  expect(await findings()).toEqual([
    {
      level: 'ok',
      code: 'ReserveByHand',
      fixable: false,
      what: 'pids.limit of all that kuke runs was set by hand: it is 500',
    },
  ]);
  expect((await shared()).sharedResources).toEqual([{ field: 'pids.limit', value: '500', from: 'manual' }]);
  expect((await init()).stderr).toBe('');
});

test('a file of what is reserved that somebody else has written is an error to doctor alone', async () => {
  await init();
  fake.host.store.files.set('reserve.json', '{"memory": "all"}');
  expect(await findings()).toMatchObject([{ level: 'error', remedy: expect.stringContaining('--reserve-memory') }]);
  expect((await shared()).state).toBe('Ready');
});

test.each([
  [['--reserve-memory', `${totalmem() + 1}`], 'of memory'],
  [['--reserve-memory', '100%'], 'of memory'],
  [['--reserve-cpu', `${cpus().length}`], `this host has ${cpus().length} CPUs`],
  [['--reserve-memory', '99.9999999%'], 'Ki, and 1Mi is the least'],
  [['--reserve-cpu', `${cpus().length - 0.001}`], 'kuke would have 0.001 of a CPU'],
  [['--reserve-cpu=-1'], 'without a minus'],
  [['--reserve-memory', '1 gallon'], 'such as 1Gi or 10%'],
])('init %j is refused, and nothing is made', async (argv, why) => {
  const { status, stdout, stderr } = await init(...argv);
  expect([status, stdout]).toEqual([2, '']);
  expect(stderr).toContain(why);
  expect((await fake.kuke('get', 'realms', '-o', 'name')).stdout).toBe('');
});
