/** Containers that cannot be, and containers that end at once. */
// containerd: the oldest and the newest, since what differs between versions is asked of each by the tests of containerd-shim.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { eventually } from '../../suites/contract.ts';
import type { Containerd } from '../containerd.ts';
import { cell, container, getCell, IMAGE, pidsOf, shell, stateOf, untilState } from '../kuke/cells.ts';
import { apply, kuke, tryApply } from '../kuke/kuke.ts';
import { failure, leavingNothing } from './failures.ts';
import { warmHost } from './warm-host.ts';

let containerd: Containerd;
beforeAll(async () => {
  containerd = await warmHost();
});
afterAll(() => containerd.stop());

type Fields = Parameters<typeof container>[1];

const refused = async (fields: Fields, code: number, ...says: (string | RegExp)[]) =>
  failure(
    await leavingNothing(() => tryApply(cell('web', [container('main', fields)]))),
    code,
    'cell main/default/default/web: ',
    ...says,
  );

describe('an image that is not there, and is not to be pulled', () => {
  const none = { image: 'nginx:9', imagePullPolicy: 'Never' };

  test('is told before anything is made', async () => {
    const line = await refused(none, 3, 'docker.io/library/nginx:9 is not in kukeon-main');
    expect(line).toContain('(load it: `kuke image load -i FILE`; or let it be pulled: ');
  });

  test('of the second container, neither comes up', async () => {
    const two = cell('web', [container('main'), container('side', none)]);
    failure(await leavingNothing(() => tryApply(two)), 3, 'docker.io/library/nginx:9 is not in');
  });

  test('in a change, what runs goes on', async () => {
    await apply(cell('web'));
    const before = await pidsOf('web');
    const changed = cell('web', [container('main', none)]);
    failure(await leavingNothing(() => tryApply(changed)), 3, 'docker.io/library/nginx:9 is not in');
    expect(await pidsOf('web')).toEqual(before);
    expect((await getCell('web')).spec.containers[0]?.image).toBe(IMAGE);
    await kuke('delete', 'cell', 'web', '--cascade', '--force');
  });
});

describe('a command', () => {
  const remedy = '(give `command` a program that is in the image)';

  test.each<[string, Fields, string | RegExp]>([
    ['by its path', { command: '/nope' }, '/nope: no such file or directory'],
    ['by its name', { command: ['nope', '-x'] }, /nope.*(executable file|No such file|not found)/],
    ['that is no program', { command: '/etc/passwd' }, /\/etc\/passwd.*permission denied/i],
    ['that is a folder', { command: '/etc' }, /\/etc.*(is a directory|permission denied)/i],
  ])('that is not in the image, %s', async (_, fields, says) => {
    const line = await refused(fields, 1, 'start container default_default_web_root', says);
    expect(line).toContain(remedy);
  });

  test('of the second container that is not there: the root goes as well', async () => {
    const two = cell('web', [container('main'), container('side', { command: '/nope' })]);
    failure(await leavingNothing(() => tryApply(two)), 1, 'start container default_default_web_side', '/nope', remedy);
  });
});

describe('what a container asks for', () => {
  test.each<[string, Fields, number, string | RegExp]>([
    ['a user', { user: 'nobody2' }, 2, 'no nobody2 in the image'],
    ['a group', { user: '0:nogroup2' }, 2, 'no nogroup2 in the image'],
    ['a folder that is a file', { workingDir: '/etc/passwd' }, 1, /\/etc\/passwd.*not a directory/i],
    ['the source of a volume', { volumes: [{ kind: 'bind', source: '/nope', target: '/x' }] }, 3, '/nope'],
    [
      'a volume of another sort',
      { volumes: [{ kind: 'bind', source: '/etc/passwd', target: '/etc' }] },
      1,
      /\/etc.*not a directory/i,
    ],
    ['a device', { devices: ['/dev/nope'] }, 3, '/dev/nope'],
    ['a device that is a folder', { devices: ['/dev/shm'] }, 2, '/dev/shm: is not a device'],
    ['a seccomp profile', { securityOpts: ['seccomp=/nope.json'] }, 2, '/nope.json: '],
  ])('that is not there: %s', async (_, fields, code, says) => {
    await refused(fields, code, says);
  });

  test('a seccomp profile that is none', async () => {
    writeFileSync('/tmp/profile.json', '{"defaultAction": ');
    await refused({ securityOpts: ['seccomp=/tmp/profile.json'] }, 2, '/tmp/profile.json: ');
  });

  test('a working directory that is not there is made, as Docker does', async () => {
    await leavingNothing(async () => {
      await apply(cell('web', [container('main', { workingDir: '/not/there' })]));
      expect(await stateOf('web')).toBe('Ready');
      await kuke('delete', 'cell', 'web', '--cascade', '--force');
    });
  });
});

describe('a container that ends at once', () => {
  test.each<[string, string, string, string, RegExp]>([
    ['well', 'exit 0', 'Stopped', 'Completed', /`main` ended well/],
    ['badly', 'exit 3', 'Failed', 'RootExited', /`main` ended with exit code 3/],
  ])('%s: the state says so, and the next command takes the network down', async (_, script, state, reason, says) => {
    await leavingNothing(async () => {
      await apply(cell('web', [shell('main', script), container('side')]));
      const status = await untilState('web', state);
      expect(status).toMatchObject({ state, reason, message: expect.stringMatching(says) });
      expect(status.attachments).toHaveLength(1);
      await kuke('create', 'stack', 'other'); // settles what is due
      const after = (await getCell('web')).status;
      expect(after).toMatchObject({ state, reason, attachments: [] });
      expect(after.containers.map(one => one.state)).toEqual(['Exited', 'Exited']);
      await kuke('delete', 'stack', 'other');
      await kuke('delete', 'cell', 'web', '--cascade');
    });
  });

  test('beside the root: the cell goes on', async () => {
    await leavingNothing(async () => {
      await apply(cell('web', [container('main'), shell('job', 'exit 0'), shell('side', 'exit 3')]));
      const status = await eventually(async () => {
        const now = await untilState('web', 'Degraded');
        return now.containers.every(({ id, state }) => id === 'main' || state === 'Exited') ? now : undefined;
      });
      expect(status).toMatchObject({ message: expect.stringContaining('`side` (exit code 3)') });
      expect(status.containers.map(({ state, exitCode }) => [state, exitCode])).toEqual([
        ['Running', undefined],
        ['Exited', 0],
        ['Exited', 3],
      ]);
      await kuke('delete', 'cell', 'web', '--cascade', '--force');
    });
  });
});
