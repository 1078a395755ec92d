/** What `kuke doctor` finds and puts right on a fake host, and the exit code that comes of it. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { exitCode } from '../../../src/cli/doctor.ts';
import { cellYaml } from '../kernel/kernel-on-fakes.ts';
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

test.each([
  ['Realm', 'realm:main'],
  ['Space', 'space:main/default'],
  ['Stack', 'stack:main/default/default'],
])('below a %s whose manifest is gone nothing is taken for left over, and what runs there runs on', async (_, key) => {
  expect((await fake.kuke('apply', '-f', fake.file('web.yaml', cellYaml('web')))).status).toBe(0);
  const running = () =>
    [...(fake.host.runtime.namespaces.get('kukeon-main')?.containers.values() ?? [])].map(({ task }) => task?.state);
  const groups = [...fake.host.cgroups.keys()];
  fake.host.store.manifests.delete(key);
  const { found } = await doctor('--fix');
  expect(found.filter(({ fixed }: { fixed?: boolean }) => fixed === true)).toEqual([]);
  expect(running()).toEqual(['running']);
  expect([...fake.host.cgroups.keys()]).toEqual(groups);
});

test('what a file says does not steer the terminal', async () => {
  const ref = { kind: 'Realm', path: ['main'] };
  fake.host.store.spoilt.set('realm:main', { path: '/opt/kukeon/main/realm.yaml', ref, message: 'a\u001b[31mb' });
  const { stdout } = await fake.kuke('doctor');
  expect(stdout).toContain('a\\x1b[31mb');
});
