/** init tells of a host that is not ready; uninstall leaves it as it was. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { makeNetworkBackend } from '../../../plugins/cni-bridge/backend.ts';
import { uninstall } from '../../../plugins/cni-bridge/uninstall.ts';
import { context, failure } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';
import { CONFIG_PATH, cleanHost, defined, testBackend } from './backend.ts';
import { cellYaml, kernelOnNetwork, results } from './kernel.ts';

let before: Inventory;
const FORWARD = '/proc/sys/net/ipv4/ip_forward';
beforeEach(async () => {
  await output('ip', 'netns', 'add', 'warm-up'); // makes /run/netns a mount, for good
  await output('ip', 'netns', 'delete', 'warm-up');
  before = await inventory();
});
afterEach(async () => {
  for (const table of ['iptables', 'iptables-legacy']) await output(table, '-P', 'FORWARD', 'ACCEPT');
  writeFileSync(FORWARD, '0');
  await cleanHost();
});

test('init on a host without CNI plugins needs none', async () => {
  const kuke = await kernelOnNetwork({ cniPath: ['/nowhere', '/opt/none'] });
  await kuke.init();
  expect(results(await kuke.apply(cellYaml('one')))).toEqual(['created']);
  await kuke.uninstall();
  expect(difference(before, await inventory())).toEqual([]);
});

test('uninstall leaves nothing of what nobody knows of any more', async () => {
  const kuke = await kernelOnNetwork();
  await kuke.init();
  expect(results(await kuke.apply(cellYaml('one')))).toEqual(['created']);
  for (const folder of ['/var/lib/cni/results', '/var/lib/cni/networks', '/etc/cni/net.d']) {
    rmSync(folder, { recursive: true });
  }
  mkdirSync('/etc/cni/net.d');
  expect(await output('nft', 'list', 'ruleset')).toContain('elements');
  await kuke.uninstall();
  expect(difference(before, await inventory())).toEqual([]);
});

test('init on a host without those that are to be executed says which, and where it looked', async () => {
  const kuke = await kernelOnNetwork({ cniPlugins: 'exec', cniPath: ['/nowhere', '/opt/none'] });
  const error = await failure(kuke.init(), 'HostNotReady');
  expect(error.message).toBe('the CNI plugins bridge and host-local are not in /nowhere, /opt/none');
  expect(error.remedy).toContain('containernetworking-plugins');
  expect(error.exitCode).toBe(5);
  expect(difference(before, await inventory())).toEqual([]);
});

test.each(['0', '1'])('uninstall leaves nothing, and forwarding as it was (%s)', async forwarded => {
  writeFileSync(FORWARD, forwarded);
  for (const table of ['iptables', 'iptables-legacy']) await output(table, '-P', 'FORWARD', 'DROP');
  const kuke = await kernelOnNetwork();
  await kuke.init();
  expect(results(await kuke.apply(cellYaml('one') + cellYaml('two').replace(/^/, '---')))).toEqual([
    'created',
    'created',
  ]);
  expect(readFileSync(FORWARD, 'utf8')).toBe('1\n');
  expect(difference(before, await inventory())).not.toEqual([]);
  await kuke.uninstall();
  expect(readFileSync(FORWARD, 'utf8')).toBe(`${forwarded}\n`);
  expect(await output('iptables-legacy', '-S')).not.toContain('kukeon');
  expect(difference(before, await inventory())).toEqual([]);
});

describe("iptables' own tables, which executed plugins bring", () => {
  const tables = async () => (await output('nft', 'list', 'tables')).trim().split('\n').filter(Boolean).sort();
  const install = async () => {
    const kuke = await kernelOnNetwork({ cniPlugins: 'exec' });
    await kuke.init();
    expect(results(await kuke.apply(cellYaml('one')))).toEqual(['created']);
    expect(await tables()).toEqual(['table bridge kukeon', 'table inet kukeon', 'table ip nat']);
    return kuke;
  };

  test('that came with the cells go with kuke, on a host that had none', async () => {
    await output('nft', 'flush', 'ruleset');
    await (await install()).uninstall();
    expect(await tables()).toEqual([]);
  });

  test.each<[string, boolean]>([
    ['with the chains of portmap', true],
    ['but not while somebody publishes ports by them', false],
  ])('that came with published ports go as well, %s', async (_, isAlone) => {
    await output('nft', 'flush', 'ruleset');
    const { host, backend } = testBackend({ config: { cniPlugins: 'exec' } });
    const { name, configPath } = await defined(backend, 'default');
    const ports = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' as const }];
    const netns = '/run/netns/kuke-cell';
    await backend.open({ path: netns }, context());
    await backend.attach({ name, configPath, netns, interface: 'eth0', attachmentId: 'cell', ports }, context());
    expect(await output('iptables', '-t', 'nat', '-S')).toContain('--dports 8080');
    if (!isAlone) await output('iptables', '-t', 'nat', '-A', 'CNI-HOSTPORT-DNAT', '-p', 'tcp', '-j', 'RETURN');
    await uninstall(host, context());
    expect(await tables()).toEqual(isAlone ? [] : ['table ip nat']);
  });

  test('that were there before stay', async () => {
    await output('nft', 'flush', 'ruleset');
    await output('nft', 'add', 'table', 'ip', 'nat');
    expect(await tables()).toEqual(['table ip nat']);
    await (await install()).uninstall();
    expect(await tables()).toEqual(['table ip nat']);
  });

  test.each([
    ['a rule', ['iptables', '-t', 'nat', '-A', 'POSTROUTING', '-j', 'ACCEPT']],
    ['a chain', ['iptables', '-t', 'nat', '-N', 'MINE']],
    ['a policy', ['nft', 'add', 'chain', 'ip', 'nat', 'POSTROUTING', '{ policy drop; }']],
    ['a set', ['nft', 'add', 'set', 'ip', 'nat', 'mine', '{ type ipv4_addr; }']],
  ])('into which somebody has put %s stay', async (_, command) => {
    await output('nft', 'flush', 'ruleset');
    const kuke = await install();
    await output(...(command as [string, ...string[]]));
    await kuke.uninstall();
    expect(await tables()).toEqual(['table ip nat']);
  });
});

test('uninstall finds what nobody has a record of any more', async () => {
  const kuke = await kernelOnNetwork();
  await kuke.init();
  await kuke.apply(cellYaml('one'));
  rmSync(`${CONFIG_PATH}/main-default.conflist`);
  await output('ip', 'netns', 'delete', (await output('ip', 'netns')).split(' ')[0] ?? '');
  rmSync('/var/lib/cni/networks/main-default', { recursive: true });
  await output('nft', 'delete', 'table', 'inet', 'kukeon');
  await kuke.uninstall();
  expect(difference(before, await inventory())).toEqual([]);
});

test('a folder for conflists is on record before it is there', async () => {
  const { host, backend } = testBackend();
  const { notes: _, ...definition } = await backend.choose({
    realm: 'main',
    space: 'x',
    configPath: '/srv/kuke/net.d',
  });
  const killed = makeNetworkBackend({
    ...host,
    state: {
      ...host.state,
      async update(change) {
        await host.state.update(change);
        if ('/srv/kuke/net.d' in (await host.state.read()).folders) throw new Error('killed');
      },
    },
  });
  expect((await failure(killed.define(definition, context()))).message).toContain('killed');
  expect(existsSync('/srv/kuke')).toBe(false);
  expect((await host.state.read()).folders).toEqual({ '/srv/kuke/net.d': { made: '/srv/kuke' } });
  // What was made before it was killed a little later, is found by that.
  mkdirSync('/srv/kuke/net.d', { recursive: true });
  await uninstall(host, context());
  expect(existsSync('/srv/kuke')).toBe(false);
});

test('a folder that was made for conflists goes with the last of them', async () => {
  const kuke = await kernelOnNetwork();
  await kuke.init();
  const space = `
apiVersion: v1beta1
kind: Space
metadata: { name: far }
spec: { realmId: main, cniConfigPath: /srv/kuke/cni/net.d }
`;
  expect(results(await kuke.apply(space))).toEqual(['created']);
  expect(existsSync('/srv/kuke/cni/net.d/main-far.conflist')).toBe(true);
  await kuke.uninstall();
  expect(existsSync('/srv/kuke')).toBe(false);
  expect(existsSync(CONFIG_PATH)).toBe(true);
});
