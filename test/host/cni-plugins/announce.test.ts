/** Gratuitous ARP of an attachment made in this process: it follows the result, and is in nobody's way. */
import '../box.ts';
import { expect, test } from 'bun:test';
import { parseNetworkConfig } from '../../../src/cni/config.ts';
import { invokeNative, NATIVE } from '../../../src/cni/plugins/native.ts';
import { createCniRuntime } from '../../../src/cni/runtime.ts';
import { writeSysctl } from '../../../src/host/sysctl.ts';
import { eventually } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { difference, inventory } from '../observe/inventory.ts';

const cni = createCniRuntime({ invokers: { [NATIVE]: invokeNative }, invokerFor: () => NATIVE });
const ipam = { type: 'host-local', ranges: [[{ subnet: '10.99.0.0/24' }]] };
const network = parseNetworkConfig({
  cniVersion: '1.0.0',
  name: 'heard',
  plugins: [{ type: 'bridge', bridge: 'br-heard', isGateway: true, ipam }],
});

async function container(containerId: string) {
  await output('ip', 'netns', 'add', containerId);
  const netns = `/run/netns/${containerId}`;
  return { id: { network: 'heard', containerId, ifName: 'eth0' }, attachment: { containerId, netns, ifName: 'eth0' } };
}

test('who had the address with another MAC learns the new one', async () => {
  const [first, second] = [await container('c1'), await container('c2')];
  await cni.add(network, first.attachment);
  writeSysctl('net/ipv4/neigh/br-heard/locktime', 0);
  const stale = ['10.99.0.3', 'dev', 'br-heard'];
  await output('ip', 'neigh', 'add', ...stale, 'lladdr', '0e:00:00:00:00:99', 'nud', 'stale');
  const { interfaces } = await cni.add(network, second.attachment);
  const mac = interfaces.find(({ sandbox }) => sandbox)?.mac ?? 'none';
  await eventually(async () => (await output('ip', 'neigh', 'show', ...stale)).includes(mac) || undefined);
  for (const { id } of [first, second]) await cni.del(id);
});

test('a DEL right after an ADD leaves nothing, and an ADD after that is as the first', async () => {
  const { id, attachment } = await container('c3');
  const before = await inventory();
  for (let round = 0; round < 20; round++) {
    await cni.add(network, attachment);
    await cni.del(id);
  }
  expect(difference(before, await inventory())).toEqual([]);
});
