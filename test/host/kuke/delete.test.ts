// containerd: once, since the order is the engine's; what goes with a namespace is held on each version by runtime-namespace.test.ts.
/** delete: what is refused, what goes along, and that nothing stays (spec.md §7). */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { containers, namespaces } from '../observe/containerd.ts';
import { type Inventory, inventory } from '../observe/inventory.ts';
import { links, ruleset } from '../observe/network.ts';
import { cgroups } from '../observe/system.ts';
import { cell, container, loadImage, manifest, pidsOf } from './cells.ts';
import { apply, failing, kuke, run } from './kuke.ts';
import { leaks, type ReadyHost, readyHost } from './ready-host.ts';

let host: ReadyHost;
let before: Inventory;
beforeAll(async () => {
  host = await readyHost();
  before = await inventory();
});
afterAll(() => host.containerd.stop());

const lab = { realmId: 'lab', spaceId: 'dmz', stackId: 'blog' };
const documents = [
  manifest('Realm', 'lab'),
  manifest('Space', 'dmz', { realmId: 'lab' }),
  manifest('Space', 'inner', { realmId: 'lab' }),
  manifest('Stack', 'blog', { realmId: 'lab', spaceId: 'dmz' }),
  manifest('Stack', 'default', { realmId: 'lab', spaceId: 'inner' }),
];
const cells = [
  cell('web', [container('main'), container('side')], lab),
  cell('db', [container('main')], lab),
  cell('job', [container('main')], { realmId: 'lab', spaceId: 'inner' }),
];

async function makeLab(): Promise<void> {
  await apply(...documents);
  await loadImage({}, 'lab');
  await apply(...cells);
}

test('what has children is not deleted; they are listed, and nothing has changed', async () => {
  await makeLab();
  const scope = ['--realm', 'lab', '--space', 'dmz', '--stack', 'blog'];
  const pids = await pidsOf('web', ...scope);
  const there = await inventory();
  const refused = async (...command: string[]) => (await failing(4, 'delete', ...command)).replace(/^error: /, '');
  expect(await refused('cell', 'web', ...scope)).toBe(
    'cell lab/dmz/blog/web: it has children: container lab/dmz/blog/web/main, container lab/dmz/blog/web/side (delete them first, or say --cascade)\n',
  );
  expect(await refused('stack', 'blog', '--realm', 'lab', '--space', 'dmz')).toContain(
    'cell lab/dmz/blog/db, cell lab/dmz/blog/web',
  );
  expect(await refused('space', 'dmz', '--realm', 'lab')).toContain('stack lab/dmz/blog');
  expect(await refused('realm', 'lab')).toMatch(/space lab\/dmz.*stack lab\/dmz\/blog.*cell lab\/inner\/default\/job/);
  expect(await pidsOf('web', ...scope)).toEqual(pids);
  expect(await leaks(there)).toEqual([]);
});

test('a stack goes with its cells, and with nothing else', async () => {
  expect(await kuke('delete', 'stack', 'blog', '--realm', 'lab', '--space', 'dmz', '--cascade')).toBe(
    'cell lab/dmz/blog/db deleted\ncell lab/dmz/blog/web deleted\nstack lab/dmz/blog deleted\n',
  );
  expect(await containers('kukeon-lab')).toEqual(['inner_default_job_root']);
  expect(cgroups().filter(path => path.startsWith('kukeon/lab/dmz'))).toEqual(['kukeon/lab/dmz']);
  expect(readdirSync('/var/log/kukeon/lab')).toEqual(['inner']);
  expect(existsSync('/opt/kukeon/lab/dmz/blog')).toBe(false);
});

test('a space takes its bridge, its range, its rules and its folder along', async () => {
  const bridge = async () =>
    (await links()).filter(({ linkinfo }) => linkinfo?.info_kind === 'bridge').map(({ ifname }) => ifname);
  const rules = async () => JSON.stringify(await ruleset());
  const { plugins } = await Bun.file('/etc/cni/net.d/lab-inner.conflist').json();
  expect(await bridge()).toContain(plugins[0].bridge);
  expect(await rules()).toContain(plugins[0].bridge);
  expect(readdirSync('/var/lib/cni/networks')).toContain('lab-inner');
  expect(await kuke('delete', 'space', 'inner', '--realm', 'lab', '--cascade')).toBe(
    'cell lab/inner/default/job deleted\nstack lab/inner/default deleted\nspace lab/inner deleted\n',
  );
  expect(await bridge()).not.toContain(plugins[0].bridge);
  expect(await rules()).not.toContain(plugins[0].bridge);
  expect(readdirSync('/var/lib/cni/networks')).not.toContain('lab-inner');
  expect(existsSync('/etc/cni/net.d/lab-inner.conflist')).toBe(false);
});

test('a realm goes with its images and its containerd namespace', async () => {
  expect(await namespaces()).toEqual(['kukeon-lab', 'kukeon-main']);
  expect(await kuke('delete', 'realm', 'lab', '--cascade')).toContain('realm lab deleted');
  expect(await namespaces()).toEqual(['kukeon-main']);
  expect(await leaks(before)).toEqual([]);
});

test('-f deletes what manifests name, in whatever order', async () => {
  await makeLab();
  const all = [...documents, ...cells].map(one => JSON.stringify(one)).join('\n---\n');
  const { status, stdout } = await run(['delete', '-f', '-', '--cascade'], { stdin: all });
  expect(status).toBe(0);
  expect(stdout.trim().split('\n')).toHaveLength(8);
  expect(stdout.match(/ deleted$/gm)).toHaveLength(8);
  expect(await leaks(before)).toEqual([]);
  const again = await run(['delete', '-f', '-', '--cascade'], { stdin: all });
  expect(again.status).toBe(3);
  expect(again.stdout.match(/ not found$/gm)).toHaveLength(8);
  expect((await run(['delete', '-f', '-', '--ignore-not-found'], { stdin: all })).status).toBe(0);
});

test('what is not there is not found', async () => {
  expect(await failing(3, 'delete', 'cell', 'nobody', '--cascade')).toContain('--ignore-not-found');
  expect(await kuke('delete', 'cell', 'nobody', '--ignore-not-found')).toBe(
    'cell main/default/default/nobody not found\n',
  );
  expect(await failing(3, 'delete', 'stack', 'nowhere')).toContain('stack main/default/nowhere');
});

test('a cell’s name in another case is that cell; one that is not there keeps none of the others', async () => {
  await apply(cell('Web'), cell('db'));
  const { status, stdout, stderr } = await run(['delete', 'cell', 'wEB', 'dB', 'bd', '--cascade']);
  expect(stdout).toBe(
    ['bd not found', 'Web deleted', 'db deleted'].map(line => `cell main/default/default/${line}\n`).join(''),
  );
  expect([status, stderr]).toEqual([3, expect.stringContaining('cell main/default/default/bd: not found')]);
  expect(await leaks(before)).toEqual([]);
});

test('usage: a kind and a name, or files', async () => {
  await failing(2, 'delete');
  await failing(2, 'delete', 'cell');
  await failing(2, 'delete', 'cell', 'a', 'b c');
  await failing(2, 'delete', 'cell', 'a', '-f', '/dev/null');
  expect(await failing(2, 'delete', 'container', 'main')).toMatch(/[Cc]ell/);
  expect(await failing(2, 'delete', 'cell', 'a', '--casade')).toContain('did you mean --cascade');
  expect(await failing(2, 'delete', 'pod', 'a')).toContain('pod');
});

test('other people’s things in a namespace or a folder keep the realm, and stay', async () => {
  await kuke('create', 'realm', 'lab');
  mkdirSync('/tmp/rootfs', { recursive: true });
  Bun.spawnSync(['ctr', '-n', 'kukeon-lab', 'containers', 'create', '--rootfs', '/tmp/rootfs', 'theirs', '/bin/true']);
  expect(await failing(4, 'delete', 'realm', 'lab', '--cascade')).toMatch(/container theirs.*ctr -n kukeon-lab/);
  expect(await containers('kukeon-lab')).toEqual(['theirs']);
  expect(await kuke('get', 'realms')).toContain('lab');
  Bun.spawnSync(['ctr', '-n', 'kukeon-lab', 'containers', 'rm', 'theirs']);
  await kuke('delete', 'realm', 'lab');
  expect(await leaks(before)).toEqual([]);
});

test('a process that somebody has moved into a container’s cgroup is named; only --force kills it', async () => {
  await apply(cell('web', [container('main')]));
  const before = await pidsOf('web');
  const stranger = Bun.spawn(['sleep', '1000']);
  writeFileSync('/sys/fs/cgroup/kukeon/main/default/default/web/web_root/cgroup.procs', `${stranger.pid}`);
  for (const what of [
    ['cell', 'web'],
    ['realm', 'main'],
  ]) {
    const refused = await failing(4, 'delete', ...what, '--cascade');
    expect(refused).toContain(
      `no container's: ${stranger.pid} (sleep 1000) in /kukeon/main/default/default/web/web_root`,
    );
  }
  expect(await pidsOf('web')).toEqual(before);
  expect(stranger.exitCode).toBeNull();
  const { stderr } = await run(['delete', 'cell', 'web', '--cascade', '--force']);
  expect(stderr).toContain(`are killed: ${stranger.pid} (sleep 1000)`);
  expect(await stranger.exited).toBe(137);
  expect(existsSync('/sys/fs/cgroup/kukeon/main/default/default/web')).toBe(false);
});
