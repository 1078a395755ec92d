import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { NetlinkSocket } from '../../../src/host/netlink/socket.ts';
import { type Change, remove } from '../../../src/host/nftables/change.ts';
import { describe as inNft } from '../../../src/host/nftables/explain.ts';
import { readGeneration, readTable, type TableContent } from '../../../src/host/nftables/list.ts';
import { chain, elements, map, rule, set, table } from '../../../src/host/nftables/object.ts';
import { difference, update } from '../../../src/host/nftables/reconcile.ts';
import { accept, counter, drop, inSet, match, notInSet, verdictMap } from '../../../src/host/nftables/statement.ts';
import { commit } from '../../../src/host/nftables/transaction.ts';
import { nft, nftJson, nftList, run } from '../netlink/outside.ts';
import { reconcile } from './reconciled.ts';

let socket: NetlinkSocket;
beforeEach(() => {
  socket = new NetlinkSocket('netfilter');
});
afterEach(() => {
  run('nft', 'flush', 'ruleset');
  socket.close();
});

const kukeon = table('inet', 'kukeon', 'instance=0123');
const forward = chain(kukeon, 'forward', { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' });
const input = chain(kukeon, 'input', { type: 'filter', hook: 'input', priority: 0, policy: 'accept' });
const bridges = set(kukeon, 'bridges', ['ifname']);
const pairs = set(kukeon, 'pairs', ['ifname', 'ifname']);
const gateways = set(kukeon, 'gateways', ['ifname', 'ipv4_addr']);

/** One table, sets keyed by bridge and gateway, the same rules however many spaces there are. */
function isolation(spaces: { bridge: string; gateway: string }[]): TableContent {
  return {
    table: kukeon,
    chains: [forward, input],
    sets: [
      elements(
        bridges,
        spaces.map(({ bridge }) => ({ key: [bridge] })),
      ),
      elements(
        pairs,
        spaces.map(({ bridge }) => ({ key: [bridge, bridge], comment: `space=${bridge}` })),
      ),
      elements(
        gateways,
        spaces.map(({ bridge, gateway }) => ({ key: [bridge, gateway] })),
      ),
    ],
    rules: [
      rule(forward, [inSet(['iifname', 'oifname'], 'pairs'), counter(), accept()], 'same space'),
      rule(forward, [inSet('iifname', 'bridges'), inSet('oifname', 'bridges'), counter(), drop()], 'between spaces'),
      rule(input, [
        inSet('iifname', 'bridges'),
        match('fib daddr type', 'local'),
        notInSet(['iifname', 'ip daddr'], 'gateways'),
        drop(),
      ]),
    ],
  };
}
const one = { bridge: 'br-one', gateway: '10.89.0.1' };
const two = { bridge: 'br-two', gateway: '10.89.16.1' };
const shown = (changes: Change[]) => changes.map(inNft);

describe('the isolation of spaces', () => {
  test('is made in one transaction, then left alone', () => {
    const before = readGeneration(socket);
    expect(reconcile(socket, isolation([one]))).toHaveLength(12);
    expect(readGeneration(socket)).toBe(before + 1);
    const text = nftList('ruleset');
    expect(text).toContain('iifname . oifname @pairs counter packets 0 bytes 0 accept comment "same space"');
    expect(text).toContain('iifname @bridges fib daddr type local iifname . ip daddr != @gateways drop');
    expect(reconcile(socket, isolation([one]))).toEqual([]);
    expect(readGeneration(socket)).toBe(before + 1);
  });

  test('a new space costs its elements, and takes them with it', () => {
    reconcile(socket, isolation([one]));
    const before = nftList('ruleset');
    expect(shown(reconcile(socket, isolation([one, two])))).toEqual([
      'add element inet kukeon bridges { "br-two" }',
      'add element inet kukeon pairs { "br-two" . "br-two" comment "space=br-two" }',
      'add element inet kukeon gateways { "br-two" . 10.89.16.1 }',
    ]);
    expect(shown(reconcile(socket, isolation([one])))).toEqual([
      'delete element inet kukeon bridges { "br-two" }',
      'delete element inet kukeon pairs { "br-two" . "br-two" }',
      'delete element inet kukeon gateways { "br-two" . 10.89.16.1 }',
    ]);
    expect(nftList('ruleset')).toBe(before);
  });

  test('what someone else did to the table is put right', () => {
    reconcile(socket, isolation([one, two]));
    const before = nftList('ruleset').split('\n').toSorted();
    nft(`
      delete element inet kukeon pairs { "br-one" . "br-one" }
      add element inet kukeon pairs { "br-one" . "br-two" }
      insert rule inet kukeon forward accept
      add rule inet kukeon input drop comment "not ours"
      add chain inet kukeon stray { type filter hook output priority 5; policy drop; }
      add rule inet kukeon stray tcp dport 22 accept
      add set inet kukeon extra { type ipv4_addr; }
      add chain inet kukeon forward { policy drop; }
    `);
    const changes = reconcile(socket, isolation([one, two]));
    expect(shown(changes).filter(text => text.startsWith('add rule'))).toEqual([]);
    expect(nftList('ruleset').split('\n').toSorted()).toEqual(before);
    run('nft', 'flush', 'ruleset');
    reconcile(socket, isolation([one, two]));
    expect(nftList('ruleset').split('\n').toSorted()).toEqual(before);
  });

  test('it goes with its table', () => {
    reconcile(socket, isolation([one]));
    commit(socket, [remove(kukeon)]);
    expect(nftJson('ruleset')).toEqual([]);
  });
});

test('a set of another type, a chain on another hook, a map that jumps: exchanged in one transaction', () => {
  const jumps = map(kukeon, 'm', ['ifname'], 'verdict');
  const target = chain(kukeon, 'target');
  const from: TableContent = {
    table: kukeon,
    chains: [forward, target],
    sets: [
      elements(jumps, [{ key: ['a'], data: { jump: 'target' } }]),
      elements(set(kukeon, 's', ['ifname']), [{ key: ['x'] }]),
    ],
    rules: [
      rule(forward, [counter()], 'stays'),
      rule(forward, [verdictMap('iifname', 'm')]),
      rule(forward, [inSet('iifname', 's'), drop()]),
      rule(forward, [counter()], 'stays too'),
    ],
  };
  const output = chain(kukeon, 'target', { type: 'filter', hook: 'output', priority: 1, policy: 'accept' });
  const to: TableContent = {
    table: kukeon,
    chains: [forward, output],
    sets: [elements(set(kukeon, 's', ['ifname', 'ifname']), [{ key: ['x', 'y'] }])],
    rules: [
      rule(forward, [counter()], 'stays'),
      rule(forward, [inSet(['iifname', 'oifname'], 's'), drop()]),
      rule(forward, [counter()], 'stays too'),
      rule(output, [accept()]),
    ],
  };
  reconcile(socket, from);
  const handles = () => readTable(socket, kukeon).content?.rules.map(r => [r.comment, r.handle]);
  const before = handles();
  reconcile(socket, to);
  expect(difference(to, readTable(socket, kukeon).content)).toEqual([]);
  expect(handles()?.filter(([comment]) => comment)).toEqual(before?.filter(([comment]) => comment) ?? []);
  reconcile(socket, from);
  expect(difference(from, readTable(socket, kukeon).content)).toEqual([]);
});

test('from any table to any other, in one transaction each', () => {
  const names = fc.constantFrom('a', 'b', 'c');
  const chains = fc.uniqueArray(fc.constantFrom('c1', 'c2', 'c3'), { minLength: 1 });
  const contents = fc
    .tuple(chains, fc.uniqueArray(names), fc.boolean(), fc.array(fc.tuple(fc.nat(4), names), { maxLength: 6 }))
    .map(([chainNames, setNames, isPair, recipe]): TableContent => {
      const [first = 'c1', last = first] = [chainNames[0], chainNames.at(-1)];
      const base = {
        type: 'filter' as const,
        hook: 'forward' as const,
        priority: recipe.length % 3,
        policy: 'accept' as const,
      };
      const made = chainNames.map(name => chain(kukeon, name, name === first ? base : undefined));
      const sets = setNames.map((name, i) =>
        elements(
          set(kukeon, name, isPair ? ['ifname', 'ifname'] : ['inet_service'], { interval: !isPair }),
          recipe
            .filter(([n], at) => recipe.findIndex(([m]) => m === n) === at)
            .map(([n, comment]) => ({ key: isPair ? [`x${n}`, `y${i}`] : [`${n * 10}-${n * 10 + 9}`], comment })),
        ),
      );
      const verdicts = elements(
        map(kukeon, 'verdicts', ['ifname'], 'verdict'),
        recipe.length > 2 && last !== first ? [{ key: ['z'], data: { jump: last } }] : [],
      );
      const rules = recipe.map(([n, name]) => {
        const of = chain(kukeon, n % 2 === 0 ? first : last);
        const known = setNames.includes(name);
        if (n === 3) return rule(of, [counter(), accept()], name);
        if (!known) return rule(of, [match('iifname', name), drop()]);
        return rule(of, [inSet(isPair ? ['iifname', 'oifname'] : ['tcp dport'], name), accept()]);
      });
      return { table: kukeon, chains: made, sets: [...sets, verdicts], rules };
    });
  fc.assert(
    fc.property(fc.array(contents, { minLength: 2, maxLength: 4 }), sequence => {
      for (const content of sequence) {
        reconcile(socket, content);
        expect(difference(content, readTable(socket, kukeon).content)).toEqual([]);
        const kinds = (kind: string) => nftJson('table', 'inet', 'kukeon').filter(object => kind in object).length;
        expect([kinds('chain'), kinds('rule'), kinds('set')]).toEqual([
          content.chains.length,
          content.rules.length,
          content.sets.length - 1,
        ]);
      }
    }),
    { numRuns: 30 },
  );
});

test('changes that follow from what is there are planned anew if that has changed', () => {
  reconcile(socket, isolation([one]));
  let planned = 0;
  const changes = update(socket, () => {
    const { content } = readTable(socket, kukeon);
    if (++planned === 1) nft('flush chain inet kukeon input');
    return (content?.rules ?? []).map(remove);
  });
  expect({ planned, changes: changes.length }).toEqual({ planned: 2, changes: 2 });
  expect(readTable(socket, kukeon).content?.rules).toEqual([]);
  expect(() =>
    update(socket, () => {
      throw new Error('as it is');
    }),
  ).toThrow('as it is');
});

test('others who change the ruleset meanwhile only make it try again', async () => {
  const noise = Bun.spawn(['sh', '-c', 'while :; do nft add table ip noise; nft delete table ip noise; done']);
  const start = readGeneration(socket);
  try {
    // Until they too have changed it some times.
    for (let i = 0; i < 20 || readGeneration(socket) - start < i + 10; i++) {
      const spaces = i % 2 === 0 ? [one] : [one, two];
      reconcile(socket, isolation(spaces));
      const counts = readTable(socket, kukeon).content?.sets.map(({ elements }) => elements.length);
      expect(counts).toEqual([spaces.length, spaces.length, spaces.length]);
    }
  } finally {
    noise.kill();
    await noise.exited;
  }
});
