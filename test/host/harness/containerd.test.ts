import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { type Containerd, startContainerd } from '../containerd.ts';

let containerd: Containerd;
beforeAll(async () => {
  containerd = await startContainerd();
});
afterAll(() => containerd.stop());

function ctr(...args: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(['ctr', ...args]);
  if (exitCode !== 0) throw new Error(`ctr ${args.join(' ')}: ${stderr}`);
  return stdout.toString();
}

test('it serves on the default socket, in the version that was asked for', () => {
  const server = ctr('version').split('Server:')[1] ?? '';
  expect(server).toMatch(new RegExp(`Version: +v?${process.env.KUKE_TEST_CONTAINERD || '[0-9]'}`));
});

test('what it knew is still there after a kill and a start; while it is down nothing answers', async () => {
  ctr('namespaces', 'create', 'kept');
  const first = containerd.pid;
  await containerd.kill();
  expect(() => ctr('version')).toThrow();
  expect(existsSync(`/proc/${first}`)).toBe(false);
  await containerd.start();
  expect(containerd.pid).not.toBe(first);
  expect(ctr('namespaces', 'ls', '-q')).toBe('kept\n');
});

test('a second one has a root and a socket of its own', async () => {
  await using other = await startContainerd({ address: '/run/other/containerd.sock' });
  expect(ctr('--address', other.address, 'namespaces', 'ls', '-q')).not.toContain('kept');
  expect(existsSync('/run/other/root/io.containerd.metadata.v1.bolt')).toBe(true);
});

test('one that cannot start rejects with its own words', async () => {
  await expect(startContainerd({ address: '/run/third/containerd.sock', config: 'nonsense = = 1' })).rejects.toThrow(
    /containerd exited with 1 before it was ready:[\s\S]*toml/,
  );
});

test('no plugin fails to load for want of what is disabled', () => {
  const log = readFileSync(containerd.logFile, 'utf8');
  expect(log.split('\n').filter(line => /failed to load plugin/.test(line))).toEqual([]);
});
