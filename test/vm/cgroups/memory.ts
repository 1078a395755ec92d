/** Memory of groups: what is killed for want of it, and what is given back. */
import { describe, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { readMounts } from '../../../src/host/mountinfo.ts';
import type { Limits } from '../../../src/kernel/limits/limits.ts';
import { backendOf, MOUNT, shellIn } from '../../host/cgroup-v2/backend-under-test.ts';
import { output } from '../../host/observe/command.ts';
import { eventually } from '../../suites/contract.ts';
import {
  backend,
  cell,
  create,
  createCell,
  file,
  hog,
  holds,
  leaf,
  limit,
  MI,
  main,
  only,
  seen,
  write,
} from '../cgroups-under-test.ts';

describe('memory', () => {
  test.each([
    ['a container', `${cell}/web_root`],
    ['the cell', cell],
    ['the realm', main],
  ])(
    'killed for want of it by the limit of %s: which one is known, and the one beside it lives',
    async (_, limited) => {
      await createCell();
      await leaf('web_root');
      await leaf('side');
      await limit({ 'memory.limit': 24 * MI }, limited);
      expect(file('memory.oom.group', `${cell}/web_root`)).toBe('1');
      const beside = await shellIn(`${cell}/side`);
      const child = await shellIn(`${cell}/web_root`, 'sleep 1000 & busybox tail -c 64m /dev/zero > /dev/null');
      await child.exited;
      expect(child.signalCode).toBe('SIGKILL');
      expect(await backend.oom(`${cell}/web_root`)).toEqual({
        kills: 1,
        last: { path: limited, limit: 24 * MI, peak: expect.any(Number) },
      });
      expect(await backend.oom(`${cell}/side`)).toEqual({ kills: 0 });
      // All of the container is gone, the sleep too.
      await eventually(async () => file('cgroup.procs', `${cell}/web_root`) === '' || undefined);
      expect(file('cgroup.procs', `${cell}/side`)).toBe(`${beside.pid}`);
      // The next life counts on, in the same group.
      await leaf('web_root', { 'memory.limit': 64 * MI }, 1);
      expect(await backend.oom(`${cell}/web_root`)).toEqual({ kills: 1 });
    },
  );

  test('killed for want of it: the limit is that of then, and what killed one is not held against a survivor', async () => {
    await createCell();
    await limit({ 'memory.limit': 24 * MI }, cell);
    await leaf('web_root');
    await leaf('side');
    const eat = async (name: string) => {
      await (await shellIn(`${cell}/${name}`, 'busybox tail -c 64m /dev/zero > /dev/null')).exited;
      return backend.oom(`${cell}/${name}`);
    };
    const byCell = { kills: 1, last: { path: cell, limit: 24 * MI } };
    expect(await eat('web_root')).toMatchObject(byCell);
    await limit({ 'memory.limit': 512 * MI }, cell);
    expect(await backend.oom(`${cell}/web_root`)).toMatchObject(byCell);
    await leaf('web_root', {}, 1);
    await limit({ 'memory.limit': 32 * MI });
    expect(await eat('side')).toMatchObject({ kills: 1, last: { path: main, limit: 32 * MI } });
  });

  test('a container that makes groups of its own is known to be killed whole all the same', async () => {
    await createCell();
    await leaf('web_root', { 'memory.limit': 24 * MI });
    write('cgroup.subtree_control', '+memory', `${cell}/web_root`);
    const child = await shellIn(`${cell}/web_root/inner`, 'busybox tail -c 64m /dev/zero > /dev/null');
    await child.exited;
    expect(await backend.oom(`${cell}/web_root`)).toMatchObject({
      kills: 1,
      last: { path: `${cell}/web_root`, limit: 24 * MI },
    });
  });

  test('lowered below what is used: caches are given back, and nothing is killed', async () => {
    await createCell();
    await leaf('web_root');
    const cached = '/var/tmp/cached';
    const child = await shellIn(
      `${cell}/web_root`,
      `dd if=/dev/zero of=${cached} bs=1M count=48 2> /dev/null; sleep 1000`,
    );
    await holds(cell, 40 * MI);
    write('memory.high', `${500 * MI}`, cell);
    const [note = '', ...more] = await limit({ 'memory.limit': 16 * MI }, cell);
    console.log(note);
    expect(more).toEqual([]);
    expect(note).toStartWith(`memory.max of ${cell} is 16Mi now, and `);
    expect(note).toMatch(/ \d\dMi were in use: \d\dMi were given back, nothing was killed$/);
    expect(Number(file('memory.current', cell))).toBeLessThanOrEqual(16 * MI);
    expect(file('cgroup.procs', `${cell}/web_root`)).toContain(`${child.pid}`);
    // What somebody wrote there is there again.
    expect(file('memory.high', cell)).toBe(`${500 * MI}`);
    expect(await seen({ 'memory.limit': 16 * MI }, cell)).toMatchObject([
      { field: 'memory.limit', due: false, manual: false },
      { field: 'memory.high', due: false, manual: true },
    ]);
    rmSync(cached);
  });

  test('lowered below what cannot be given back: who was killed is said', async () => {
    await createCell();
    await leaf('web_root');
    const child = await hog(`${cell}/web_root`, 48);
    await holds(cell, 48 * MI);
    const [note = '', ...more] = await limit({ 'memory.limit': 16 * MI, 'memory.high': 12 * MI }, cell);
    console.log(note);
    expect(more).toEqual([]);
    expect(note).toEndWith(`Mi were given back, processes were killed in ${cell}/web_root`);
    await child.exited;
    expect(child.signalCode).toBe('SIGKILL');
    expect([file('memory.max', cell), file('memory.high', cell)]).toEqual([`${16 * MI}`, `${12 * MI}`]);
    expect(await backend.oom(`${cell}/web_root`)).toMatchObject({ kills: 1, last: { path: cell, limit: 16 * MI } });
  });

  test('a kuke that died while it lowered leaves nothing that counts as by hand', async () => {
    await create('/kukeon', main);
    await limit({ 'memory.limit': 64 * MI, 'memory.high': 60 * MI });
    // As it is between the first write and the last.
    for (const high of [undefined, 50 * MI]) {
      const asked: Limits = { 'memory.limit': 16 * MI, ...(high !== undefined && { 'memory.high': high }) };
      const interrupted = { asked: { 'memory.limit': 16 * MI }, found: { 'memory.high': `${16 * MI}` } };
      await output(
        'perl',
        '-e',
        'syscall(188, @ARGV, length($ARGV[2]), 0) == 0 or die $!',
        `${MOUNT}${main}`,
        'trusted.kukeon.limits',
        JSON.stringify(interrupted),
      );
      write('memory.high', `${16 * MI}`);
      expect((await seen(asked)).map(({ manual, due }) => ({ manual, due }))).toEqual([
        { manual: false, due: true },
        { manual: false, due: true },
      ]);
      expect(await limit(asked)).toEqual([]);
      expect([file('memory.max'), file('memory.high')]).toEqual([`${16 * MI}`, high === undefined ? 'max' : `${high}`]);
      await limit({ 'memory.limit': 64 * MI });
    }
  });

  test('a reservation counts only for what groups below reserve, where the mount has it so', async () => {
    const mounts = () =>
      readMounts().map(one => ({ ...one, superOptions: one.superOptions.filter(name => !name.startsWith('memory_')) }));
    await createCell();
    await leaf('web_root', { 'memory.reservation': 8 * MI });
    const why = async (bytes: number, path: string, of = backendOf(undefined, { mounts })) => {
      const [one] = await of.limits({ path, limits: { 'memory.reservation': bytes } });
      return one?.notEnforced;
    };
    expect(await why(8 * MI + 1, cell)).toStartWith(`${MOUNT} is mounted without memory_recursiveprot`);
    expect(await why(8 * MI, cell)).toBeUndefined();
    expect(await why(8 * MI + 1, cell, backend)).toBeUndefined();
    expect(await why(9 * MI, `${cell}/web_root`)).toBeUndefined();
  });

  test('without swap a limit of it is told of, and written for the day that there is some', async () => {
    await create('/kukeon', main);
    expect(await only({ 'memory.swap': 64 * MI })).toMatchObject({ notEnforced: 'this host has no swap', due: true });
    expect(await only({ 'memory.swap': 64 * MI }, '/kukeon/none')).toMatchObject({
      notEnforced: 'this host has no swap',
    });
    await limit({ 'memory.swap': 64 * MI });
    expect(file('memory.swap.max')).toBe(`${64 * MI}`);
    expect((await only({ 'memory.swap': 0 })).notEnforced).toBeUndefined();
  });
});
