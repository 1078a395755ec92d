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

test.each([
  [['--reserve-memory', `${totalmem() + 1}`], 'of memory'],
  [['--reserve-memory', '100%'], 'of memory'],
  [['--reserve-cpu', `${cpus().length}`], `this host has ${cpus().length} CPUs`],
  [['--reserve-cpu=-1'], 'without a sign'],
  [['--reserve-memory', '1 gallon'], 'such as 1Gi or 10%'],
])('init %j is refused, and nothing is made', async (argv, why) => {
  const { status, stdout, stderr } = await init(...argv);
  expect([status, stdout]).toEqual([2, '']);
  expect(stderr).toContain(why);
  expect((await fake.kuke('get', 'realms', '-o', 'name')).stdout).toBe('');
});
