// containerd: once, since it is plugins of CNI that are called in process.
/** kuke on a host that has no CNI plugin as a file: its own are called in process. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { cell, container } from '../kuke/cells.ts';
import { apply, get, kuke, run } from '../kuke/kuke.ts';
import { leaks, type ReadyHost, readyHost } from '../kuke/ready-host.ts';
import { output } from '../observe/command.ts';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';

const RESULTS = '/var/lib/cni/results';
let host: ReadyHost;
let bare: Inventory;

interface Cell {
  status: { attachments: { addresses: string[]; interface: string }[]; state: string };
}

beforeAll(async () => {
  await output('mount', '-t', 'tmpfs', 'none', '/usr/lib/cni');
  await output('ip', 'netns', 'add', 'warm-up'); // makes /run/netns a mount, for good
  await output('ip', 'netns', 'delete', 'warm-up');
  bare = await inventory();
  host = await readyHost();
});
afterAll(async () => {
  await host.containerd.stop();
});

const addressOf = async (name: string): Promise<string> => {
  const { status } = await get<Cell>('cell', name);
  return status.attachments[0]?.addresses[0]?.split('/')[0] ?? '';
};

const invokers = (): string[][] =>
  readdirSync(RESULTS).map(
    name => (JSON.parse(readFileSync(`${RESULTS}/${name}`, 'utf8')) as { invokers: string[] }).invokers,
  );

test('there is none', () => {
  expect(readdirSync('/usr/lib/cni')).toEqual([]);
  expect(() => readdirSync('/opt/cni/bin')).toThrow('ENOENT');
});

test('two cells reach each other, and nothing of them stays', async () => {
  await apply(cell('one', [container('main')]), cell('two', [container('main')]));
  const [one, two] = [await addressOf('one'), await addressOf('two')];
  expect(new Set([one, two]).size).toBe(2);
  expect(
    invokers()
      .flat()
      .every(name => name === 'kuke'),
  ).toBe(true);
  expect(invokers()).toHaveLength(2);
  const [netns = ''] = (await output('ip', 'netns')).split(/\s/);
  for (const address of [one, two])
    await output('ip', 'netns', 'exec', netns, 'busybox', 'ping', '-c1', '-W5', address);
  for (const name of ['one', 'two']) await kuke('delete', 'cell', name, '--cascade', '--force');
  expect(await leaks(host.before)).toEqual([]);
  expect(readdirSync(RESULTS)).toEqual([]);
});

test('with `cniPlugins: exec` they are missed, and what was made in process is taken away in process', async () => {
  mkdirSync('/etc/kukeon', { recursive: true });
  await Bun.write('/etc/kukeon/exec.yaml', 'plugins: { cni-bridge: { cniPlugins: exec } }');
  const env = { KUKE_CONFIG: '/etc/kukeon/exec.yaml' };
  await apply(cell('one', [container('main')]));
  const second = await run(['apply', '-f', '-'], { env, stdin: JSON.stringify(cell('two', [container('main')])) });
  expect({ status: second.status, stderr: second.stderr }).toEqual({
    status: 5,
    stderr: expect.stringContaining('there is no such plugin in /opt/cni/bin, /usr/lib/cni'),
  });
  const removed = await run(['delete', 'cell', 'one', '--cascade', '--force'], { env });
  expect({ status: removed.status, stderr: removed.stderr }).toEqual({ status: 0, stderr: '' });
  expect(await leaks(host.before)).toEqual([]);
});

test('the steps are followed with KUKE_CNI_LOG', async () => {
  const env = { KUKE_CNI_LOG: '/run/cni.log' };
  await run(['apply', '-f', '-'], { env, stdin: JSON.stringify(cell('one', [container('main')])) });
  await run(['delete', 'cell', 'one', '--cascade', '--force'], { env });
  const log = readFileSync('/run/cni.log', 'utf8');
  for (const verb of ['ADD', 'DEL']) {
    expect(log).toMatch(
      new RegExp(`^\\S+ ${verb} bridge network=main-default container=\\S+ ifname=eth0 netns=\\S+ .* \\$ ip link`, 'm'),
    );
  }
});

test('after nft flush ruleset the next command puts everything back', async () => {
  const rules = async () => (await output('nft', '-s', 'list', 'ruleset')).split('\n').sort();
  await apply(cell('one', [{ ...container('main'), ports: ['8080:80', '127.0.0.1:8081:81/udp'] }]));
  const before = await rules();
  expect(before.join()).toContain('8080');
  await output('nft', 'flush', 'ruleset');
  await kuke('create', 'stack', 'other');
  expect(await rules()).toEqual(before);
  await kuke('delete', 'stack', 'other');
  await kuke('delete', 'cell', 'one', '--cascade', '--force');
  expect(await leaks(host.before)).toEqual([]);
});

test('uninstall leaves nothing, and takes installed plugins along', async () => {
  await kuke('cni', 'install');
  await kuke('cni', 'install', '--dir', '/srv/cni');
  expect(readdirSync('/srv/cni')).toHaveLength(6);
  await apply(cell('one', [container('main')]));
  await kuke('uninstall', '--yes');
  await host.containerd.stop();
  for (const folder of ['/opt/cni', '/srv/cni', '/opt/kukeon']) expect(() => readdirSync(folder)).toThrow('ENOENT');
  expect(difference(bare, await inventory(), [/containerd/, /^cgroup /])).toEqual([]);
});
