/** bridge: what ADD makes and DEL takes away, beside what the reference plugin makes of the same configuration. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import type { JsonObject } from '../../../src/cni/json.ts';
import { ip, ipJson, nftList, run } from '../netlink/outside.ts';
import {
  add,
  addContainer,
  addresses,
  answers,
  call,
  check,
  clear,
  del,
  link,
  netnsOf,
  network,
  routes,
  traces,
  V4,
  V6,
} from './bridged.ts';

beforeEach(() => {
  clear();
  addContainer('a');
  addContainer('b');
});
afterEach(clear);

describe('an attachment', () => {
  test('is a port of the bridge, marked as the attachment’s, with the other end in the container', async () => {
    const before = traces();
    const config = network({ isDefaultGateway: true, ipMasq: true }, [V4, V6]);
    const result = await add(config, { id: 'a' });
    const [bridge, port, container] = result.interfaces;

    expect(link('br0')).toMatchObject({ address: bridge?.mac ?? '', operstate: 'UP', group: 'default', mtu: 1500 });
    const outer = link(port?.name ?? '');
    const inner = link('eth0', 'a');
    expect(outer).toMatchObject({ master: 'br0', operstate: 'UP', ifalias: 'lab a/eth0', address: port?.mac ?? '' });
    expect(outer?.link_index).toBe(inner?.ifindex ?? -1);
    expect(outer?.linkinfo?.info_slave_data).toMatchObject({ hairpin: false, isolated: false, state: 'forwarding' });
    expect(inner).toMatchObject({ operstate: 'UP', address: container?.mac ?? '' });
    expect(ip('-6', 'address', 'show', 'dev', port?.name ?? '')).toBe('');
    expect(addresses('br0')).toEqual(['10.77.0.1/24', 'fd77::1/64']);
    expect(addresses('eth0', 'a')).toEqual(['10.77.0.2/24', 'fd77::2/64']);
    expect(routes('a')).toEqual(['default via 10.77.0.1', 'default via fd77::1']);
    expect(result).toMatchObject({
      interfaces: [{ name: 'br0', mtu: 1500 }, { mtu: 1500 }, { name: 'eth0', sandbox: netnsOf('a'), mtu: 1500 }],
      ips: [
        { address: '10.77.0.2/24', gateway: '10.77.0.1', interface: 2 },
        { address: 'fd77::2/64', gateway: 'fd77::1', interface: 2 },
      ],
      routes: [
        { dst: '0.0.0.0/0', gw: '10.77.0.1' },
        { dst: '::/0', gw: 'fd77::1' },
      ],
    });
    expect(nftList('ruleset')).toContain('comment "lab a/eth0"');
    await check(config, { id: 'a' }, result);

    await del(config, { id: 'a' });
    expect(link('eth0', 'a')).toBeUndefined();
    expect(traces()).toEqual({ ...before, links: [...before.links, 'br0'] });
    await del(config, { id: 'a' });
    await del(config, { id: 'a', netns: '' });
  });

  test('answers at once, over IPv6 too, and to the next container', async () => {
    const config = network({ isGateway: true }, [V4, V6]);
    await add(config, { id: 'a' });
    // The groups in which neighbours ask for them; who asks before they are joined asks again after a second.
    expect(ip('maddress', 'show', 'dev', 'br0')).toContain('ff02::1:ff00:1\n');
    expect(ip('-n', 'a', 'maddress', 'show', 'dev', 'eth0')).toContain('ff02::1:ff00:2\n');
    expect(await Promise.all(['10.77.0.1', 'fd77::1'].map(gateway => answers('a', gateway)))).toEqual([true, true]);
    await add(config, { id: 'b' });
    expect(await Promise.all(['10.77.0.3', 'fd77::3'].map(other => answers('a', other)))).toEqual([true, true]);
  });

  test('without IPAM is a link that is up', async () => {
    const result = await add(network({ cniVersion: '1.0.0', ipam: {} }), { id: 'a', ifName: 'net1' });
    expect(link('net1', 'a')).toMatchObject({ operstate: 'UP' });
    expect(addresses('net1', 'a')).toEqual([]);
    expect(result).toMatchObject({ ips: [], routes: [] });
    expect(result.interfaces[2]).toEqual({ name: 'net1', mac: link('net1', 'a')?.address, sandbox: netnsOf('a') });
    expect(ip('-4', 'address', 'show', 'dev', 'br0')).toBe('');
  });

  test('has mtu, MAC, hairpin and isolation as the configuration has them', async () => {
    const mac = '0a:58:0a:4d:00:02';
    const config = network({ mtu: 1300, hairpinMode: true, portIsolation: true, runtimeConfig: { mac } });
    const result = await add(config, { id: 'a' });
    expect(link('br0')?.mtu).toBe(1300);
    expect(link('eth0', 'a')).toMatchObject({ mtu: 1300, address: mac });
    const port = link(result.interfaces[1]?.name ?? '');
    expect(port).toMatchObject({ mtu: 1300, linkinfo: { info_slave_data: { hairpin: true, isolated: true } } });
    expect(result.interfaces.map(one => one.mtu)).toEqual([1300, 1300, 1300]);
  });

  test('with an mtu that is too small for IPv6 does without', async () => {
    await add(network({ isGateway: true, mtu: 1000 }, [V4]), { id: 'a' });
    expect(link('eth0', 'a')).toMatchObject({ mtu: 1000, operstate: 'UP' });
    expect(await answers('a', '10.77.0.1')).toBe(true);
  });

  test('gets the DNS settings of the configuration before those of IPAM', async () => {
    const ipam = { type: 'static', addresses: [{ address: '10.77.0.9/24' }], dns: { nameservers: ['9.9.9.9'] } };
    expect((await add(network({ ipam }), { id: 'a' })).dns).toMatchObject({ nameservers: ['9.9.9.9'] });
    const config = network({ ipam, dns: { nameservers: ['1.1.1.1'], domain: 'lab' } });
    expect((await add(config, { id: 'b' })).dns).toMatchObject({ nameservers: ['1.1.1.1'], domain: 'lab' });
  });

  test('that is isolated reaches the gateway, but no other that is', async () => {
    const config = network({ isGateway: true, portIsolation: true }, [V4]);
    await add(config, { id: 'a' });
    await add(config, { id: 'b' });
    expect(await answers('a', '10.77.0.1')).toBe(true);
    expect(await answers('a', '10.77.0.3')).toBe(false);
  });
});

test('promiscuous mode is the bridge’s, also of one that is there', async () => {
  run('ip', 'link', 'add', 'br0', 'type', 'bridge');
  const config = network({ promiscMode: true });
  const result = await add(config, { id: 'a' });
  expect(link('br0')?.flags).toContain('PROMISC');
  await call('CHECK', { ...config, prevResult: result }, { id: 'a' });
});

test('a bridge that kuke has made is used as it is', async () => {
  run('ip', 'link', 'add', 'br0', 'address', '02:11:22:33:44:55', 'type', 'bridge');
  run('ip', 'link', 'set', 'br0', 'alias', 'kukeon 0123 main-default');
  const result = await add(network({ isGateway: true, mtu: 1400 }, [V4]), { id: 'a' });
  expect(result.interfaces[0]).toEqual({ name: 'br0', mac: '02:11:22:33:44:55', mtu: 1400 });
  expect(link('br0')).toMatchObject({ ifalias: 'kukeon 0123 main-default', address: '02:11:22:33:44:55' });
});

test('a bridge without a MAC of its own keeps the one that it has as gateway', async () => {
  run('ip', 'link', 'add', 'br0', 'type', 'bridge');
  const config = network({ isGateway: true }, [V4]);
  const { interfaces } = await add(config, { id: 'a' });
  await add(config, { id: 'b' });
  await del(config, { id: 'a' });
  expect(link('br0')?.address).toBe(interfaces[0]?.mac ?? '');
});

describe('beside the reference plugin', () => {
  const keys: JsonObject[] = [
    { isGateway: true },
    { isDefaultGateway: true, ipMasq: true },
    { isGateway: true, mtu: 1400, hairpinMode: true },
    { isGateway: true, promiscMode: true },
    {},
  ];

  function reference(config: JsonObject, id: string): JsonObject {
    const { stdout, exitCode } = Bun.spawnSync(['/usr/lib/cni/bridge'], {
      stdin: Buffer.from(JSON.stringify(config)),
      env: {
        PATH: process.env.PATH,
        CNI_COMMAND: 'ADD',
        CNI_CONTAINERID: id,
        CNI_NETNS: netnsOf(id),
        CNI_IFNAME: 'eth0',
        CNI_PATH: '/usr/lib/cni',
      },
    });
    if (exitCode !== 0) throw new Error(stdout.toString());
    return JSON.parse(stdout.toString()) as JsonObject;
  }

  /** Names and MACs that are chosen anew each time, and the namespace, replaced by what they are. */
  function plain(value: unknown, id: string): unknown {
    const text = JSON.stringify(value)
      .replaceAll(/veth[0-9a-f]+/g, 'VETH')
      .replaceAll(/(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/g, 'MAC')
      .replaceAll(netnsOf(id), 'NETNS');
    return JSON.parse(text);
  }

  function kernel(result: JsonObject, id: string) {
    const [, port] = result.interfaces as { name: string }[];
    const only = ({ flags, mtu, operstate, master, linkinfo, group }: NonNullable<ReturnType<typeof link>>) => ({
      flags: flags.toSorted(),
      mtu,
      operstate,
      master,
      group,
      port: linkinfo?.info_slave_data && {
        hairpin: linkinfo.info_slave_data.hairpin,
        isolated: linkinfo.info_slave_data.isolated,
        state: linkinfo.info_slave_data.state,
      },
    });
    const shown = [link('br0'), link(port?.name ?? ''), link('eth0', id)].map(one => one && only(one));
    interface Row {
      addr_info: Record<string, unknown>[];
    }
    const told = ['family', 'local', 'prefixlen', 'broadcast', 'scope', 'label'];
    const addressed = [ipJson<Row>('address', 'show', 'dev', 'br0'), ipJson<Row>('-n', id, 'address', 'show', 'eth0')];
    return {
      links: shown,
      addresses: addressed
        .flat()
        .flatMap(row =>
          row.addr_info
            .filter(({ scope }) => scope !== 'link')
            .map(one => Object.fromEntries(told.map(key => [key, one[key]]))),
        ),
      routes: ['-4', '-6'].flatMap(family => ipJson<JsonObject>('-n', id, family, 'route')),
      forwarding: run('sysctl', '-n', 'net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding'),
    };
  }

  test.each(
    keys.flatMap(
      one =>
        [
          [one, [V4]],
          [one, [V4, V6]],
        ] as [JsonObject, string[]][],
    ),
  )('%j on %j: the same result, the same in the kernel', async (one, ranges) => {
    const config = network({ cniVersion: '1.0.0', ...one }, ranges);
    const theirs = reference(config, 'a');
    const expected: unknown = [plain(theirs, 'a'), kernel(theirs, 'a')];
    clear();
    addContainer('a');
    const ours = (await call('ADD', config, { id: 'a' })) ?? {};
    // Debian's plugin writes an empty `dns`, which the specification makes optional.
    const made: unknown = [{ dns: {}, ...(plain(ours, 'a') as JsonObject) }, kernel(ours, 'a')];
    expect(made).toEqual(expected);
    await del(config, { id: 'a' });
  });
});
