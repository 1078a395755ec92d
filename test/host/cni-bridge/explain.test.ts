/** What `explain` gives has the effect of the action itself, typed into a shell. */
import { afterAll, describe, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { explainUninstall } from '../../../plugins/cni-bridge/explain.ts';
import { context } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { difference, inventory } from '../observe/inventory.ts';
import { addresses } from '../observe/network.ts';
import { CONFIG_PATH, cleanHost, INSTANCE, testBackend } from './backend.ts';

const { backend, host, runPath } = testBackend();
const type = (commands: string) => output('sh', '-ec', commands);
const definition = async (space: string) => {
  const { notes: _, ...chosen } = await backend.choose({ realm: 'main', space });
  return chosen;
};
afterAll(cleanHost);

test('networks are defined and removed by hand as kuke does it', async () => {
  mkdirSync(`${runPath}/.kuke`, { recursive: true });
  writeFileSync(`${runPath}/.kuke/instance`, `${INSTANCE}\n`);
  await output('ip', 'netns', 'add', 'warm-up');
  await output('ip', 'netns', 'delete', 'warm-up');
  const before = await inventory();
  const one = await definition('default');
  const { notes: _, ...two } = await backend.choose({
    realm: 'main',
    space: 'two',
    subnets: ['10.89.16.0/20', 'fd00:16::/64'],
  });
  for (const network of [one, two]) {
    await type(backend.explain('define', network));
    const path = `${CONFIG_PATH}/${network.name}.conflist`;
    const text = readFileSync(path, 'utf8');
    expect(await backend.observe({ configPaths: [CONFIG_PATH] })).toMatchObject({
      networks: expect.arrayContaining([{ ...network, ours: true, bridgeExists: false, enforced: true }]),
    });
    await backend.define(network, context());
    expect(readFileSync(path, 'utf8')).toBe(text);
  }
  for (const network of [one, two]) {
    await output('ip', 'link', 'add', network.bridge, 'type', 'bridge');
    await type(backend.explain('remove', network));
  }
  for (const family of ['inet', 'bridge']) await output('nft', 'delete', 'table', family, 'kukeon');
  expect(difference(before, await inventory())).toEqual([]);
});

describe.each(['built-in', 'exec'] as const)(
  'cells are attached and detached by hand, by plugins that are %s',
  cniPlugins => {
    const other = testBackend({ runPath, config: { cniPlugins } }).backend;
    const netns = '/run/netns/kuke-cell';
    const inside = async () => {
      const given = (await addresses('kuke-cell')).filter(
        ({ ifname, scope }) => ifname === 'eth0' && scope === 'global',
      );
      return given.map(({ local, prefixlen }) => `${local}/${prefixlen}`);
    };

    test('as kuke does it', async () => {
      writeFileSync(
        '/usr/local/bin/kuke',
        `#!/bin/sh\nexec ${process.execPath} ${import.meta.dir}/../../../src/main.ts\n`,
      );
      chmodSync('/usr/local/bin/kuke', 0o755);
      const network = await definition('default');
      await other.define(network, context());
      await other.open({ path: netns }, context());
      // Without a result of its ADD the reference portmap takes nothing back.
      const published = { hostPort: 8080, containerPort: 80, protocol: 'tcp' as const };
      const ports = cniPlugins === 'exec' ? [] : [published];
      const request = {
        ...network,
        netns,
        interface: 'eth0',
        attachmentId: 'by-hand',
        addresses: ['10.88.0.77/16'],
        ports,
      };
      await other.attach({ ...request, attachmentId: 'first' }, context());
      await other.detach({ ...request, attachmentId: 'first' }, context());
      const without = await inventory();

      await type(other.explain('attach', request));
      expect(await inside()).toEqual(['10.88.0.77/16']);
      const made = difference(without, await inventory());
      await other.detach(request, context());
      expect(difference(without, await inventory())).toEqual([]);

      await other.attach(request, context());
      // The reference plugin makes up names; what kuke alone does is to remember the result.
      const alike = (lines: string[]) => lines.filter(line => !/^\+ (?:link veth|file .*\/results\/)|CNI-/.test(line));
      expect(alike(difference(without, await inventory()))).toEqual(alike(made));
      await type(other.explain('detach', request));
      expect(await inside()).toEqual([]);
      expect(difference(without, await inventory())).toEqual([]);
      await other.close({ path: netns }, context());
      await other.remove(network, context());
    });
  },
);

test('what uninstall removes goes by hand, and tables that others use stay', async () => {
  await backend.define(await definition('default'), context());
  writeFileSync(`${runPath}/.kuke/instance`, `${INSTANCE}\n`);
  await output('iptables', '-t', 'nat', '-N', 'MADE');
  await output('iptables', '-t', 'nat', '-A', 'POSTROUTING', '-j', 'MADE');
  const uninstall = () => type(explainUninstall(host));
  await uninstall();
  expect(await output('nft', 'list', 'tables')).toBe('table ip nat\n');
  expect(existsSync(`${CONFIG_PATH}/main-default.conflist`)).toBe(false);
  await output('iptables', '-t', 'nat', '-F');
  await output('iptables', '-t', 'nat', '-X');
  // What the reference portmap has made for all ports is nobody's, but a port is.
  for (const chain of ['DNAT', 'MASQ']) await output('iptables', '-t', 'nat', '-N', `CNI-HOSTPORT-${chain}`);
  const dnat = ['-j', 'CNI-HOSTPORT-DNAT'];
  await output('iptables', '-t', 'nat', '-A', 'PREROUTING', '-m', 'addrtype', '--dst-type', 'LOCAL', ...dnat);
  await output('iptables', '-t', 'nat', '-A', 'CNI-HOSTPORT-MASQ', '-m', 'mark', '--mark', '1', '-j', 'MASQUERADE');
  await output('iptables', '-t', 'nat', '-A', 'CNI-HOSTPORT-DNAT', '-p', 'tcp', '-j', 'RETURN');
  await output('nft', 'add', 'table', 'inet', 'kukeon');
  await uninstall();
  expect(await output('nft', 'list', 'tables')).toBe('table ip nat\n');
  await output('iptables', '-t', 'nat', '-F', 'CNI-HOSTPORT-DNAT');
  await output('nft', 'add', 'table', 'inet', 'kukeon');
  await uninstall();
  expect(await output('nft', 'list', 'tables')).toBe('');
});

test('namespaces are opened and closed by hand as kuke does it', async () => {
  const path = '/run/netns/kuke-by-hand';
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  await type(backend.explain('open', { path }));
  expect((await backend.observe({ configPaths: [] })).namespaces).toEqual([path]);
  expect(await output('ip', '-n', 'kuke-by-hand', 'link')).toContain('LOOPBACK,UP');
  expect(await output('ip', 'netns', 'exec', 'kuke-by-hand', 'cat', '/proc/sys/net/ipv4/ip_forward')).toBe('0\n');
  await type(backend.explain('close', { path }));
  expect((await backend.observe({ configPaths: [] })).namespaces).toEqual([]);
});
