/** The plugin `firewall`: who gets through which host's firewall, who may reach an attachment, and that nothing is left. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { firewall } from '../../../src/cni/plugins/firewall/firewall.ts';
import { FIREWALL, ownElements } from '../../../src/cni/plugins/firewall/section.ts';
import { labelOf } from '../../../src/cni/plugins/label.ts';
import { masquerade } from '../../../src/cni/plugins/masquerade.ts';
import { addElements } from '../../../src/cni/ruleset.ts';
import { NetlinkSocket } from '../../../src/host/netlink/socket.ts';
import { HOST_FIREWALLS, type HostFirewall } from '../cni-bridge/host-firewalls.ts';
import { nftList, run } from '../netlink/outside.ts';
import { ask, CELLS, type CellName, callFor, gcFor, makeRoutedHost, OUTSIDE, resultOf } from './routed-host.ts';

let host: Disposable;
beforeAll(async () => {
  host = await makeRoutedHost();
  run('ip', '-n', 'outside', 'route', 'add', '10.88.0.0/15', 'via', '192.0.2.1');
});
afterAll(() => host[Symbol.dispose]());
afterEach(() => {
  run('nft', 'flush', 'ruleset');
  for (const name of ['iptables-legacy', 'ip6tables-legacy']) {
    run(name, '-P', 'FORWARD', 'ACCEPT');
    run(name, '-F');
  }
  for (const name of Object.keys(CELLS)) run('bridge', 'link', 'set', 'dev', `veth-${name}`, 'isolated', 'off');
  setBridged(1);
});

const setBridged = (on: number) => {
  for (const version of ['ip', 'ip6']) writeFileSync(`/proc/sys/net/bridge/bridge-nf-call-${version}tables`, `${on}`);
};
const call = (name: CellName, config: Record<string, unknown> = {}) => callFor(name, { type: 'firewall', ...config });
const ruleset = () => nftList('ruleset').replaceAll(/packets \d+ bytes \d+/g, 'packets 0 bytes 0');
const legacyRules = () =>
  [...run('iptables-legacy-save').split('\n'), ...run('ip6tables-legacy-save').split('\n')]
    .filter(line => line.startsWith('-'))
    .join('\n');
const hears = (text: string) => (text === '' ? 'nothing' : (text.split(' ')[0] ?? ''));

describe.each(Object.entries<HostFirewall>(HOST_FIREWALLS))(
  'on a host with %s',
  (_, { drops, on, off, marked, perBridge, legacy }) => {
    test.each([1, 0])('and bridge-nf-call-iptables=%d', async bridged => {
      setBridged(bridged);
      for (const [program = '', ...args] of on) run(program, ...args);
      for (const name of ['a1', 'a2', 'b1'] as const) {
        const { bridge, v4, v6 } = CELLS[name];
        masquerade.add(callFor(name), { addresses: [`${v4}/16`, `${v6}/64`], bridge });
      }
      const before = [ruleset(), legacyRules()];
      const reached = async (wanted: string) =>
        hears(await ask('a1', 'tcp', OUTSIDE.v4, 7, wanted === 'nothing' ? 0.5 : 3));
      expect(await reached(drops ? 'nothing' : 'outside')).toBe(drops ? 'nothing' : 'outside');

      for (const name of ['a1', 'a2', 'b1'] as const) expect(await firewall.add(call(name))).toEqual(resultOf(name));
      expect(await reached('outside')).toBe('outside');
      expect(hears(await ask('a1', 'udp', OUTSIDE.v4, 7, 3))).toBe('outside');
      expect(hears(await ask('a1', 'tcp', CELLS.a2.v4, 7, 3))).toBe('a2');
      expect(hears(await ask('outside', 'tcp', CELLS.a1.v4, 7, drops ? 0.5 : 3))).toBe(drops ? 'nothing' : 'a1');
      for (const place of marked) {
        const rules = nftList('chain', ...place.split(' ')).match(
          /comment "kukeon network net-br-.|kukeon network net-br-./g,
        );
        expect([place, new Set(rules).size]).toEqual([place, 2]);
      }
      const lines = (name: string) =>
        legacyRules()
          .split('\n')
          .filter(line => line.includes(name)).length;
      expect([lines('network net-br-a'), lines('network net-br-b')]).toEqual([legacy, legacy]);
      for (const name of ['a1', 'a2', 'b1'] as const) await firewall.check(call(name));

      await firewall.del({ ...call('a1'), netns: '', prevResult: undefined });
      expect(hears(await ask('a2', 'tcp', OUTSIDE.v4, 7, 3))).toBe('outside');
      const withRules = JSON.stringify(ruleset()).split('kukeon network net-br-a').length - 1;
      expect(withRules === 0).toBe(perBridge === 0);
      await firewall.del({ ...call('a2'), netns: '', prevResult: undefined });
      expect(ruleset() + legacyRules()).not.toContain('kukeon network net-br-a');
      await firewall.del(call('b1'));
      await firewall.del(call('b1'));
      expect([ruleset(), legacyRules()]).toEqual(before);
      for (const [program = '', ...args] of off) run(program, ...args);
    });
  },
);

test('an ADD that is called off when its rules are in iptables of old already takes them out again', async () => {
  run('iptables-legacy', '-P', 'FORWARD', 'DROP');
  const restore = '/usr/local/sbin/iptables-legacy-restore';
  const script = `/usr/sbin/iptables-legacy-restore "$@"; rm ${restore}; kill -USR1 ${process.pid}; sleep 1000`;
  writeFileSync(restore, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const calledOff = new AbortController();
  process.once('SIGUSR1', () => calledOff.abort(new Error('called off')));
  const error = await firewall.add({ ...call('a1'), signal: calledOff.signal }).catch((thrown: unknown) => thrown);
  expect(error).toBe(calledOff.signal.reason);
  expect(calledOff.signal.aborted).toBe(true);
  expect(ruleset() + legacyRules()).not.toContain('kukeon network');
});

describe('ingressPolicy', () => {
  const reached = async (expected: Record<'same' | 'other' | 'outside', boolean>) => {
    const from = async (who: string, wanted: boolean) =>
      (await ask(who, 'tcp', CELLS.a2.v4, 7, wanted ? 3 : 0.5)) !== '';
    expect({
      same: await from('a1', expected.same),
      other: await from('b1', expected.other),
      outside: await from('outside', expected.outside),
    }).toEqual(expected);
  };

  test.each([
    [undefined, { same: true, other: true, outside: true }],
    ['', { same: true, other: true, outside: true }],
    ['open', { same: true, other: true, outside: true }],
    ['same-bridge', { same: true, other: false, outside: true }],
    ['isolated', { same: false, other: false, outside: true }],
  ])('%s', async (ingressPolicy, expected) => {
    for (const bridged of [1, 0]) {
      setBridged(bridged);
      const config = ingressPolicy === undefined ? {} : { ingressPolicy };
      for (const name of ['a1', 'a2', 'b1'] as const) await firewall.add(call(name, config));
      await reached(expected);
      for (const name of ['a1', 'b1'] as const) await firewall.del(call(name, config));
      await firewall.check(call('a2', config));
      await firewall.del(call('a2', config));
      expect(ruleset()).toBe('');
    }
  });

  test('also for IPv6, from another bridge', async () => {
    for (const name of ['a2', 'b1'] as const) await firewall.add(call(name, { ingressPolicy: 'same-bridge' }));
    expect(await ask('b1', 'tcp', CELLS.a2.v6, 7, 0.5)).toBe('');
    expect(hears(await ask('a1', 'tcp', CELLS.a2.v6, 7, 3))).toBe('a2');
    await firewall.del(call('b1'));
    expect(hears(await ask('b1', 'tcp', CELLS.a2.v6, 7, 3))).toBe('a2');
  });

  test('a bridge keeps it until its last attachment goes', async () => {
    const config = { ingressPolicy: 'same-bridge' };
    for (const name of ['a1', 'a2', 'b1'] as const) await firewall.add(call(name, config));
    await firewall.del(call('a1', config));
    await reached({ same: true, other: false, outside: true });
    await firewall.del(call('a2', config));
    expect(nftList('set', 'inet', 'kukeon', 'firewall_bridges')).not.toContain('br-a');
  });
});

describe('what is there', () => {
  test('are two rules and an element for each address, however many attachments there are', async () => {
    run('iptables', '-P', 'FORWARD', 'DROP');
    await firewall.add(call('a1'));
    const rules = () =>
      ruleset()
        .split('\n')
        .filter(line => /accept|drop|vmap/.test(line))
        .sort();
    const first = rules();
    const base = callFor('a1', { type: 'firewall' });
    for (let n = 0; n < 40; n++) {
      const containerId = `more-${n}`;
      const ips = [{ address: `10.88.1.${n + 1}/16`, interface: 2 }];
      await firewall.add({ ...base, containerId, prevResult: { ...resultOf('a1'), ips } });
    }
    expect(rules()).toEqual(first);
    expect(nftList('set', 'inet', 'kukeon', 'firewall_attached').match(/"br-a"/g)).toHaveLength(41);
    await firewall.gc({ ...gcFor('br-a', []), config: { type: 'firewall' } });
    expect(ruleset()).not.toContain('kukeon');
  });

  test('GC removes what no valid attachment owns, of its own network alone', async () => {
    run('iptables', '-P', 'FORWARD', 'DROP');
    for (const name of ['a1', 'a2', 'b1'] as const) await firewall.add(call(name));
    await firewall.gc(gcFor('br-a', ['a2']));
    await firewall.check(call('a2'));
    await firewall.check(call('b1'));
    expect(ruleset()).not.toContain(CELLS.a1.v4);
    await firewall.gc(gcFor('br-a', []));
    expect(ruleset()).not.toContain('br-a');
    await firewall.check(call('b1'));
  });

  test('an ADD that was killed is put right by DEL, whatever it got to', async () => {
    run('iptables', '-P', 'FORWARD', 'DROP');
    const before = ruleset();
    const attached = {
      by: 'br-a',
      addresses: [CELLS.a1.v4],
      policy: 'open',
      label: labelOf('net-br-a', call('a1')),
    } as const;
    using socket = new NetlinkSocket('netfilter');
    addElements(socket, FIREWALL, ownElements({ ...attached, addresses: [...attached.addresses] }));
    await firewall.del({ ...call('a1'), prevResult: undefined });
    expect(ruleset()).toBe(before);
    await firewall.add(call('a1'));
    run('nft', 'delete', 'table', 'inet', 'kukeon');
    await firewall.del({ ...call('a1'), prevResult: undefined });
    expect(ruleset()).toBe(before);
  });

  test('somebody took away is missed by CHECK, and put back by ADD', async () => {
    run('iptables', '-P', 'FORWARD', 'DROP');
    await firewall.add(call('a1', { ingressPolicy: 'same-bridge' }));
    const made = ruleset();
    for (const command of [
      ['nft', 'delete', 'table', 'inet', 'kukeon'],
      ['iptables', '-F', 'FORWARD'],
      ['nft', 'flush', 'chain', 'inet', 'kukeon', 'firewall_forward'],
      ['nft', 'delete', 'element', 'inet', 'kukeon', 'firewall_bridges', '{ "br-a" }'],
      ['nft', 'delete', 'element', 'inet', 'kukeon', 'firewall_attached', `{ "br-a" . ${CELLS.a1.v4} }`],
    ]) {
      run(...(command as [string, ...string[]]));
      await expect(firewall.check(call('a1', { ingressPolicy: 'same-bridge' }))).rejects.toThrow(
        /missing or was changed/,
      );
      await firewall.add(call('a1', { ingressPolicy: 'same-bridge' }));
      expect(ruleset().split('\n').sort()).toEqual(made.split('\n').sort());
    }
  });

  test('is told as commands that a person could type', async () => {
    run('iptables', '-P', 'FORWARD', 'DROP');
    run(
      'nft',
      'add table inet filter; add chain inet filter forward { type filter hook forward priority 0; policy drop; }',
    );
    const before = ruleset();
    const commands: string[] = [];
    const trace = <T>(command: string, effect: () => T): T => {
      commands.push(command);
      return effect();
    };
    await firewall.add({ ...call('a1', { ingressPolicy: 'isolated' }), trace });
    // As each program lists its own: iptables keeps a comment in another place than nft.
    const listed = () =>
      [
        nftList('table', 'inet', 'kukeon'),
        nftList('table', 'inet', 'filter').replaceAll(/packets \d+ bytes \d+/g, ''),
        run('iptables', '-S').split('\n').sort().join('\n'),
      ].join('');
    const made = listed();
    expect(made).toContain('-i br-a');
    run('nft', 'delete table inet kukeon; flush chain inet filter forward');
    run('iptables', '-F', 'FORWARD');
    run('bridge', 'link', 'set', 'dev', 'veth-a1', 'isolated', 'off');
    for (const command of commands) run('bash', '-c', command);
    expect(listed()).toBe(made);
    expect(run('bridge', '-d', 'link', 'show', 'dev', 'veth-a1')).toContain('isolated on');
    commands.length = 0;
    await firewall.del({ ...call('a1'), trace });
    expect(ruleset()).toBe(before);
    expect(commands.join('\n')).toMatch(/iptables -D FORWARD -i br-a .*-j ACCEPT/);
  });
});

describe('the configuration', () => {
  const refused = async (config: Record<string, unknown>, code: number, says: RegExp) => {
    const error = await firewall.add(call('a1', config)).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code, message: expect.stringMatching(says) });
    expect(ruleset()).toBe('');
  };

  test.each([
    [{ backend: 'iptables' }, 2, /backend.*iptables/],
    [{ backend: 'firewalld' }, 2, /backend.*firewalld/],
    [{ iptablesAdminChainName: 'MINE' }, 2, /iptablesAdminChainName/],
    [{ ingressPolicy: 'closed' }, 7, /ingressPolicy.*closed/],
    [{ ingressPolicy: 1 }, 7, /ingressPolicy/],
  ])('%j is refused', async (config, code, says) => {
    await refused(config, code, says);
  });

  test.each([[{ backend: 'nftables' }], [{ backend: '', firewalldZone: 'public', other: 1 }], [{ backend: null }]])(
    '%j is taken',
    async config => {
      await firewall.add(call('a1', config));
      await firewall.status(call('a1', config));
      await firewall.del(call('a1', config));
      expect(ruleset()).toBe('');
    },
  );

  test('a zone of firewalld’s is refused where firewalld has its table', async () => {
    run('nft', 'add', 'table', 'inet', 'firewalld');
    await expect(firewall.add(call('a1', { firewalldZone: 'public' }))).rejects.toMatchObject({ code: 2 });
    await expect(firewall.status(call('a1', { firewalldZone: 'public' }))).rejects.toMatchObject({ code: 2 });
    await firewall.add(call('a1', { firewalldZone: 'trusted' }));
  });

  test('without a result, a bridge or a usable name it is refused; without an address there is nothing to do', async () => {
    const given = (prevResult: object) => ({ ...call('a1'), prevResult: { ...resultOf('a1'), ...prevResult } });
    await expect(firewall.add({ ...call('a1'), prevResult: undefined })).rejects.toMatchObject({ code: 7 });
    const inside = {
      interfaces: [{ name: 'eth0', sandbox: '/run/netns/a1' }],
      ips: [{ address: '10.88.0.11/16', interface: 0 }],
    };
    await firewall.add(given(inside));
    await expect(
      firewall.add({ ...given(inside), config: { type: 'firewall', ingressPolicy: 'same-bridge' } }),
    ).rejects.toMatchObject({ code: 7 });
    await expect(
      firewall.add(given({ interfaces: [{ name: 'br*' }], ips: [{ address: '10.88.0.11/16' }] })),
    ).rejects.toMatchObject({
      code: 7,
    });
    await firewall.add(given({ ips: [] }));
    expect(ruleset()).toBe('');
  });
});

test('the bridges of other networks are none of its business', async () => {
  run('iptables', '-P', 'FORWARD', 'DROP');
  await firewall.add(call('a1'));
  expect(nftList('chain', 'ip', 'filter', 'FORWARD')).toContain('"br-a"');
  expect(nftList('chain', 'ip', 'filter', 'FORWARD')).not.toContain('br-b');
});
