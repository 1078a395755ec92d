/** kuke's section of the table beside those of plugins that other runtimes call, and the table as kuke 0.1 made it. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { releaseAll } from '../../../plugins/cni-bridge/firewall.ts';
import { masquerade } from '../../../src/cni/plugins/masquerade.ts';
import type { AttachmentCall } from '../../../src/cni/plugins/plugin.ts';
import { silent } from '../../../src/cni/plugins/trace.ts';
import { NetlinkSocket } from '../../../src/host/netlink/socket.ts';
import { readGeneration } from '../../../src/host/nftables/list.ts';
import type { NetworkDefinition } from '../../../src/kernel/backends/index.ts';
import { context, failure } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { CONFIG_PATH, cleanHost, defined, INSTANCE, type TestBackend, testBackend } from './backend.ts';

let t: TestBackend;
beforeEach(() => {
  t = testBackend();
});
afterEach(cleanHost);

const table = async (...options: string[]) => {
  const tables = await output('nft', 'list', 'tables');
  return tables.includes('inet kukeon') ? output('nft', ...options, 'list', 'table', 'inet', 'kukeon') : '';
};
const enforced = async () =>
  (await t.backend.observe({ configPaths: [CONFIG_PATH] })).networks.map(network => network.enforced);

describe('beside the section of a plugin', () => {
  const what = { addresses: ['10.200.0.5/16', 'fd00:200::5/64'], bridge: 'cni0' };
  const call: AttachmentCall = {
    command: 'ADD',
    network: 'podman',
    cniVersion: '1.0.0',
    config: {},
    runtimeConfig: {},
    prevResult: undefined,
    path: [],
    trace: silent,
    signal: undefined,
    containerId: 'c1',
    ifName: 'eth0',
    netns: '',
    args: [],
  };
  /** The lines of both, as nft lists them with handles, by whose they are. */
  const parts = async () => {
    const blocks = (await table('--handle')).split(/\n(?=\t(?:chain|set|map) )/).slice(1);
    const [ours, theirs] = [true, false].map(mine =>
      blocks.filter(block => /^\t\w+ space_/.test(block) === mine).map(block => block.replace(/\n\}.*$/s, '').trim()),
    );
    return { ours, theirs };
  };

  test.each(['kuke', 'the plugin'])(
    'where %s came first, each leaves the other’s as it is, handles included',
    async first => {
      if (first === 'the plugin') masquerade.add(call, what);
      const home = await defined(t.backend, 'default');
      if (first === 'kuke') masquerade.add(call, what);
      const { ours, theirs } = await parts();
      expect([ours?.length, theirs?.length]).toEqual([11, 5]);

      masquerade.add({ ...call, containerId: 'c2' }, { ...what, addresses: ['10.200.0.6/16'] });
      masquerade.remove({ ...call, containerId: 'c2' });
      masquerade.check(call, what);
      expect((await parts()).ours).toEqual(ours);
      expect(await enforced()).toEqual([true]);

      const other = await defined(t.backend, 'other');
      await output('nft', 'insert', 'rule', 'inet', 'kukeon', 'space_forward', 'counter');
      await t.backend.define(home, context());
      await t.backend.remove(other, context());
      expect((await parts()).theirs).toEqual(theirs);

      if (first === 'kuke') {
        await releaseAll(INSTANCE);
        expect(await parts()).toEqual({ ours: [], theirs });
        masquerade.remove(call);
      } else {
        masquerade.remove(call);
        expect((await parts()).theirs).toEqual([]);
        expect(await enforced()).toEqual([true]);
        await releaseAll(INSTANCE);
      }
      expect(await table()).toBe('');
    },
  );
});

describe('the table as kuke 0.1 made it', () => {
  const first = (instance: string, ...networks: NetworkDefinition[]) => {
    const each = (element: (network: NetworkDefinition) => string) =>
      `elements = { ${networks.map(element).join(', ')} }`;
    const forward = 'iifname . oifname @pairs accept; iifname @bridges oifname @bridges drop;';
    return `table inet kukeon {
      comment "${instance}"
      set bridges { type ifname; ${each(one => `"${one.bridge}" comment "${one.name}"`)}; }
      set pairs { type ifname . ifname; ${each(one => `"${one.bridge}" . "${one.bridge}"`)}; }
      set own_gateways { type ifname . ipv4_addr; ${each(one => `"${one.bridge}" . ${one.gateway} comment "${one.name}"`)}; }
      set gateways { type ipv4_addr; ${each(one => one.gateway)}; }
      set ranges { type ipv4_addr; flags interval; ${each(one => `${one.subnet} comment "${one.name}"`)}; }
      set own_gateways6 { type ifname . ipv6_addr; }
      set gateways6 { type ipv6_addr; }
      set ranges6 { type ipv6_addr; flags interval; }
      chain forward { type filter hook forward priority filter; policy accept; ${forward} }
      chain input {
        type filter hook input priority filter; policy accept;
        iifname . ip daddr @own_gateways accept
        iifname @bridges ip daddr @gateways drop
      }
      chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr @ranges oifname != @bridges oifname != "lo" masquerade
      }
    }`;
  };
  const generation = () => {
    using socket = new NetlinkSocket('netfilter');
    return readGeneration(socket);
  };
  async function twoSpaces(): Promise<NetworkDefinition[]> {
    const networks = [await defined(t.backend, 'default'), await defined(t.backend, 'other')];
    await output('nft', 'flush', 'ruleset');
    return networks;
  }

  test('is taken over as a whole, in one transaction, with the next space that is looked at', async () => {
    const [home, other] = (await twoSpaces()) as [NetworkDefinition, NetworkDefinition];
    const wanted = async () =>
      (await table())
        .replace(/\n\tcomment .*/, '')
        .split(/[\s,{}]+/)
        .sort();
    await t.backend.define(home, context());
    await t.backend.define(other, context());
    const made = await wanted();
    await output('nft', `flush ruleset; ${first(INSTANCE, home, other)}`);
    expect(await enforced()).toEqual([false, false]);
    const before = generation();
    await t.backend.define(home, context());
    expect(generation()).toBe(before + 1);
    expect(await enforced()).toEqual([true, true]);
    expect(await wanted()).toEqual(made);
  });

  test('keeps what a plugin has put into it', async () => {
    const [home] = (await twoSpaces()) as [NetworkDefinition];
    await output('nft', `${first(INSTANCE, home)}; add chain inet kukeon theirs`);
    await t.backend.define(home, context());
    expect(await table()).toContain('chain theirs');
    await releaseAll(INSTANCE);
    expect(await table()).toContain('chain theirs');
    expect(await table()).not.toContain('set ');
  });

  test('goes with uninstall', async () => {
    const [home] = (await twoSpaces()) as [NetworkDefinition];
    await output('nft', first(INSTANCE, home));
    await releaseAll(INSTANCE);
    expect(await output('nft', 'list', 'ruleset')).toBe('');
  });

  test('of another installation is in the way, and stays', async () => {
    const [home] = (await twoSpaces()) as [NetworkDefinition];
    await output('nft', first('00000000-0000-4000-8000-000000000009', home));
    const before = await table('--handle');
    await failure(t.backend.define(home, context()), 'Conflict');
    await releaseAll(INSTANCE);
    expect(await table('--handle')).toBe(before);
  });
});
