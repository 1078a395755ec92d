/** A terminal that goes away sends SIGHUP, and so do its shell and the kernel: what runs is undone all the same. */
import { afterAll, expect, type Mock, test } from 'bun:test';
import { cellYaml } from '../kernel/kernel-on-fakes.ts';
import { type FakeKuke, readyKuke } from './kuke-on-fakes.ts';

let fake: FakeKuke;
afterAll(() => fake.remove());

/** What the command that runs listens with; `kuke-on-fakes.ts` keeps it from the process. */
const listener = () =>
  (process.on as unknown as Mock<(signal: string, heard: (signal: string) => void) => void>).mock.calls.find(
    ([signal]) => signal === 'SIGHUP',
  )?.[1];

test('SIGHUP more than once undoes an apply, and does not end it in the middle', async () => {
  fake = await readyKuke();
  const pause = fake.host.faults.pause('runtime.create');
  const ran = fake.kuke('apply', '-f', fake.file('web.yaml', cellYaml('web')));
  await pause.reached;
  const hear = listener();
  for (let i = 0; i < 3; i++) hear?.('SIGHUP');
  pause.resume();
  expect(await ran).toMatchObject({ status: 1, stderr: expect.stringContaining('cancelled by SIGHUP') });
  expect([...fake.host.store.manifests.keys()]).not.toContain('cell:main/default/default/web');
});
