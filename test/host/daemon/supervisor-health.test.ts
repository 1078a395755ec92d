/** Health checks, crash loops, a full disk, and a reboot. */
// containerd: once, since health is looked at by exec and sockets, and what containerd tells is in supervisor.test.ts
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { eventually } from '../../suites/contract.ts';
import { cell, container, inContainer, pidsOf, shell } from '../kuke/cells.ts';
import { apply, applyFailing, kuke } from '../kuke/kuke.ts';
import { leaks, type ReadyHost, readyHost, removeCells } from '../kuke/ready-host.ts';
import { fullDisk } from './full-disk.ts';
import { containerIn, isNotKukeond, type Kukeond, type Status, startKukeond, statusWhen } from './kukeond.ts';
import { reboot } from './reboot.ts';

let host: ReadyHost;
let kukeond: Kukeond;

beforeAll(async () => {
  host = await readyHost();
  kukeond = await startKukeond();
});

afterEach(async () => {
  await removeCells();
  expect((await leaks(host.before)).filter(isNotKukeond)).toEqual([]);
});

afterAll(async () => {
  await kukeond.kill();
  await host.containerd.stop();
});

const quick = { interval: '200ms', timeout: '2s', retries: 2 };
const healthOf = (status: Status, id: string) => (containerIn(status, id) as { health?: string }).health;
const reasonOf = (status: Status, id: string) => (containerIn(status, id) as { reason?: string }).reason;

describe('health', () => {
  test('of a program, a port and a page decides whether a cell is ready', async () => {
    const isThere = { exec: { command: ['/bin/test', '-e', '/tmp/well'] }, ...quick };
    const page = { http: { port: 8080, path: '/srv/file' }, ...quick };
    await apply(
      cell('web', [
        container('main', { healthcheck: isThere }),
        shell('page', 'exec httpd -f -p 8080 -h /', { healthcheck: page }),
        container('port', { healthcheck: { tcp: { port: 8080 }, ...quick } }),
        container('none', { healthcheck: { tcp: { port: 9 }, ...quick } }),
      ]),
    );
    const status = await statusWhen(
      'web',
      now => healthOf(now, 'main') === 'unhealthy' && healthOf(now, 'none') === 'unhealthy',
    );
    expect(status).toMatchObject({ state: 'Degraded', reason: 'ContainersNotReady' });
    await statusWhen('web', now => healthOf(now, 'page') === 'healthy' && healthOf(now, 'port') === 'healthy');
    await inContainer((await pidsOf('web')).main ?? 0, 'mkdir -p /tmp; touch /tmp/well');
    await statusWhen('web', now => healthOf(now, 'main') === 'healthy');
    expect(kukeond.said.filter(({ message }) => message === 'unhealthy').map(({ why }) => why)).toContainEqual(
      expect.stringMatching(/ECONNREFUSED/),
    );
  });

  test('that is lost restarts a container, or stops it', async () => {
    const check = {
      terminationGracePeriodSeconds: 0,
      healthcheck: { exec: { command: ['/bin/test', '-e', '/well'] }, ...quick },
    };
    const well = 'touch /well; sleep 100000';
    await apply(
      cell('web', [
        container('main'),
        shell('again', well, { ...check, onUnhealthy: 'restart' }),
        shell('stops', well, { ...check, onUnhealthy: 'stop', restartPolicy: 'always' }),
      ]),
    );
    await statusWhen('web', now => healthOf(now, 'again') === 'healthy' && healthOf(now, 'stops') === 'healthy');
    const pids = await pidsOf('web');
    for (const id of ['again', 'stops']) await inContainer(pids[id] ?? 0, 'rm /well');
    const status = await statusWhen(
      'web',
      now => reasonOf(now, 'stops') === 'Unhealthy' && containerIn(now, 'again').restarts === 1,
    );
    expect(containerIn(status, 'stops')).toMatchObject({ state: 'Exited', restarts: 0 });
    await statusWhen('web', now => healthOf(now, 'again') === 'healthy');
    expect((await pidsOf('web')).main).toBe(pids.main);
  });

  test('is waited for at a start, without a supervisor too; what fails before is said', async () => {
    const slow = shell('db', 'sleep 3; touch /well; sleep 100000', {
      healthcheck: { exec: { command: ['/bin/test', '-e', '/well'] }, interval: '100ms', startPeriod: '10s' },
    });
    const needs = container('app', { dependsOn: [{ id: 'db', condition: 'healthy' }] });
    await apply(cell('web', [container('main'), slow, needs], { initContainers: [shell('first', 'echo done first')] }));
    const status = await statusWhen('web', ({ state }) => state === 'Ready');
    const started = (id: string) => Date.parse(containerIn(status, id).startedAt ?? '');
    expect(started('app') - started('db')).toBeGreaterThan(2900);
    expect(await kuke('logs', 'web', '-c', 'first').catch(String)).toContain('done first');
    const init = shell('first', 'echo no table; exit 3');
    expect(await applyFailing(1, cell('other', [container('main')], { initContainers: [init] }))).toMatch(
      /`first` ended with exit code 3; it said: no table/,
    );
    const ends = shell('db', 'exit 1', { healthcheck: { tcp: { port: 1 } } });
    expect(await applyFailing(1, cell('third', [container('main'), ends, needs]))).toContain(
      'ended before it was healthy',
    );
  });
});

test('cells in a crash loop hold up no other', async () => {
  const loop = { restartPolicy: 'on-failure', restartMaxRetries: 3 };
  const cells = Array.from({ length: 8 }, (_, index) => cell(`loop-${index}`, [shell('main', 'exit 1', loop)]));
  await apply(...cells, cell('web', [container('main', { restartPolicy: 'always' })]));
  const { main } = await pidsOf('web');
  process.kill(main ?? 0, 'SIGKILL');
  await statusWhen('web', now => now.state === 'Ready' && containerIn(now, 'main').restarts === 1);
  for (const { metadata } of cells) {
    const status = await eventually(async () => {
      const now = await statusWhen(metadata.name, ({ reason }) => reason !== undefined);
      return now.reason === 'RootExited' && now.attachments.length === 0 ? now : undefined;
    }, 60_000);
    expect(containerIn(status, 'main')).toMatchObject({ restarts: 3, exitCode: 1 });
  }
});

test('a full disk keeps a restart from being noted, and no longer than it is full', async () => {
  await apply(cell('web', [container('main', { restartPolicy: 'always' })]));
  const { main } = await pidsOf('web');
  const told = kukeond.said.length;
  await fullDisk(async () => {
    process.kill(main ?? 0, 'SIGKILL');
    await eventually(async () => kukeond.said.slice(told).find(({ level }) => level !== 'info'));
  });
  const status = await statusWhen('web', now => now.state === 'Ready' && containerIn(now, 'main').pid !== main);
  expect(containerIn(status, 'main').state).toBe('Running');
}, 120_000);

test('after a reboot what was to run does, in order; what the user has stopped does not, nor what had ended', async () => {
  const before = { dependsOn: [{ id: 'db', condition: 'started' }] };
  // Well before the reboot, and never after it.
  const once = shell('db', 'rm -f /well; [ -e /once ] || touch /well; touch /once; sleep 100000', {
    healthcheck: { exec: { command: ['/bin/test', '-e', '/well'] }, interval: '1s', retries: 1000 },
    terminationGracePeriodSeconds: 0,
  });
  const needs = container('app', { dependsOn: [{ id: 'db', condition: 'healthy' }] });
  await apply(
    cell('stuck', [container('main'), once, needs]),
    cell('later', [container('main')], { dependsOn: [{ id: 'stuck', condition: 'healthy' }] }),
    cell('db', [container('main')]),
    cell('app', [container('main'), container('side')], before),
    cell('off', [container('main', { restartPolicy: 'always' })]),
    cell('done', [shell('main', 'exit 0')]),
  );
  await kuke('stop', 'cell', 'off');
  await statusWhen('done', now => now.reason === 'Completed' && now.attachments.length === 0);
  await kukeond.kill();
  await reboot(host.containerd);
  kukeond = await startKukeond();
  for (const name of ['db', 'app']) await statusWhen(name, ({ state }) => state === 'Ready');
  const begun = () =>
    kukeond.said.filter(({ message }) => message === 'started').map(({ resource }) => resource?.split('/').at(-1));
  await eventually(async () => begun().includes('app') || undefined); // it says so once that is stored
  expect(begun().filter(name => name !== 'stuck')).toEqual(['db', 'app']);
  const stuck = await statusWhen('stuck', now => containerIn(now, 'db').state === 'Running');
  expect(reasonOf(stuck, 'app')).toBe('Waiting');
  // Nobody waits for it under the lock.
  await apply(cell('new', [container('main')]));
  await inContainer((await pidsOf('stuck')).db ?? 0, 'touch /well');
  for (const name of ['stuck', 'later']) await statusWhen(name, ({ state }) => state === 'Ready');
  await statusWhen('off', ({ state }) => state === 'Stopped');
  const { attachments, containers, ...done } = await statusWhen('done', () => true);
  expect(done).toMatchObject({ state: 'Stopped', reason: 'Completed' });
  expect([attachments, containers.filter(({ state }) => state === 'Running')]).toEqual([[], []]);
});
