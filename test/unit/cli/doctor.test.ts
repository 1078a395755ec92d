/** What `kuke doctor` finds and puts right on a fake host, and the exit code that comes of it. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { exitCode } from '../../../src/cli/doctor.ts';
import { type FakeKuke, readyKuke } from './kuke-on-fakes.ts';

let fake: FakeKuke;
beforeEach(async () => {
  fake = await readyKuke();
});
afterEach(() => fake.remove());

const doctor = async (...flags: string[]) => {
  const { status, stdout } = await fake.kuke('doctor', '-o', 'json', ...flags);
  return { status, found: JSON.parse(stdout) };
};

test.each<[codes: [level: 'ok' | 'warning' | 'error', code: string, fixed?: boolean][], status: number]>([
  [[], 0],
  [[['ok', 'Rules']], 0],
  [[['warning', 'ControllerMissing']], 0],
  [[['error', 'OrphanNetns']], 1],
  [[['error', 'OrphanNetns', true]], 0],
  [[['error', 'OrphanNetns', false]], 1],
  [
    [
      ['error', 'MetadataCorrupt'],
      ['error', 'RuntimeUnavailable'],
    ],
    5,
  ],
  [[['error', 'HostNotReady']], 5],
])('%j: exit code %d', (codes, status) => {
  const found = codes.map(([level, code, fixed]) => ({
    level,
    code,
    what: '',
    fixable: false,
    ...(fixed !== undefined && { fixed }),
  }));
  expect(exitCode(found)).toBe(status);
});

test('a group of nobody is named, and taken away', async () => {
  fake.host.cgroups.set('/kukeon/main/gone', { ours: true });
  const finding = { level: 'error', code: 'OrphanCgroup', what: 'cgroup /kukeon/main/gone is of no resource' };
  const remedy = 'sudo kuke doctor --fix';
  expect(await doctor()).toEqual({ status: 1, found: [{ ...finding, remedy, fixable: true }] });
  expect(await doctor('--fix')).toEqual({ status: 0, found: [{ ...finding, remedy, fixable: true, fixed: true }] });
  expect(fake.host.cgroups.has('/kukeon/main/gone')).toBe(false);
  expect(await doctor('--fix')).toEqual({ status: 0, found: [] });
});

test('one that cannot be taken away is told with why', async () => {
  fake.host.cgroups.set('/kukeon/main/gone', { ours: true });
  fake.host.faults.fail('cgroup.remove', new Error('device or resource busy'), { nth: 'every' });
  const { status, found } = await doctor('--fix');
  expect(status).toBe(1);
  expect(found).toMatchObject([{ code: 'OrphanCgroup', fixed: false, what: expect.stringContaining('busy') }]);
});

test('a group of a resource that is gone comes back', async () => {
  fake.host.cgroups.delete('/kukeon/main/default/default');
  const { status, found } = await doctor();
  expect({ status, found }).toMatchObject({ status: 1, found: [{ code: 'NotAsApplied', fixable: true }] });
  expect((await fake.kuke('doctor', '--fix')).stdout).toStartWith(
    'fixed    stack main/default/default is not as it was',
  );
  expect(fake.host.cgroups.has('/kukeon/main/default/default')).toBe(true);
  expect((await doctor()).status).toBe(0);
});
