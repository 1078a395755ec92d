// containerd: once, since the lock and the order are kuke's; client-load.test.ts and the runtime's suite ask much of each version at once.
/** Several kukes at once take turns and converge (spec.md §7), and one apply brings cells up side by side. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { eventually } from '../../suites/contract.ts';
import { containers } from '../observe/containerd.ts';
import { type Inventory, inventory } from '../observe/inventory.ts';
import { networkNamespaces } from '../observe/network.ts';
import { addressesOf, cell, container, getCell, logged, shell, stateOf } from './cells.ts';
import { apply, failing, kuke, type Ran, run, start, tryApply } from './kuke.ts';
import { leaks, type ReadyHost, readyHost, removeCells } from './ready-host.ts';

const JOURNAL = '/opt/kukeon/.kuke/journal';

let host: ReadyHost;
let before: Inventory;
beforeAll(async () => {
  host = await readyHost();
  before = await inventory();
});
afterEach(async () => {
  await removeCells();
  expect(await leaks(before)).toEqual([]);
  expect(existsSync(JOURNAL) ? readdirSync(JOURNAL) : []).toEqual([]);
});
afterAll(() => host.containerd.stop());

const twenty = Array.from({ length: 20 }, (_, index) => index);
const codes = (ran: Ran[]) => ran.map(({ status }) => status);

test('twenty kukes on twenty cells', async () => {
  const ran = await Promise.all(twenty.map(index => tryApply(cell(`web${index}`))));
  expect(
    ran.map(({ status, stdout, stderr }) => ({ status, stdout, stderr: stderr.replace(/^waiting for .*\n/gm, '') })),
  ).toEqual(
    twenty.map(index => ({ status: 0, stdout: `cell main/default/default/web${index} created\n`, stderr: '' })),
  );
  expect(await containers('kukeon-main')).toHaveLength(20);
  const all = await Promise.all(twenty.map(index => addressesOf(`web${index}`)));
  expect(new Set(all.flat()).size).toBe(20);
  expect(await kuke('get', 'cells')).toMatch(/(?:web\d+ +Ready +1\/1 .*\n){20}/);
});

test('twenty kukes with one cell: one creates it, for the others it is unchanged', async () => {
  const ran = await Promise.all(twenty.map(() => tryApply(cell('web', [container('main'), container('side')]))));
  expect(ran.map(({ stdout }) => stdout.trim().replace(/^.* /, '')).sort()).toEqual([
    'created',
    ...Array(19).fill('unchanged'),
  ]);
  expect(codes(ran)).toEqual(Array(20).fill(0));
  expect(await containers('kukeon-main')).toHaveLength(2);
  expect(await networkNamespaces()).toHaveLength(1);
});

test('ten kukes that want different things of one cell fail clearly or not at all, and what is said last holds', async () => {
  const web = (value: number) => cell('web', [container('main'), container('side', { env: [`A=${value}`] })]);
  await apply(web(0));
  const ran = await Promise.all([
    ...[1, 2, 3].map(value => tryApply(web(value))),
    ...['stop', 'start', 'kill', 'start'].map(verb => run([verb, 'cell', 'web'])),
    run(['delete', 'cell', 'web', '--cascade']),
    run(['delete', 'cell', 'web', '--cascade']),
    tryApply(web(4)),
  ]);
  for (const { status, stderr } of ran) {
    expect<(number | null)[]>([0, 3]).toContain(status);
    if (status === 3) expect(stderr).toMatch(/cell main\/default\/default\/web: not found/);
  }
  await apply({ ...web(5), spec: { ...web(5).spec, desiredState: 'running' } });
  expect(await stateOf('web')).toBe('Ready');
  expect(await containers('kukeon-main')).toHaveLength(2);
});

const STUBBORN = 'trap "" TERM; echo ready; while :; do sleep 0.05; done';

test('who waits is told after a second for whom, and may give up; who reads does not wait', async () => {
  await apply(cell('slow', [shell('main', STUBBORN)]));
  await logged('slow', 'main', /ready/);
  const holder = start(['stop', 'cell', 'slow', '--timeout', '1h']);
  const [lock = ''] = readdirSync('/run/kukeon').filter(name => name.endsWith('.lock'));
  await eventually(async () =>
    (await Bun.file(`/run/kukeon/${lock}`).text()).startsWith(`${holder.pid} `) ? true : undefined,
  );
  expect(await Bun.file(`/run/kukeon/${lock}`).text()).toBe(`${holder.pid} kuke stop cell slow --timeout 1h\n`);

  const waiting = start(['create', 'stack', 'waits']);
  const { value } = await waiting.stderr.getReader().read();
  expect(new TextDecoder().decode(value)).toBe(
    `waiting for another kuke to end: pid ${holder.pid}, kuke stop cell slow --timeout 1h\n`,
  );
  expect(await failing(6, 'create', 'stack', 'other', '--lock-timeout', '100ms')).toMatch(
    new RegExp(`still held after 100 ms by pid ${holder.pid}.*--lock-timeout`),
  );
  expect(await kuke('get', 'cells')).toContain('slow');
  expect(await kuke('image', 'ls')).toContain('test:1');
  expect(holder.exitCode).toBeNull();
  expect(waiting.exitCode).toBeNull();

  // Ctrl-C ends the stopping, which is then gone on with by whoever comes next.
  holder.kill('SIGINT');
  expect(await holder.exited).toBe(1);
  expect(await holder.stderr.text()).toContain('try again');
  expect(await waiting.exited).toBe(0);
  await kuke('delete', 'stack', 'waits');
});

/** Commands that all wait for the lock, and then get it one after another. */
async function afterOneAnother(...commands: { args: string[]; stdin?: string }[]): Promise<Ran[]> {
  const [lock = ''] = readdirSync('/run/kukeon').filter(name => name.endsWith('.lock'));
  const holder = Bun.spawn(['flock', `/run/kukeon/${lock}`, 'sh', '-c', 'echo held; cat'], {
    stdin: 'pipe',
    stdout: 'pipe',
  });
  await holder.stdout.getReader().read();
  const waiting: Promise<Ran>[] = [];
  for (const { args, ...options } of commands) {
    const program = start(args, options);
    const [told, stderr] = program.stderr.tee();
    expect(new TextDecoder().decode((await told.getReader().read()).value)).toContain('waiting for another kuke');
    const ran = Promise.all([program.stdout.text(), new Response(stderr).text(), program.exited]);
    waiting.push(ran.then(([stdout, stderr, status]) => ({ status, stdout, stderr })));
  }
  holder.stdin.end();
  await holder.exited;
  return Promise.all(waiting);
}

test('stop and kill keep what an apply has changed while they waited, and make nothing of what was deleted', async () => {
  const web = (value: number) => cell('web', [container('main', { env: [`V=${value}`] })]);
  for (const verb of ['stop', 'kill']) {
    await apply({ ...web(1), spec: { ...web(1).spec, desiredState: 'running' } });
    const ran = await afterOneAnother(
      { args: ['apply', '-f', '-'], stdin: JSON.stringify(web(2)) },
      { args: [verb, 'cell', 'web'] },
    );
    expect(codes(ran)).toEqual([0, 0]);
    const { spec, status } = await getCell('web');
    expect(spec).toMatchObject({ desiredState: 'stopped', containers: [{ env: ['V=2'] }] });
    expect(status.state).toBe('Stopped');
  }
  const [deleted, started] = await afterOneAnother(
    { args: ['delete', 'cell', 'web', '--cascade'] },
    { args: ['start', 'cell', 'web'] },
  );
  expect(deleted?.status).toBe(0);
  // Whichever came first.
  expect([0, 3]).toContain(started?.status ?? -1);
  expect(await kuke('get', 'cells', '-o', 'name')).toBe('');
});

test('one apply brings cells up side by side', async () => {
  // A plugin that waits in ADD until it has been called for two cells; alone it gives up.
  mkdirSync('/usr/local/met');
  mkdirSync('/usr/local/meeting');
  writeFileSync(
    '/usr/local/meeting/bridge',
    `#!/bin/bash
if [ "$CNI_COMMAND" = ADD ]; then
  touch "/usr/local/met/$CNI_CONTAINERID"
  for _ in {1..500}; do set -- /usr/local/met/*; [ $# -ge 2 ] && break; sleep 0.02; done
  [ $# -ge 2 ] || { echo '{"cniVersion":"1.0.0","code":100,"msg":"nobody came"}'; exit 1; }
fi
exec /usr/lib/cni/bridge
`,
  );
  chmodSync('/usr/local/meeting/bridge', 0o755);
  writeFileSync('/tmp/executing.yaml', 'plugins: { cni-bridge: { cniPlugins: exec } }');
  const { status, stdout, stderr } = await run(['apply', '-f', '-'], {
    stdin: JSON.stringify({ apiVersion: 'v1beta1', kind: 'List', items: [cell('one'), cell('two')] }),
    env: { CNI_PATH: '/usr/local/meeting:/usr/lib/cni', KUKE_CONFIG: '/tmp/executing.yaml' },
  });
  expect({ status, stdout, stderr }).toEqual({
    status: 0,
    stdout: 'cell main/default/default/one created\ncell main/default/default/two created\n',
    stderr: '',
  });
  expect(readdirSync('/usr/local/met')).toHaveLength(2);
  expect(existsSync('/usr/lib/cni/bridge')).toBe(true);
});
