/** What `explain` gives has the effect of the action itself, typed into a shell. */
import { afterAll, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { explainUninstall } from '../../../plugins/cni-bridge/explain.ts';
import { context } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { difference, inventory } from '../observe/inventory.ts';
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
  const [one, two] = [await definition('default'), { ...(await definition('two')), subnet: '10.89.16.0/20' }];
  for (const network of [one, { ...two, gateway: '10.89.16.1' }]) {
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
  await output('nft', 'delete', 'table', 'inet', 'kukeon');
  expect(difference(before, await inventory())).toEqual([]);
});

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
