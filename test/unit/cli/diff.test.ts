import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { cellYaml } from '../kernel/kernel-on-fakes.ts';
import { type FakeKuke, readyKuke } from './kuke-on-fakes.ts';

let fake: FakeKuke;
beforeEach(async () => {
  fake = await readyKuke();
});
afterEach(() => fake.remove());

const WEB = 'cell main/default/default/web';
const cell = (name: string, fields: string) =>
  fake.file(`${name}.yaml`, cellYaml('web', `[{ id: web, image: busybox${fields} }]`));

describe('kuke diff', () => {
  test('of what is not there: all of it is new; nothing is done', async () => {
    const { status, stdout, stderr } = await fake.kuke('diff', '-f', cell('web', ''));
    expect([status, stderr]).toEqual([1, '']);
    expect(stdout).toStartWith(`--- /dev/null\tstored\n+++ ${WEB}\tapplied\n@@ -0,0 +1,`);
    expect(stdout).toContain('\n+kind: Cell\n');
    expect((await fake.kuke('get', 'cells')).stdout).toBe('');
  });

  test('of what is the same: nothing, and exit code 0', async () => {
    const file = cell('web', '');
    await fake.kuke('apply', '-f', file);
    expect(await fake.kuke('diff', '-f', file)).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  test('of a change: the lines that differ, as text and field by field', async () => {
    await fake.kuke('apply', '-f', cell('web', ''));
    const changed = cell('changed', ", env: ['A=1']");
    const { status, stdout } = await fake.kuke('diff', '-f', changed);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^--- cell main\/default\/default\/web\tstored\n\+\+\+ cell/);
    expect(stdout).toMatch(/^ .*image: busybox\n\+.*env:\n\+.*- A=1$/m);
    const json = await fake.kuke('diff', '-f', changed, '-o', 'json');
    expect([json.status, JSON.parse(json.stdout)]).toMatchObject([
      1,
      [
        {
          resource: WEB,
          result: 'updated',
          changes: [{ path: 'spec.containers[web].env', to: ['A=1'], change: 'recreate' }],
        },
      ],
    ]);
  });

  test('of the same manifest on a host that is not as it was: what apply would put right', async () => {
    const file = cell('web', '');
    await fake.kuke('apply', '-f', file);
    fake.host.cgroups.clear();
    const { status, stdout } = await fake.kuke('diff', '-f', file);
    expect(status).toBe(1);
    expect(stdout).toContain(`${WEB}: what is stored is the same; put right: cgroup.create`);
  });

  test('of what would fail: an exit code above 1', async () => {
    const orphan = fake.file(
      'a.yaml',
      'apiVersion: v1beta1\nkind: Stack\nmetadata: { name: a }\nspec: { spaceId: none }\n',
    );
    expect(await fake.kuke('diff', '-f', orphan)).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('there is no space'),
    });
    expect(await fake.kuke('diff', '-f', fake.file('bad.yaml', 'kind: 5'))).toMatchObject({ status: 2 });
  });
});
