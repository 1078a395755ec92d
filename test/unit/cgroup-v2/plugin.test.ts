import { expect, test } from 'bun:test';
import { hostFindings } from '../../../plugins/cgroup-v2/doctor.ts';
import plugin from '../../../plugins/cgroup-v2/index.ts';
import { parseMountinfo } from '../../../src/host/mountinfo.ts';
import type { Finding } from '../../../src/kernel/extensible.ts';
import { loadKernel } from '../../../src/kernel/registry.ts';
import { V1_ONLY } from './mount-tables.ts';

test('the plugin comes in by the door, and provides the backend and a check of the host', async () => {
  const { name, requires = [], provides = {} } = plugin;
  const kernel = await loadKernel({
    settings: { runPath: '/opt/kukeon', containerdSocket: '/run/containerd/containerd.sock' },
    pluginConfig: {},
    sources: [{ name, requires, provides, origin: 'built-in', load: async () => plugin }],
    needs: ['backend:cgroup'],
    timeLimitMs: 30_000,
    warn: message => {
      throw new Error(message);
    },
  });
  const backend = await kernel.use('cgroup');
  expect(backend.explain('remove', { path: '/kukeon/main' })).toContain('/kukeon/main/cgroup.kill');
  const findings: Finding[] = [];
  await kernel.hooks.call('doctor', { findings });
  expect(findings).toEqual(hostFindings());
  expect(findings[0]?.what).toContain('cgroup');
});

test('doctor: a host without cgroup2 gets an error with the remedy', () => {
  expect(hostFindings(parseMountinfo(V1_ONLY))).toEqual([
    {
      level: 'error',
      code: 'HostNotReady',
      what: 'no cgroup2 file system is mounted',
      remedy: expect.stringContaining('mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified'),
    },
  ]);
});
