/** What must not leak from a cell to the host, or be taken away with it. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type Containerd, startContainerd } from '../containerd.ts';
import { cell, container, loadImage, shell, WAIT } from './cells.ts';
import { apply, kuke, run } from './kuke.ts';

// containerd: once, since nothing here depends on its version
let containerd: Containerd | undefined;
beforeAll(async () => {
  mkdirSync('/opt/kukeon/.kuke/plugins/mine', { recursive: true });
  writeFileSync('/opt/kukeon/.kuke/plugins/mine/README', 'x');
  // With systemd there, it is systemd's business to start containerd, and init refuses.
  mkdirSync('/run/systemd/system', { recursive: true });
});
afterAll(() => containerd?.stop());

test('an init that fails leaves the plugins that lie there, and nothing of its own', async () => {
  expect((await run(['init'])).status).toBe(5);
  expect(existsSync('/opt/kukeon/.kuke/plugins/mine/README')).toBe(true);
  expect(existsSync('/opt/kukeon/.kuke/instance')).toBe(false);
  expect(existsSync('/opt/kukeon/.kuke/journal')).toBe(false);
  rmSync('/opt/kukeon', { recursive: true });
  expect((await run(['init'])).status).toBe(5);
  expect(existsSync('/opt/kukeon')).toBe(false);
  rmSync('/run/systemd', { recursive: true });
  containerd = await startContainerd();
  await kuke('init');
  await loadImage();
});

test('a container on the host’s network cannot change the host’s files', async () => {
  const [hosts, resolv] = ['/etc/hosts', '/etc/resolv.conf'].map(path => readFileSync(path, 'utf8'));
  const script = `cat /etc/hosts; for f in hosts resolv.conf; do echo "6.6.6.6 evil" >> /etc/$f; done; echo written; ${WAIT}`;
  await apply(cell('hn', [shell('main', script, { hostNetwork: true })]));
  await kuke('stop', 'cell', 'hn');
  const log = readFileSync('/var/log/kukeon/main/default/default/hn/main.log', 'utf8');
  expect(log).toContain('written');
  expect(log).toStartWith(hosts ?? '-');
  await kuke('delete', 'cell', 'hn', '--cascade');
  expect(readFileSync('/etc/hosts', 'utf8')).toBe(hosts ?? '');
  expect(readFileSync('/etc/resolv.conf', 'utf8')).toBe(resolv ?? '');
});

test('a container that is taken out of a cell with the same change that stops it gets its stop signal', async () => {
  mkdirSync('/tmp/out');
  const script = 'trap "echo ok > /out/ok; exit 0" TERM; echo > /out/ready; sleep 100000 & wait';
  const volumes = [{ kind: 'bind', source: '/tmp/out', target: '/out' }];
  await apply(cell('g', [container('main'), shell('side', script, { volumes })]));
  while (!existsSync('/tmp/out/ready')) await Bun.sleep(20);
  const stopped = cell('g', [container('main')], { desiredState: 'stopped' });
  expect((await run(['apply', '-f', '-'], { stdin: JSON.stringify(stopped) })).status).toBe(0);
  expect(existsSync('/tmp/out/ok')).toBe(true);
  await kuke('delete', 'cell', 'g', '--cascade');
});

test('a manifest whose environment may hold credentials is for root alone', async () => {
  await apply(cell('c', [container('main', { env: ['DATABASE_URL=postgres://u:pw@db/x'] })]));
  expect(statSync('/opt/kukeon/main/default/default/c/cell.yaml').mode & 0o077).toBe(0);
  await kuke('delete', 'cell', 'c', '--cascade');
});

test('a relative path in the configuration is refused, whatever lies in the current folder', async () => {
  mkdirSync('/etc/kukeon', { recursive: true });
  writeFileSync('/etc/kukeon/kuke.yaml', 'pluginsPath: plugins\n');
  const { status, stderr } = await run(['get', 'cells']);
  rmSync('/etc/kukeon', { recursive: true });
  expect(status).toBe(2);
  expect(stderr).toContain('pluginsPath: must be an absolute path');
});

test('a cell whose folder somebody removed is in nobody’s way: uninstall takes along what is left of it', async () => {
  await apply(cell('lost'));
  rmSync('/opt/kukeon/main/default/default/lost', { recursive: true });
  expect(await kuke('uninstall', '--yes')).toContain('kuke has left this host');
  expect(Bun.spawnSync(['ctr', 'namespaces', 'ls', '-q']).stdout.toString()).toBe('');
  expect(Bun.spawnSync(['ip', 'netns']).stdout.toString()).toBe('');
  expect(existsSync('/opt/kukeon')).toBe(false);
});
