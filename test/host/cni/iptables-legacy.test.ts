/** FORWARD of iptables of old: what it needs is put in, and whoever puts it in is ended with its caller. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { allowForward, IptablesError, readLegacyForward } from '../../../src/cni/host-forward/iptables-legacy.ts';
import { run } from '../netlink/outside.ts';
import { processes } from '../observe/system.ts';

const MARK = 'kukeon test';
const RESTORE = '/usr/local/sbin/iptables-legacy-restore';
const STARTED = '/tmp/restore-started';
const CALLER = `${import.meta.dir}/allowing.ts`;

const forward = () => run('iptables-legacy', '-S', 'FORWARD').trim().split('\n').slice(1);
const ours = [
  `-A FORWARD -o br0 -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -m comment --comment "${MARK}" -j ACCEPT`,
  `-A FORWARD -i br0 -m comment --comment "${MARK}" -j ACCEPT`,
];
const running = () =>
  processes().filter(({ command }) => command.some(word => /^(?:.*\/)?iptables-legacy(?:-restore)?$/.test(word)));

beforeEach(() => run('iptables-legacy', '-P', 'FORWARD', 'ACCEPT'));
afterEach(() => {
  for (const option of ['-F', '-X']) run('iptables-legacy', option);
  for (const path of [RESTORE, STARTED]) rmSync(path, { force: true });
});

describe('where FORWARD drops in the end', () => {
  test.each<[string, string[][]]>([
    ['by its policy', [['-P', 'FORWARD', 'DROP']]],
    ['by a rule with a comment', [['-A', 'FORWARD', '-m', 'comment', '--comment', 'drop the rest', '-j', 'DROP']]],
    [
      'in a chain',
      [
        ['-N', 'END'],
        ['-A', 'END', '-m', 'comment', '--comment', 'end', '-j', 'REJECT'],
        ['-A', 'FORWARD', '-j', 'END'],
      ],
    ],
    [
      'in a chain that it goes to',
      [
        ['-N', 'END'],
        ['-A', 'END', '-j', 'DROP'],
        ['-A', 'FORWARD', '-g', 'END'],
      ],
    ],
  ])('%s, two rules let an interface through, and go with it', async (_, commands) => {
    for (const command of commands) run('iptables-legacy', ...command);
    const before = forward();
    expect((await readLegacyForward(MARK)).allows('br0')).toBe(false);
    await allowForward(MARK, ['br0']);
    expect(forward()).toEqual([...ours, ...before]);
    expect((await readLegacyForward(MARK)).allows('br0')).toBe(true);
    await allowForward(MARK, []);
    expect(forward()).toEqual(before);
  });
});

/** Runs in the place of iptables-legacy-restore, and does its work some time later. */
function slowRestore(): void {
  writeFileSync(RESTORE, `#!/bin/sh\necho "$@" > ${STARTED}.new; mv ${STARTED}.new ${STARTED}\nsleep 1000\n`);
  chmodSync(RESTORE, 0o755);
}

async function killedWhileRestoring(containerId: string): Promise<void> {
  slowRestore();
  await using caller = Bun.spawn([process.execPath, CALLER, MARK, containerId, 'br0']);
  while (!existsSync(STARTED) && caller.exitCode === null) await Bun.sleep(5);
  expect(readFileSync(STARTED, 'utf8')).toMatch(/--wait=\d+/);
  caller.kill('SIGKILL');
  await caller.exited;
  expect(running()).toHaveLength(1);
  rmSync(RESTORE);
  rmSync(STARTED);
}

test('what a killed call has left running is ended by the next one for the same attachment, before it looks', async () => {
  run('iptables-legacy', '-P', 'FORWARD', 'DROP');
  await killedWhileRestoring('c1');
  await allowForward(MARK, [], { containerId: 'c2' });
  expect(running()).toHaveLength(1);
  await allowForward('kukeon other', [], { containerId: 'c1' });
  expect(running()).toHaveLength(1);
  await allowForward(MARK, [], { containerId: 'c1' });
  expect(running()).toEqual([]);
  expect(forward()).toEqual([]);
});

test('two calls of one process at once leave each other alone', async () => {
  run('iptables-legacy', '-P', 'FORWARD', 'DROP');
  slowRestore();
  const script = readFileSync(RESTORE, 'utf8').replace('sleep 1000', 'exec /usr/sbin/iptables-legacy-restore "$@"');
  writeFileSync(RESTORE, script);
  await Promise.all(
    ['c1', 'c1', 'c1'].map(containerId => allowForward(MARK, ['br0'], { containerId, others: 'stay' })),
  );
  expect([...new Set(forward())].sort()).toEqual(ours.toSorted());
});

test('it is called off while somebody holds the lock, and gives up after a while', async () => {
  run('iptables-legacy', '-P', 'FORWARD', 'DROP');
  await using holder = Bun.spawn([
    'flock',
    '--no-fork',
    '/run/xtables.lock',
    'sh',
    '-c',
    `touch ${STARTED}; exec sleep 1000`,
  ]);
  while (!existsSync(STARTED)) await Bun.sleep(5);
  const calledOff = new AbortController();
  const reason = new Error('called off');
  const allowed = allowForward(MARK, ['br0'], { signal: calledOff.signal }).catch((error: unknown) => error);
  while (!running().some(({ command }) => command[0] === 'iptables-legacy')) await Bun.sleep(5);
  calledOff.abort(reason);
  expect(await allowed).toBe(reason);
  expect(running()).toEqual([]);
  const late = await allowForward(MARK, ['br0'], { lockSeconds: 1 }).catch((error: unknown) => error);
  expect(late).toBeInstanceOf(IptablesError);
  expect(`${late}`).toContain('xtables lock');
  holder.kill();
  await holder.exited;
});

test('what the program says is in the error', async () => {
  run('iptables-legacy', '-P', 'FORWARD', 'DROP');
  writeFileSync(RESTORE, '#!/bin/sh\necho no such luck >&2; exit 4\n');
  chmodSync(RESTORE, 0o755);
  const error = await allowForward(MARK, ['br0']).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(IptablesError);
  expect(error).toHaveProperty(
    'message',
    expect.stringMatching(/^iptables-legacy-restore .*: exit status 4: no such luck$/),
  );
});
