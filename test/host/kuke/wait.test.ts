// containerd: once, since it tells of ended containers in the same way.
/** wait: what is so already, what becomes so, what is not so in time, and what will never be. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Containerd, startContainerd } from '../containerd.ts';
import { cell, container, loadImage, manifest, shell } from './cells.ts';
import { apply, kuke, run, start } from './kuke.ts';

let containerd: Containerd;
beforeAll(async () => {
  containerd = await startContainerd();
  await kuke('init');
  await loadImage();
  await apply(manifest('Cell', 'web', { containers: [container('main')] }, { labels: { app: 'blog' } }));
});
afterAll(() => containerd.stop());

const ended = async (program: ReturnType<typeof start>) => ({
  stdout: await new Response(program.stdout).text(),
  status: await program.exited,
});

test('what is so already is told at once', async () => {
  expect(await kuke('wait', 'web')).toBe('cell main/default/default/web is Ready\n');
  expect(await kuke('wait', 'cells', '-l', 'app=blog', '--for=jsonpath={.status.state}=Ready')).toBe(
    'cell main/default/default/web has {.status.state}=Ready\n',
  );
  expect(await kuke('wait', 'space/default', '--timeout', '0')).toContain('space main/default is Ready');
});

test('what is not so in time: exit code 6, and how it is now', async () => {
  const { status, stderr } = await run(['wait', 'web', '--for', 'Stopped', '--timeout', '300ms']);
  expect({ status, stderr }).toEqual({
    status: 6,
    stderr: expect.stringContaining('cell main/default/default/web: waiting for Stopped: after 300ms it is Ready'),
  });
  expect((await run(['wait', 'web', '--for', 'Stopped', '--timeout', '0'])).status).toBe(6);
});

test('what is not there: exit code 3; for delete that is what is waited for', async () => {
  expect((await run(['wait', 'nobody'])).status).toBe(3);
  expect((await run(['wait', 'cells', '-l', 'app=none'])).status).toBe(3);
  expect(await kuke('wait', 'nobody', '--for=delete')).toBe('cell main/default/default/nobody is deleted\n');
});

test('what makes no sense: exit code 2', async () => {
  for (const words of [
    [],
    ['web', '--for', 'now and then'],
    ['web', '--for', 'Reday'],
    ['web', '--all'],
    ['container/main'],
    ['web', '--timeout', '-1'],
  ])
    expect([words, (await run(['wait', ...words])).status]).toEqual([words, 2]);
});

test('a cell that ends by itself, one that is stopped, and one that is deleted', async () => {
  await apply(cell('job', [shell('main', 'while [ ! -e /tmp/done ]; do sleep 0.1; done')]));
  const stopped = start(['wait', 'job', 'web', '--for', 'Stopped', '--timeout', '60s']);
  const deleted = start(['wait', 'cell', 'job', 'web', '--for', 'delete', '--timeout', '60s']);
  await kuke('exec', 'job', '--', 'touch', '/tmp/done');
  await kuke('stop', 'cell', 'web');
  const { stdout, status } = await ended(stopped);
  expect(status).toBe(0);
  expect(stdout.trim().split('\n').sort()).toEqual([
    'cell main/default/default/job is Stopped',
    'cell main/default/default/web is Stopped',
  ]);
  await kuke('delete', 'cell', 'job', '--cascade');
  await kuke('delete', 'cell', 'web', '--cascade');
  expect(await ended(deleted)).toMatchObject({ status: 0 });
});

test('one that is deleted while another state is waited for: exit code 3', async () => {
  await apply(cell('web'));
  const waiting = start(['wait', 'web', '--for', 'Stopped', '--timeout', '60s']);
  await kuke('delete', 'cell', 'web', '--cascade', '--force');
  expect(await waiting.exited).toBe(3);
});
