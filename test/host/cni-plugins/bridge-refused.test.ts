/** bridge: what is in the way, and an ADD that fails in the middle. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import type { JsonObject } from '../../../src/cni/json.ts';
import { parseConfig } from '../../../src/cni/plugins/bridge/config.ts';
import { ensureBridge, keepBridge, undoBridge } from '../../../src/cni/plugins/bridge/device.ts';
import { callOf } from '../../../src/cni/plugins/call.ts';
import { silent } from '../../../src/cni/plugins/trace.ts';
import { NetlinkSocket } from '../../../src/host/netlink/socket.ts';
import { run } from '../netlink/outside.ts';
import {
  add,
  addContainer,
  call,
  check,
  clear,
  del,
  holdNamespace,
  link,
  network,
  refusal,
  traces,
  V4,
} from './bridged.ts';

beforeEach(() => {
  clear();
  addContainer('a');
});
afterEach(clear);

describe('in the way', () => {
  test('a link of that name that is no bridge stays', async () => {
    run('ip', 'link', 'add', 'br0', 'type', 'veth', 'peer', 'name', 'other');
    const before = traces();
    const error = await refusal(add(network({ isGateway: true }, [V4]), { id: 'a' }));
    expect(error).toMatchObject({ code: 7, msg: 'bridge: "br0" is no bridge, but an interface of kind veth' });
    expect(traces()).toEqual(before);
  });

  test('an interface of that name in the container stays', async () => {
    run('ip', '-n', 'a', 'link', 'add', 'eth0', 'type', 'bridge');
    const before = traces();
    const error = await refusal(add(network({ isGateway: true }, [V4]), { id: 'a' }));
    expect(error).toMatchObject({ code: 4, msg: expect.stringContaining('"eth0" of kind bridge in /run/netns/a') });
    expect(traces()).toEqual(before);
    expect(link('eth0', 'a')).toBeDefined();
  });

  test('a second ADD is refused, and takes nothing from the first', async () => {
    const config = network({ isGateway: true, ipMasq: true, macspoofchk: true }, [V4]);
    const result = await add(config, { id: 'a' });
    const before = traces();
    await refusal(add(config, { id: 'a' }));
    expect(traces()).toEqual(before);
    await check(config, { id: 'a' }, result);
  });

  test('what an ADD has left whose namespace is gone is replaced', async () => {
    const config = network();
    await using _ = await holdNamespace('a');
    const first = await add(config, { id: 'a' });
    run('ip', 'netns', 'del', 'a');
    addContainer('a');
    expect(link(first.interfaces[1]?.name ?? '')).toBeDefined();
    const second = await add(config, { id: 'a' });
    expect(second.interfaces[1]?.name).toBe(first.interfaces[1]?.name ?? '');
    expect(link('eth0', 'a')?.operstate).toBe('UP');
  });

  test.each([
    [{ bridge: 'a234567890123456' }, 7],
    [{ vlan: 5 }, 2],
    [{ isGateway: 'x' }, 7],
    [{ hairpinMode: true, promiscMode: true }, 7],
    [{ ipam: { type: 'no-such-plugin' } }, 999],
    [{ ipam: { type: 'bridge' } }, 7],
    [{ ipam: { type: '../bridge' } }, 7],
  ] as [JsonObject, number][])('%j: code %d, and nothing is made', async (keys, code) => {
    const before = traces();
    expect(await refusal(add(network(keys), { id: 'a' }))).toMatchObject({ code });
    expect(traces()).toEqual(before);
    expect(link('eth0', 'a')).toBeUndefined();
  });

  test('STATUS tells what ADD would refuse', async () => {
    await call('STATUS', network({}, [V4]), { id: 'a' });
    expect(await refusal(call('STATUS', network({ vlan: 5 }), { id: 'a' }))).toMatchObject({ code: 2 });
  });
});

describe('an ADD that fails', () => {
  // In the order of what has been made by then.
  test.each([
    ['IPAM has no address', network({}, ['10.77.0.0/30']), { code: 999 }],
    [
      'a route leads nowhere',
      network({
        ipam: {
          type: 'static',
          addresses: [{ address: '10.77.0.9/24' }],
          routes: [{ dst: '10.1.0.0/16', gw: '10.2.0.1' }],
        },
      }),
      { msg: /add route 10\.1\.0\.0\/16 via 10\.2\.0\.1/ },
    ],
  ] as [string, JsonObject, { code?: number; msg?: RegExp }][])('%s: leaves nothing', async (_, config, expected) => {
    const full = { ...config, isGateway: false, ipMasq: true, macspoofchk: true };
    const usesUp = typeof expected.code === 'number';
    if (usesUp) {
      addContainer('b');
      await add(network({ bridge: 'br1' }, ['10.77.0.0/30']), { id: 'b' });
    }
    const before = traces();
    const error = await refusal(add(full, { id: 'a' }));
    if (expected.msg) expect(error.msg).toMatch(expected.msg);
    expect(traces()).toEqual(before);
    expect(link('br0')).toBeUndefined();
    expect(link('eth0', 'a')).toBeUndefined();
  });

  test('because it was called off leaves nothing, its reservation neither', async () => {
    const before = traces();
    const config = network({ isGateway: true, ipMasq: true }, [V4]);
    const controller = new AbortController();
    const attempt = add(config, { id: 'a', signal: controller.signal });
    controller.abort(new Error('called off'));
    expect((await refusal(attempt)).msg).toBe('called off');
    expect(traces()).toEqual(before);
  });

  test('keeps a bridge that was there, or that others use', async () => {
    const bad = network({
      ipam: {
        type: 'static',
        addresses: [{ address: '10.77.0.9/24' }],
        routes: [{ dst: '10.1.0.0/16', gw: '10.2.0.1' }],
      },
    });
    run('ip', 'link', 'add', 'br0', 'type', 'bridge');
    await refusal(add(bad, { id: 'a' }));
    expect(link('br0')).toBeDefined();
  });
});

describe('a bridge that an ADD has made', () => {
  const request = {
    command: 'ADD',
    plugin: 'bridge',
    containerId: 'a',
    netns: '/run/netns/a',
    ifName: 'eth0',
    path: ['/opt/cni/bin'],
  } as const;
  const start = () => {
    const made = callOf({ ...request, config: network() }, silent);
    return { config: parseConfig(made), call: made, socket: new NetlinkSocket('route') };
  };

  test('goes with it as long as nobody else has come to use it', () => {
    const { config, call: first, socket } = start();
    const bridge = ensureBridge(socket, first, config);
    expect(link('br0')?.group).toBe(String(bridge.group));
    undoBridge(socket, first, bridge);
    expect(link('br0')).toBeUndefined();
    undoBridge(socket, first, bridge);

    const again = ensureBridge(socket, first, config);
    const other = ensureBridge(socket, first, config);
    expect(other).toMatchObject({ link: { index: again.link.index } });
    undoBridge(socket, first, other);
    undoBridge(socket, first, again);
    expect(link('br0')?.group).toBe('default');
    socket.close();
  });

  test('ignores router advertisements also where who made it was killed before saying so', async () => {
    run(...'ip link add br0 group 1073741825 up type bridge'.split(' '));
    const accepted = () => run('sysctl', '-n', 'net.ipv6.conf.br0.accept_ra');
    expect(accepted()).toBe('1\n');
    await add(network(), { id: 'a' });
    expect(link('br0')?.group).toBe('default');
    expect(accepted()).toBe('0\n');
  });

  test('is an administrator’s to set once it is in use', async () => {
    run(...'ip link add br0 up type bridge'.split(' '));
    await add(network(), { id: 'a' });
    expect(run('sysctl', '-n', 'net.ipv6.conf.br0.accept_ra')).toBe('1\n');
  });

  test('stays when all went well', () => {
    const { config, call: first, socket } = start();
    const bridge = ensureBridge(socket, first, config);
    keepBridge(socket, first, bridge);
    undoBridge(socket, first, bridge);
    expect(link('br0')?.group).toBe('default');
    socket.close();
  });
});

test('DEL of what was refused is fine', async () => {
  for (const keys of [{ vlan: 5 }, { isGateway: 'x' }, { hairpinMode: true, promiscMode: true }] as JsonObject[]) {
    await del(network(keys, [V4]), { id: 'a' });
  }
});
