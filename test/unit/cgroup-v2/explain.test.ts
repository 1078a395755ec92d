import { describe, expect, test } from 'bun:test';
import { explainCreate, explainLeaf, explainLimit, explainRemove } from '../../../plugins/cgroup-v2/explain.ts';
import { parseMountinfo } from '../../../src/host/mountinfo.ts';
import { expectCommand, HOSTILE } from '../../suites/contract.ts';

/** A host whose cgroup2 is nowhere on this machine, so that nothing about it can be read. */
const mountedAt = (mountPoint: string) =>
  parseMountinfo(`1 1 0:1 / / rw - ext4 / rw\n2 1 0:2 / ${mountPoint} rw - cgroup2 cgroup2 rw\n`);
const mounts = mountedAt('/no/cgroup');

describe('create', () => {
  test('makes, marks and delegates', () => {
    expect(explainCreate(mounts, '/kukeon/main').split('\n')).toEqual([
      'mkdir -p /no/cgroup/kukeon/main',
      'setfattr -n trusted.kukeon.instance -v "$KUKE_INSTANCE" /no/cgroup/kukeon/main',
      "echo '+cpu +cpuset +memory +io +pids +hugetlb' > /no/cgroup/kukeon/main/cgroup.subtree_control",
    ]);
  });

  test('makes the root of the host delegate when /kukeon comes', () => {
    const lines = explainCreate(mounts, '/kukeon').split('\n');
    expect(lines.map(line => line.split(' > ')[1]).filter(Boolean)).toEqual([
      '/no/cgroup/cgroup.subtree_control',
      '/no/cgroup/kukeon/cgroup.subtree_control',
    ]);
  });
});

test('remove kills, then removes from the leaves up', () => {
  expect(explainRemove(mounts, '/kukeon/main').split('\n')).toEqual([
    'if [ -d /no/cgroup/kukeon/main ]; then',
    '  echo 1 > /no/cgroup/kukeon/main/cgroup.kill',
    '  find /no/cgroup/kukeon/main -depth -type d -exec rmdir {} \\;',
    'fi',
  ]);
});

test.each([
  [mounts, `/kukeon/${HOSTILE.replaceAll('/', '')}`],
  [mountedAt("/it's\\040a\\040mount;"), '/kukeon/main'],
])('is quoted for a shell', (table, path) => {
  const run = (command: string) => Bun.spawnSync(['sh', '-c', command]).stdout.toString();
  const explainLife = (of: typeof table, at: string) => explainLeaf(of, at, {});
  for (const explain of [explainCreate, explainRemove, explainLife]) {
    const command = explain(table, path);
    expectCommand(command);
    const [first = ''] = command.split('\n');
    const word = first.replace(/^(mkdir -p|if \[ -d) | \]; then$/g, '');
    expect(run(`printf %s ${word}`)).toContain(`${table[1]?.mountPoint}${path}`);
  }
});

describe('limits', () => {
  test('of a host of which nothing can be read are explained as far as anybody can', () => {
    const limits = { 'cpu.limit': 0.5, 'pids.limit': 9 };
    expect(explainLimit(mounts, '/kukeon/main', limits).split('\n')).toEqual([
      "echo '50000 100000' > /no/cgroup/kukeon/main/cpu.max",
      'echo 9 > /no/cgroup/kukeon/main/pids.max',
    ]);
    expect(explainLimit(mounts, '/kukeon/main', {})).toBe('# nothing is to be written');
  });

  test('that make no sense are comments, on one line each', () => {
    const devices = { '/dev/no\nsuch; reboot': { readBps: 1 } };
    const command = explainLimit(mounts, '/kukeon/main', { 'io.devices': devices, 'cpu.limit': 8192 });
    expect(command.split('\n').filter(line => !line.startsWith('# '))).toEqual([]);
    expect(command.split('\n')).toHaveLength(2);
  });

  test('a leaf is made and marked, is killed whole, and hands nothing down', () => {
    expect(explainLeaf(mounts, '/kukeon/main/default/blog/web/web_root', { 'pids.limit': 9 }).split('\n')).toEqual([
      'mkdir -p /no/cgroup/kukeon/main/default/blog/web/web_root',
      'setfattr -n trusted.kukeon.instance -v "$KUKE_INSTANCE" /no/cgroup/kukeon/main/default/blog/web/web_root',
      'echo 1 > /no/cgroup/kukeon/main/default/blog/web/web_root/memory.oom.group',
      'echo 9 > /no/cgroup/kukeon/main/default/blog/web/web_root/pids.max',
    ]);
  });
});

test('a host without cgroup2 is explained as a usual one', () => {
  expect(explainRemove([], '/kukeon')).toContain('echo 1 > /sys/fs/cgroup/kukeon/cgroup.kill');
});
