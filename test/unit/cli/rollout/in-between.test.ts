/** `wait` and `rollout status` while another command restarts the cell: what it is in the middle of that is no answer. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { join } from 'node:path';
import { cellRef, cellYaml, kernelOnFakes } from '../../kernel/kernel-on-fakes.ts';
import { type FakeKuke, readyKuke } from '../kuke-on-fakes.ts';

let on: FakeKuke;
beforeEach(async () => {
  on = await readyKuke();
  await on.kuke('apply', '-f', on.file('web.yaml', cellYaml('web')));
});
afterEach(() => on.remove());

test.each([
  'wait web --for Failed --timeout 300ms',
  'rollout status web --timeout 300ms',
  'rollout status web --timeout 0',
])('%s', async line => {
  const other = await kernelOnFakes({ host: on.host, folder: join(on.runPath, '.kuke/journal') });
  const pause = on.host.faults.pause('runtime.clear');
  const restart = other.change(cellRef('web'), spec => spec, { verb: 'restart', stopTimeoutMs: 1000 });
  await pause.reached;
  expect(await on.kuke(...line.split(' '))).toMatchObject({ status: 6 });
  pause.resume();
  await restart;
  expect(await on.kuke('rollout', 'status', 'web', '--timeout', '0')).toMatchObject({
    status: 0,
    stdout: 'cell main/default/default/web is Ready\n',
  });
});

test('what has ended by itself is told at once', async () => {
  on.host.exit('kukeon-main', 'default_default_web_root', 1);
  expect(await on.kuke('wait', 'web', '--for', 'Failed', '--timeout', '0')).toMatchObject({ status: 0 });
  expect(await on.kuke('rollout', 'status', 'web', '--timeout', '0')).toMatchObject({ status: 1 });
});
