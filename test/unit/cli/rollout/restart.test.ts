/** `rollout restart` of many cells: side by side, in the order of what each depends on, and one that fails keeps none of the others from it. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { KukeError } from '../../../../src/kernel/errors.ts';
import { cellYaml } from '../../kernel/kernel-on-fakes.ts';
import { type FakeKuke, readyKuke } from '../kuke-on-fakes.ts';

let on: FakeKuke;
beforeEach(async () => {
  on = await readyKuke();
  const after = cellYaml('b').replace('id: b,', 'id: b, dependsOn: [a],');
  const { status, stderr } = await on.kuke(
    'apply',
    '-f',
    on.file('cells.yaml', [after, ...['a', 'c', 'd'].map(name => cellYaml(name))].join('---')),
  );
  expect([status, stderr]).toEqual([0, '']);
});
afterEach(() => on.remove());

const told = (stdout: string) =>
  stdout.match(/^cell .*$/gm)?.map(line => line.replace('cell main/default/default/', ''));

test('as many at once as apply makes, each after those that it depends on', async () => {
  const [first, last] = [on.host.faults.pause('runtime.stop'), on.host.faults.pause('runtime.stop', { nth: 3 })];
  const before = on.host.calls.length;
  const restarting = on.kuke('rollout', 'restart', '--all');
  await Promise.all([first.reached, last.reached]);
  first.resume();
  last.resume();
  const { status, stdout } = await restarting;
  expect([status, told(stdout)]).toEqual([0, ['a restarted', 'b restarted', 'c restarted', 'd restarted']]);
  const calls = on.host.calls.slice(before).map(call => JSON.stringify(call));
  const place = (action: string, name: string) =>
    calls.findIndex(call => call.includes(`"${action}"`) && call.includes(`default_default_${name}_root`));
  expect(place('runtime.start', 'a')).toBeGreaterThan(place('runtime.stop', 'a'));
  expect(place('runtime.stop', 'b')).toBeGreaterThan(place('runtime.start', 'a'));
});

test('each that fails is told, with the exit code that apply has for it, and the others are restarted', async () => {
  for (const nth of [2, 3])
    on.host.faults.fail('runtime.start', new KukeError('RuntimeUnavailable', `no luck ${nth}`), { nth });
  const { status, stdout, stderr } = await on.kuke('rollout', 'restart', '--all');
  expect(status).toBe(5);
  expect(told(stdout)?.filter(line => line.endsWith('restarted'))).toHaveLength(2);
  expect(told(stdout)?.filter(line => line.endsWith('failed'))).toHaveLength(2);
  for (const nth of [2, 3]) expect(stderr).toContain(`no luck ${nth}`);
  const again = await on.kuke('rollout', 'restart', '--all');
  expect([again.status, told(again.stdout)?.every(line => line.endsWith('restarted'))]).toEqual([0, true]);
});
