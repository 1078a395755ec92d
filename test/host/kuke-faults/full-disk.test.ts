// containerd: once, since it is the disk that decides.
/** A full disk below CNI's folders, and below containerd's root: a cell that does not come up leaves nothing, and comes up once there is room. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, rmSync } from 'node:fs';
import type { Containerd } from '../containerd.ts';
import { busybox, dockerArchive } from '../image.ts';
import { cell, container, stateOf } from '../kuke/cells.ts';
import { kuke, run, tryApply } from '../kuke/kuke.ts';
import { output } from '../observe/command.ts';
import { failure, leavingNothing } from './failures.ts';
import { warmHost } from './warm-host.ts';

const SMALL = { '/var/lib/cni': '512k', '/var/lib/containerd': '96m' };

let containerd: Containerd;
beforeAll(async () => {
  for (const [folder, size] of Object.entries(SMALL)) {
    mkdirSync(folder, { recursive: true });
    await output('mount', '-t', 'tmpfs', '-o', `size=${size},mode=0755`, 'tmpfs', folder);
  }
  containerd = await warmHost();
});
afterAll(() => containerd.stop());

const fill = (folder: string) => output('sh', '-c', `cat /dev/zero > ${folder}/.fill 2> /dev/null || true`);

test("CNI's folders", async () => {
  const folder = '/var/lib/cni';
  await leavingNothing(async () => {
    await fill(folder);
    const two = cell('web', [container('main'), container('side')]);
    failure(await tryApply(two), 1, 'cell main/default/default/web: ', /no space left on device/i);
    expect(await run(['doctor'])).toMatchObject({
      status: 5,
      stdout: expect.stringMatching(/no space left on device/),
    });
    rmSync(`${folder}/.fill`);
    expect(await run(['doctor', '--fix'])).toMatchObject({ status: 0 });
    expect(await tryApply(two)).toMatchObject({ status: 0, stderr: '' });
    expect(await stateOf('web')).toBe('Ready');
    // Where nothing can be written, things can be taken away all the same.
    await fill(folder);
    await kuke('delete', 'cell', 'web', '--cascade', '--force');
    rmSync(`${folder}/.fill`);
  });
});

test("containerd's root", async () => {
  const folder = '/var/lib/containerd';
  const load = ['image', 'load', '-i', '-'];
  const big = { big: Buffer.alloc(8 << 20, 'x') };
  const stdin = dockerArchive({ name: 'docker.io/library/big:1', layers: [busybox(), big], config: {} });
  await leavingNothing(async () => {
    await fill(folder);
    failure(await run(load, { stdin }), 1, /no space left on device/i);
    rmSync(`${folder}/.fill`);
  });
  expect(await run(load, { stdin })).toMatchObject({ status: 0 });
  await leavingNothing(async () => {
    await fill(folder);
    const ran = await tryApply(
      cell('web', [container('main', { image: 'big:1', command: ['/bin/sh', '-c', 'sleep 1000'] })]),
    );
    if (ran.status !== 0) failure(ran, 1, /no space left on device/i);
    rmSync(`${folder}/.fill`);
    await kuke('delete', 'cell', 'web', '--cascade', '--force', '--ignore-not-found');
  });
});
