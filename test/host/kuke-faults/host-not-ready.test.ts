// containerd: once, since it has no part in this.
/** A host that does not let kuke do its work: no root, no cgroup2, a run path that is read-only, full, or not to be trusted. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import type { Containerd } from '../containerd.ts';
import { cell } from '../kuke/cells.ts';
import { apply, kuke, type RunOptions, run } from '../kuke/kuke.ts';
import { output } from '../observe/command.ts';
import { failure, leavingNothing } from './failures.ts';
import { warmHost } from './warm-host.ts';

let containerd: Containerd;
beforeAll(async () => {
  containerd = await warmHost();
  await apply(cell('there'));
});
afterAll(() => containerd.stop());

const newCell = { stdin: JSON.stringify(cell('web')) };
const APPLY = ['apply', '-f', '-'];
/** In a mount namespace of its own, after a script. */
const after = (script: string): RunOptions => ({
  prefix: ['unshare', '--mount', 'sh', '-c', `${script} && exec "$@"`, 'sh'],
});

test('changing without root is refused, looking is not', async () => {
  const nobody = { prefix: ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] };
  for (const command of [
    APPLY,
    ['init'],
    ['create', 'stack', 'x'],
    ['delete', 'cell', 'there'],
    ['start', 'cell', 'there'],
    ['stop', 'cell', 'there'],
    ['kill', 'cell', 'there'],
    ['image', 'ls'],
    ['image', 'rm', 'test:1'],
    ['uninstall', '--yes'],
  ]) {
    const ran = await leavingNothing(() => run(command, { ...nobody, ...newCell }));
    failure(ran, 5, 'you are not root', '(run it with sudo)');
  }
  const { status, stdout } = await run(['get', 'cells'], nobody);
  expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^there +(Unknown|Ready)/m) });
});

test('without cgroup2', async () => {
  const without = after('umount --lazy /sys/fs/cgroup');
  for (const command of [APPLY, ['create', 'stack', 'x']]) {
    const ran = await leavingNothing(() => run(command, { ...without, ...newCell }));
    failure(ran, 5, 'no cgroup2 file system is mounted', 'mount -t cgroup2');
  }
  expect(await run(['get', 'cells'], without)).toMatchObject({ status: 0, stdout: expect.stringMatching(/^there /m) });
});

test('with a cgroup2 that is read-only', async () => {
  const readOnly = after('mount -o remount,bind,ro /sys/fs/cgroup');
  failure(await leavingNothing(() => run(APPLY, { ...readOnly, ...newCell })), 5, /read-only file system/i, 'writable');
});

test('with a run path that is read-only', async () => {
  const readOnly = after('mount --bind /opt/kukeon /opt/kukeon && mount -o remount,bind,ro /opt/kukeon');
  for (const command of [APPLY, ['create', 'stack', 'x']]) {
    const ran = await leavingNothing(() => run(command, { ...readOnly, ...newCell }));
    failure(ran, 5, /read-only file system/i, '/opt/kukeon', '--run-path');
  }
  expect(await run(['get', 'cells'], readOnly)).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^there +Ready/m),
  });
});

test('with folders of the network that are read-only', async () => {
  for (const folder of ['/etc/cni/net.d', '/var/lib/cni']) {
    const readOnly = after(`mount --bind ${folder} ${folder} && mount -o remount,bind,ro ${folder}`);
    const command = folder.startsWith('/etc') ? ['create', 'space', 'x'] : APPLY;
    const ran = await leavingNothing(() => run(command, { ...readOnly, ...newCell }));
    failure(ran, ran.status === 1 ? 1 : 5, /read-only file system/i);
  }
});

test('with a run path that others can write', async () => {
  for (const [make, undo] of [
    [() => chmodSync('/opt/kukeon', 0o777), () => chmodSync('/opt/kukeon', 0o755)],
    [() => output('chown', '65534', '/opt/kukeon'), () => output('chown', '0', '/opt/kukeon')],
  ] as const) {
    await make();
    const ran = await leavingNothing(() => run(APPLY, newCell));
    failure(ran, 5, '/opt/kukeon can be changed by others than root', 'chown');
    await undo();
  }
});

test.each<[string, () => void, () => void]>([
  ['a file', () => writeFileSync('/opt/run-path', ''), () => unlinkSync('/opt/run-path')],
  ['a link that leads nowhere', () => symlinkSync('/opt/nowhere', '/opt/run-path'), () => unlinkSync('/opt/run-path')],
])('with a run path that is %s', async (_, make, undo) => {
  make();
  const ran = await leavingNothing(() => run(['init', '--realm', 'lab', '--run-path', '/opt/run-path']));
  failure(ran, ran.status === 4 ? 4 : 5, '/opt/run-path');
  undo();
});

test('with a run path on a full file system', async () => {
  mkdirSync('/opt/small');
  await output('mount', '-t', 'tmpfs', '-o', 'size=128k,mode=0755', 'tmpfs', '/opt/small');
  const small = { env: { KUKE_RUN_PATH: '/opt/small' } };
  // /kukeon itself belongs to the first installation, which has to make room for this one.
  await kuke('uninstall', '--yes');
  try {
    expect(await run(['init'], small)).toMatchObject({ status: 0 });
    await output('sh', '-c', 'cat /dev/zero > /opt/small/.fill 2> /dev/null || true');
    for (const command of [
      ['create', 'stack', 'x'],
      ['create', 'space', 'x'],
      ['create', 'realm', 'x'],
    ]) {
      const ran = await leavingNothing(() => run(command, small));
      failure(ran, 1, /no space left on device/i, '(free some space');
    }
    expect(await run(['get', 'stacks', '-o', 'name'], small)).toMatchObject({ status: 0, stdout: 'stack/default\n' });
    rmSync('/opt/small/.fill');
    expect(await run(['create', 'stack', 'x'], small)).toMatchObject({ status: 0 });
  } finally {
    rmSync('/opt/small/.fill', { force: true });
    expect(await run(['uninstall', '--yes'], small)).toMatchObject({ status: 0 });
    await output('umount', '/opt/small');
  }
  expect(existsSync('/sys/fs/cgroup/kukeon')).toBe(false);
});
