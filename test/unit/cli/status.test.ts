/** kuke status at a glance. */
import { afterAll, expect, test } from 'bun:test';
import { type Status, textOf } from '../../../src/cli/status.ts';
import { publish } from '../../fakes/index.ts';
import { kukeOnFakes } from './kuke-on-fakes.ts';

const fake = kukeOnFakes();
afterAll(() => fake.remove());

const status: Status = {
  version: '1.2.3',
  bun: '1.4.5',
  daemon: {
    running: true,
    answers: true,
    socket: '/run/kukeon/kukeond.sock',
    unit: 'kukeond.service',
    pid: 70,
    startedAt: '2026-11-21T20:00:00.123Z',
    version: '1.2.3',
  },
  runtime: { name: 'containerd', version: '1.6.20' },
  host: { hostname: 'box', kernel: '6.1.0', arch: 'x64', cpus: 2, memoryBytes: 24e9 },
  plugins: [
    { name: 'cell', version: '0.1.0', origin: 'built-in' },
    { name: 'greeting', version: '0.1.0', origin: '/opt/kukeon/.kuke/plugins/greeting' },
  ],
  cells: { Ready: 12, Failed: 1 },
  drift: [{ resource: 'cell web', what: 'cell web is not as it was applied; due: \u001b[31mruntime.start' }],
  problems: 2,
  unknown: ['cells: denied'],
};

test('as text', () => {
  expect(textOf(status)).toBe(
    [
      'kuke        1.2.3',
      'kukeond     running (pid 70, since 2026-11-21T20:00:00Z, version 1.2.3, kukeond.service)',
      'containerd  1.6.20',
      'host        box: Linux 6.1.0, x64, 2 CPUs, 24.0 GB of memory',
      'plugins     1 built-in, greeting 0.1.0',
      'cells       12 Ready, 1 Failed',
      'drift       1 not as asked for',
      `  ${'cell web is not as it was applied; due: \\x1b[31mruntime.start'}`,
      'doctor      2 more to tell: kuke doctor',
      'not known   cells: denied',
    ].join('\n'),
  );
  const { runtime: _, ...without } = status;
  const stopped = { ...without, daemon: { running: false, answers: false, socket: '/x' }, cells: {}, drift: [] };
  expect(textOf(stopped)).toMatch(
    /^kukeond {5}not running \(sudo kuke daemon start\)\ncontainerd {2}does not answer\n.*\n.*\ncells {7}none\ndrift {7}none$/m,
  );
});

test('of a host', async () => {
  await fake.kuke('init');
  const { stdout, status: code } = await fake.kuke('status', '-o', 'json');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ version: '1.2.3', daemon: { running: false }, cells: {}, drift: [] });
});

test('a cell that is to run and does not is told, and counted as it is now', async () => {
  publish(fake.host, { name: 'busybox' });
  const cell = (name: string, script: string) => `apiVersion: v1beta1
kind: Cell
metadata: {name: ${name}}
spec: {containers: [{id: main, image: busybox, command: /bin/sh, args: ['-c', '${script}']}]}
`;
  const file = fake.file(
    'cells.yaml',
    [
      cell('well', 'sleep 9 & wait'),
      cell('job', 'exit 0'),
      cell('bad', 'exit 3'),
      cell('killed', 'sleep 9 & wait'),
    ].join('---\n'),
  );
  await fake.kuke('apply', '-f', file);
  await fake.kuke('kill', 'cell', 'killed');
  const { stdout } = await fake.kuke('status', '-o', 'json');
  expect(JSON.parse(stdout)).toMatchObject({
    cells: { Ready: 1, Stopped: 2, Failed: 1 },
    drift: [{ resource: 'cell main/default/default/bad', what: expect.stringContaining('is to run, and is Failed: ') }],
  });
});
