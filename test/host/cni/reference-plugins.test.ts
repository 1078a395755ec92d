/** The runtime with Debian's reference plugins, its effects seen from outside. */
import { afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { listCached } from '../../../src/cni/cache.ts';
import { parseNetworkConfig } from '../../../src/cni/config.ts';
import { CniError } from '../../../src/cni/errors.ts';
import { createCniRuntime } from '../../../src/cni/runtime.ts';
import { output } from '../observe/command.ts';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';
import { addresses, links, ruleset } from '../observe/network.ts';

const cni = createCniRuntime();
const leases = '/var/lib/cni/networks/test';
const results = '/var/lib/cni/results';

const ipam = { type: 'host-local', ranges: [[{ subnet: '10.77.0.0/24' }]], routes: [{ dst: '0.0.0.0/0' }] };
const bridge = {
  type: 'bridge',
  bridge: 'br-test',
  isGateway: true,
  ipMasq: true,
  capabilities: { ips: true, mac: true },
  ipam,
};
const portmap = { type: 'portmap', capabilities: { portMappings: true } };

const mapping = (hostPort: number) => ({ hostPort, containerPort: 80, protocol: 'tcp' });

function network(plugins: Record<string, unknown>[], cniVersion = '1.0.0') {
  return parseNetworkConfig({ cniVersion, name: 'test', plugins });
}

const attachment = (containerId: string) => ({ containerId, netns: `/run/netns/${containerId}`, ifName: 'eth0' });
const id = (containerId: string) => ({ network: 'test', containerId, ifName: 'eth0' });

async function failure(operation: Promise<unknown>): Promise<CniError> {
  const outcome = await operation.catch((error: unknown) => error);
  if (!(outcome instanceof CniError)) throw new Error(`expected a CniError, got ${JSON.stringify(outcome)}`);
  return outcome;
}

/** Rules that tell of a container: the reference plugins put its id or address in. */
const rulesAbout = async (what: string) => (await ruleset()).filter(entry => JSON.stringify(entry).includes(what));

// One for each test: what the reference plugins leave after a failed DEL would meet the next attachment of the same id.
const containers = Array.from({ length: 10 }, (_, index) => `c${index}`);
let before: Inventory;
beforeAll(async () => {
  for (const name of containers) await output('ip', 'netns', 'add', name);
  // What these plugins leave for the next time, by design: the bridge, chains, the lock.
  const chain = network([bridge, portmap, { type: 'firewall' }]);
  await cni.add(chain, { ...attachment('c9'), capabilityArgs: { portMappings: [mapping(9)] } });
  await cni.del(id('c9'));
  before = await inventory();
});
afterEach(async () => {
  // Only where a test failed is there anything.
  for (const attached of listCached(results).attachments) await cni.del(attached);
});

describe('bridge, portmap and firewall', () => {
  const chain = network([bridge, portmap, { type: 'firewall' }]);
  const portMappings = [mapping(8080)];

  test('ADD gives an address, DEL takes all of it away', async () => {
    const result = await cni.add(chain, { ...attachment('c1'), capabilityArgs: { portMappings } });
    const [ip] = result.ips;
    const address = ip?.address.split('/')[0] ?? '';
    expect(ip).toMatchObject({ address: expect.stringMatching(/^10\.77\.0\.\d+\/24$/), gateway: '10.77.0.1' });
    expect(result.interfaces.map(link => link.sandbox)).toEqual([undefined, undefined, '/run/netns/c1']);
    expect((await addresses('c1')).filter(one => one.ifname === 'eth0' && one.family === 'inet')).toMatchObject([
      { local: address, prefixlen: 24 },
    ]);
    const veth = (await links()).find(link => link.ifname === result.interfaces[1]?.name);
    expect(veth).toMatchObject({ master: 'br-test', address: result.interfaces[1]?.mac });
    expect(readFileSync(`${leases}/${address}`, 'utf8')).toBe('c1\r\neth0');
    expect(await rulesAbout('8080')).not.toEqual([]);
    expect(await rulesAbout(address)).not.toEqual([]);
    expect(readdirSync(results)).toEqual(['test-c1-eth0']);

    expect(await cni.del(id('c1'))).toEqual({ by: 'result' });
    expect(difference(before, await inventory())).toEqual([]);
    expect(await cni.del(id('c1'), { fallback: { network: chain } })).toEqual({ by: 'fallback' });
    expect(difference(before, await inventory())).toEqual([]);
  });

  test('CHECK agrees until something is missing', async () => {
    // Without portmap: that of Debian 12 finds fault with every attachment that has no IPv6 address.
    const { ips } = await cni.add(network([bridge, { type: 'firewall' }]), attachment('c2'));
    await cni.check(id('c2'));
    const address = ips[0]?.address ?? '';
    await output('ip', '-n', 'c2', 'addr', 'del', address, 'dev', 'eth0');
    const error = await failure(cni.check(id('c2')));
    expect(error).toMatchObject({ reason: 'plugin-error', failure: { plugin: 'bridge', command: 'CHECK' } });
    expect(error.message).toContain(address.split('/')[0] ?? '');
    // The plugin finds its masquerading rules by the address on the interface, and would leave them.
    await output('ip', '-n', 'c2', 'addr', 'add', address, 'dev', 'eth0');
    await cni.del(id('c2'));
    expect(difference(before, await inventory())).toEqual([]);
  });

  test('a plugin that fails at the end of the chain: what the others made is undone', async () => {
    const reversed = network([bridge, { type: 'firewall' }, portmap]);
    const tooHigh = [mapping(70000)];
    const error = await failure(cni.add(reversed, { ...attachment('c3'), capabilityArgs: { portMappings: tooHigh } }));
    expect(error.failure).toMatchObject({ plugin: 'portmap', command: 'ADD', msg: expect.stringContaining('70000') });
    expect(difference(before, await inventory())).toEqual([]);
    expect(await links('c3')).toHaveLength(1);
  });

  test('DEL when the netns is gone, and once more', async () => {
    const plain = network([{ ...bridge, ipMasq: false }, { type: 'firewall' }]);
    const { ips } = await cni.add(plain, attachment('c4'));
    const lease = `${leases}/${ips[0]?.address.split('/')[0]}`;
    expect(existsSync(lease)).toBe(true);
    await output('ip', 'netns', 'del', 'c4');
    expect(await cni.del(id('c4'), { netns: '' })).toEqual({ by: 'result' });
    expect(existsSync(lease)).toBe(false);
    expect(await cni.del(id('c4'), { netns: '', fallback: { network: plain } })).toEqual({ by: 'fallback' });
    await output('ip', 'netns', 'add', 'c4');
    expect(difference(before, await inventory())).toEqual([]);
  });

  test('address and MAC as asked for through capabilities', async () => {
    const capabilityArgs = { ips: ['10.77.0.200/24'], mac: '0e:11:22:33:44:55', portMappings };
    const result = await cni.add(chain, { ...attachment('c5'), capabilityArgs });
    expect(result.ips[0]?.address).toBe('10.77.0.200/24');
    expect((await links('c5')).find(link => link.ifname === 'eth0')?.address).toBe('0e:11:22:33:44:55');
    const taken = await failure(cni.add(chain, { ...attachment('c8'), capabilityArgs: { ips: ['10.77.0.200/24'] } }));
    expect(taken).toMatchObject({ reason: 'plugin-error', message: expect.stringContaining('10.77.0.200') });
    expect((await addresses('c5')).some(one => one.local === '10.77.0.200')).toBe(true);
    await cni.del(id('c5'));
    expect(difference(before, await inventory())).toEqual([]);
  });
});

test('ten at once on one network', async () => {
  const chain = network([bridge]);
  const added = await Promise.all(containers.map(name => cni.add(chain, attachment(name))));
  const given = added.map(result => result.ips[0]?.address);
  expect(new Set(given).size).toBe(10);
  const inside = await Promise.all(containers.map(name => addresses(name)));
  expect(inside.map(all => all.find(one => one.ifname === 'eth0' && one.family === 'inet')?.local)).toEqual(
    given.map(address => address?.split('/')[0]),
  );
  expect(listCached(results).attachments).toHaveLength(10);
  await Promise.all(containers.map(name => cni.check(id(name))));
  await Promise.all(containers.map(name => cni.del(id(name))));
  expect(difference(before, await inventory())).toEqual([]);
});

test('loopback', async () => {
  const net = parseNetworkConfig({ cniVersion: '1.0.0', name: 'lo', type: 'loopback' });
  await cni.add(net, { ...attachment('c6'), ifName: 'lo' });
  expect((await links('c6'))[0]?.flags).toContain('UP');
  await cni.check({ ...id('c6'), network: 'lo', ifName: 'lo' });
  await cni.del({ ...id('c6'), network: 'lo', ifName: 'lo' });
  expect((await links('c6'))[0]?.flags).not.toContain('UP');
  expect(readdirSync(results)).toEqual([]);
});

test('version 0.3.1: no CHECK, and DEL works without a prevResult', async () => {
  await cni.add(network([bridge, portmap], '0.3.1'), attachment('c7'));
  const cached: { result: unknown } = JSON.parse(readFileSync(`${results}/test-c7-eth0`, 'utf8'));
  expect(cached.result).toMatchObject({ cniVersion: '0.3.1', ips: [{ version: '4' }] });
  expect(await failure(cni.check(id('c7')))).toMatchObject({ reason: 'unsupported' });
  await cni.del(id('c7'));
  expect((await links('c7')).map(link => link.ifname)).toEqual(['lo']);
});

test('version 1.1.0 is refused by these plugins in their own words', async () => {
  const error = await failure(cni.add(network([bridge], '1.1.0'), attachment('c1')));
  expect(error).toMatchObject({ reason: 'plugin-error', code: 1, codeName: 'incompatible CNI version' });
  expect(error.message).toStartWith(
    'CNI ADD, network test, plugin bridge: incompatible CNI versions; config is "1.1.0", plugin supports ["0.1.0" ',
  );
  expect(await cni.version('bridge')).toMatchObject({
    supportedVersions: expect.arrayContaining(['0.3.1', '0.4.0', '1.0.0']),
  });
  expect(await failure(cni.status(network([bridge], '1.1.0')))).toMatchObject({
    reason: 'plugin-error',
    failure: { command: 'STATUS' },
  });
  expect(difference(before, await inventory())).toEqual([]);
});

test('a bridge name of 16 characters: the kernel’s ERANGE is recognised, and nothing is left', async () => {
  const error = await failure(cni.add(network([{ ...bridge, bridge: 'kukeon-123456789' }]), attachment('c1')));
  expect(error).toMatchObject({ code: 999, nameTooLong: true, codeName: 'internal error' });
  expect(error.failure.msg).toBe(
    'failed to create bridge "kukeon-123456789": could not add "kukeon-123456789": numerical result out of range',
  );
  expect(difference(before, await inventory())).toEqual([]);
});

test('a plugin that is not installed', async () => {
  const error = await failure(cni.add(network([bridge, { type: 'not-installed' }]), attachment('c1')));
  expect(error).toMatchObject({ reason: 'not-found', failure: { searched: ['/opt/cni/bin', '/usr/lib/cni'] } });
  expect(difference(before, await inventory())).toEqual([]);
});

test('a netns that is none', async () => {
  const error = await failure(cni.add(network([bridge]), { ...attachment('c1'), netns: '/run/netns/none' }));
  expect(error).toMatchObject({ reason: 'plugin-error', failure: { msg: expect.stringContaining('/run/netns/none') } });
  expect(difference(before, await inventory())).toEqual([]);
});
