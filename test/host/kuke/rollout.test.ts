// containerd: once, since containers are stopped and started as by other commands
/** rollout restart, undo, history and status; apply --wait and --atomic; and events of what these did: all without kukeond. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { eventually } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { addressesOf, cell, container, getCell, pidsOf, shell, stateOf, WAIT } from './cells.ts';
import { apply, failing, kuke, type RunOptions, run, start } from './kuke.ts';
import { leaks, type ReadyHost, readyHost, removeCells } from './ready-host.ts';

let host: ReadyHost;
beforeAll(async () => {
  host = await readyHost();
});
afterEach(async () => {
  await removeCells();
  expect(await leaks(host.before)).toEqual([]);
});
afterAll(() => host.containerd.stop());

const REVISIONS = '/opt/kukeon/.kuke/revisions';
const FILE = `${REVISIONS}/main/default/default/web/cell.jsonl`;
const web = (value: string, more: object = {}) => cell('web', [container('main', { env: [`A=${value}`], ...more })]);
const envOf = async (name = 'web') => (await getCell(name)).spec.containers[0]?.env;
const NEVER = { healthcheck: { exec: { command: ['/bin/false'] }, interval: '200ms' } };

describe('restart', () => {
  test('all containers of a cell, in order, where they live; not one that is stopped', async () => {
    const well = { healthcheck: { exec: { command: ['/bin/test', '-e', '/tmp/well'] }, interval: '100ms' } };
    const slow = shell('db', `rm -f /tmp/well; sleep 0.3; touch /tmp/well; ${WAIT}`, well);
    const after = container('app', { dependsOn: [{ id: 'db', condition: 'healthy' }] });
    await apply(cell('web', [container('main'), after, slow]), cell('two'), cell('off'));
    await kuke('stop', 'cell', 'off');
    const [before, other, address] = [await pidsOf('web'), await pidsOf('two'), await addressesOf('web')];
    const netns = statSync(`/proc/${before.main}/ns/net`).ino;
    expect(await kuke('rollout', 'restart', 'web', '--dry-run')).toContain('runtime.stop');
    expect(await pidsOf('web')).toEqual(before);
    expect(await kuke('rollout', 'restart', 'web')).toBe('cell main/default/default/web restarted\n');
    const now = await pidsOf('web');
    for (const id of ['main', 'app', 'db'])
      expect([id, now[id], existsSync(`/proc/${before[id]}`)]).not.toEqual([id, before[id], true]);
    expect([await addressesOf('web'), statSync(`/proc/${now.main}/ns/net`).ino]).toEqual([address, netns]);
    const { containers } = (await getCell('web')).status;
    const startedAt = (id: string) => Date.parse(containers.find(one => one.id === id)?.startedAt ?? '');
    expect(startedAt('main')).toBeLessThanOrEqual(startedAt('db'));
    expect(startedAt('app') - startedAt('db')).toBeGreaterThanOrEqual(300); // it was not healthy before
    expect(await pidsOf('two')).toEqual(other);

    const all = await kuke('rollout', 'restart', '--all');
    expect(all).toContain('cell main/default/default/two restarted\n');
    expect(all).toContain('cell main/default/default/off unchanged\n  it does not run: `kuke start cell off`\n');
    expect((await pidsOf('two')).main).not.toBe(other.main);
    expect(await stateOf('off')).toBe('Stopped Requested');
    expect(await failing(3, 'rollout', 'restart', 'wbe')).toContain('did you mean `web`');
    expect(await failing(2, 'rollout', 'restart', 'space/default')).toContain('a space cannot be restarted');
  });

  test('as a script', async () => {
    await apply(cell('web', [container('main'), container('side')]));
    const before = await pidsOf('web');
    const script = await kuke('rollout', 'restart', 'web', '--dry-run', '--explain');
    await output('bash', '-e', '-c', script);
    const now = await pidsOf('web');
    expect([now.main === before.main, now.side === before.side, await stateOf('web')]).toEqual([false, false, 'Ready']);
  });
});

test('history and undo: what each change was, and back', async () => {
  await apply(web('1'));
  expect(await failing(3, 'rollout', 'undo', 'cell', 'web')).toContain('it has no earlier revision');
  await apply(web('2'));
  await apply(web('3', { workingDir: '/srv' }));
  const history = await kuke('rollout', 'history', 'cell', 'web');
  expect(history).toMatch(/^REVISION +WHEN +BY +COMMAND\n1 .*Z \(\d+s ago\) +root +kuke apply -f -\n2 /);
  expect(history).toContain('  spec.containers[main].workingDir: added /srv\n');
  expect(history).not.toContain('A=2'); // it may be a secret
  const shown = JSON.parse(await kuke('rollout', 'history', 'cell', 'web', '-o', 'json'));
  expect(shown).toMatchObject([
    { revision: 1, changes: [] },
    { revision: 2, by: { uid: 0, user: 'root' }, command: 'kuke apply -f -' },
    { revision: 3, changes: [{ path: 'spec.containers[main].env' }, { path: 'spec.containers[main].workingDir' }] },
  ]);
  expect(await kuke('rollout', 'history', 'cell', 'web', '--revision', '2')).toContain('A=2');
  expect(statSync(FILE).mode & 0o777).toBe(0o600);

  expect(await kuke('rollout', 'undo', 'cell', 'web', '--dry-run')).toContain('workingDir: removed');
  expect(await envOf()).toEqual(['A=3']);
  await kuke('rollout', 'undo', 'cell', 'web', '--wait');
  expect(await envOf()).toEqual(['A=2']);
  const { main = 0 } = await pidsOf('web');
  expect(readFileSync(`/proc/${main}/environ`, 'utf8')).toContain('A=2');
  await kuke('stop', 'cell', 'web');
  await kuke('rollout', 'undo', 'cell', 'web', '--to-revision', '1');
  expect([await envOf(), await stateOf('web')]).toEqual([['A=1'], 'Stopped Requested']);
  expect(JSON.parse(await kuke('rollout', 'history', 'cell', 'web', '-o', 'json'))).toHaveLength(5);
  expect(await failing(3, 'rollout', 'undo', 'cell', 'web', '--to-revision', '9')).toContain(
    'these are kept: 1, 2, 3, 4, 5',
  );
  await kuke('delete', 'cell', 'web', '--cascade');
  expect(existsSync(REVISIONS)).toBeFalse();
});

describe('apply', () => {
  const applying = (flags: string[], ...documents: object[]): [string[], RunOptions] => [
    ['apply', '-f', '-', ...flags],
    { stdin: documents.map(one => JSON.stringify(one)).join('\n---\n') },
  ];

  test('--wait: until it is healthy; what is not in time, or never will be', async () => {
    const check = { healthcheck: { exec: { command: ['/bin/test', '-e', '/tmp/well'] }, interval: '100ms' } };
    const slow = cell('web', [shell('main', `sleep 0.5; touch /tmp/well; ${WAIT}`, check)]);
    const well = await run(...applying(['--wait'], slow));
    expect(well).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('web created\ncell main/default/default/web is Ready\n'),
    });
    const { main = 0 } = await pidsOf('web');
    expect(existsSync(`/proc/${main}/root/tmp/well`)).toBeTrue();
    const late = await run(...applying(['--wait', '--timeout', '700ms'], web('1', NEVER)));
    expect(late).toMatchObject({
      status: 6,
      stderr: expect.stringMatching(/web: is not Ready after 0.7 s: .*`main` is not healthy/),
    });
    expect(await envOf()).toEqual(['A=1']);
    expect(await failing(6, 'rollout', 'status', 'web', '--timeout', '0')).toContain('is not healthy');
    const dead = await run(...applying(['--wait'], cell('dead', [shell('main', 'sleep 1; exit 3', NEVER)])));
    expect(dead).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(
        'will not become Ready: Failed: the root container `main` ended with exit code 3',
      ),
    });
    const done = await run(...applying(['--wait'], cell('job', [shell('main', 'exit 0')])));
    expect(done).toMatchObject({ status: 0 });
    // What is to run and has failed is no rest, also where an apply would leave it.
    const { cells, drift } = JSON.parse(await kuke('status', '-o', 'json'));
    expect([cells.Failed, cells.Stopped]).toEqual([1, 1]);
    expect(drift).toContainEqual({
      resource: 'cell main/default/default/dead',
      what: expect.stringContaining('dead is to run, and is Failed: '),
    });
  });

  test('--atomic: all is as it was before, and what is new is gone', async () => {
    await apply(web('1'));
    const unwell = [web('2', NEVER), cell('extra')];
    const stack = { apiVersion: 'v1beta1', kind: 'Stack', metadata: { name: 'blog' }, spec: {} };
    const ran = await run(...applying(['--atomic', '--timeout', '700ms'], stack, ...unwell));
    expect(ran).toMatchObject({ status: 6, stderr: expect.stringContaining('what was applied has been taken back') });
    expect(ran.stdout).toContain('cell main/default/default/extra deleted');
    expect([await envOf(), await stateOf('web')]).toEqual([['A=1'], 'Ready']);
    expect(await kuke('get', 'cells', '-o', 'name')).toBe('cell/web\n');
    expect(await kuke('get', 'stacks', '-o', 'name')).toBe('stack/default\n');
    const { main = 0 } = await pidsOf('web');
    expect(readFileSync(`/proc/${main}/environ`, 'utf8')).toContain('A=1');
    // What fails before anything is waited for.
    const absent = cell('extra', [
      container('main', { image: 'docker.io/library/absent:1', imagePullPolicy: 'Never' }),
    ]);
    expect(await run(...applying(['--atomic'], web('3'), absent))).toMatchObject({ status: 3 });
    expect([await envOf(), await stateOf('web')]).toEqual([['A=1'], 'Ready']);
    // What has come to nothing is none that an undo would bring back.
    expect(await failing(3, 'rollout', 'undo', 'web')).toContain('it has no earlier revision');
    expect(await run(...applying(['--atomic'], web('4')))).toMatchObject({ status: 0 });
    expect(await envOf()).toEqual(['A=4']);
  });

  test('--atomic and Ctrl-C: likewise', async () => {
    await apply(web('1'));
    const program = start(...applying(['--atomic'], web('2', NEVER), cell('extra', [container('main', NEVER)])));
    await eventually(async () => ((await stateOf('extra').catch(() => '')) === 'Ready' ? true : undefined));
    program.kill('SIGINT');
    expect(await program.exited).toBe(1);
    expect(await program.stderr.text()).toContain('what was applied has been taken back');
    expect([await envOf(), await kuke('get', 'cells', '-o', 'name')]).toEqual([['A=1'], 'cell/web\n']);
    expect(readdirSync('/opt/kukeon/.kuke/journal')).toEqual([]);
  });
});

test('events: what commands did, without kukeond, too', async () => {
  await apply(web('1'));
  const follower = start(['events', '-w', '--for', 'cell/web', '-o', 'json', '--last', '1']);
  const lines: string[] = [];
  const reading = (async () => {
    let rest = '';
    for await (const bytes of follower.stdout) {
      const parts = (rest + new TextDecoder().decode(bytes)).split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts);
    }
  })();
  const followed = (what: string) => eventually(async () => lines.find(line => JSON.parse(line).what === what), 60_000);
  await followed('created');
  await kuke('rollout', 'restart', 'web');
  await kuke('stop', 'cell', 'web');
  await kuke('start', 'cell', 'web');
  await apply(web('2'));
  await kuke('delete', 'cell', 'web', '--cascade');
  const whats = (text: string): string[] =>
    text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line).what);
  const expected = ['restarted', 'stopped', 'started', 'updated', 'deleted'];
  const told = await kuke('events', '--for', 'web', '-o', 'json', '--since', '1h');
  expect(whats(told).slice(-6)).toEqual(['created', ...expected]);
  expect(JSON.parse(told.trim().split('\n').at(-1) ?? '')).toMatchObject({
    by: 'root',
    command: 'kuke delete cell web --cascade',
  });
  expect(await kuke('events', '--last', '2')).toMatch(
    /^WHEN +EVENT +RESOURCE +WHAT\n.*Z +updated +cell .*\n.*Z +deleted +cell .*\n$/,
  );
  await failing(3, 'events', '--for', 'cell/nobody');
  await failing(2, 'events', '--since', 'yesterday');
  await followed('deleted');
  follower.kill('SIGINT');
  expect(await follower.exited).toBe(130);
  await reading;
  expect(lines.map(line => JSON.parse(line).what)).toEqual(['created', ...expected]);
});
