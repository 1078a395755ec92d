import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Trace } from '../../../src/cni/plugins/trace.ts';
import {
  addElements,
  INET,
  lacking,
  readSection,
  removeElements,
  type Section,
  sectionChanges,
} from '../../../src/cni/ruleset.ts';
import { NetlinkSocket } from '../../../src/host/netlink/socket.ts';
import { describe as inNft, nameOf } from '../../../src/host/nftables/explain.ts';
import { readGeneration } from '../../../src/host/nftables/list.ts';
import { chain, type Element, type Elements, elements, map, rule, set } from '../../../src/host/nftables/object.ts';
import { update } from '../../../src/host/nftables/reconcile.ts';
import { accept, dnat, drop, inSet, masquerade, match } from '../../../src/host/nftables/statement.ts';
import { nft, nftJson, nftList, run } from '../netlink/outside.ts';

let socket: NetlinkSocket;
beforeEach(() => {
  socket = new NetlinkSocket('netfilter');
});
afterEach(() => {
  run('nft', 'flush', 'ruleset');
  socket.close();
});

const out = chain(INET, 'out', { type: 'nat', hook: 'postrouting', priority: 100, policy: 'accept' });
const sources = set(INET, 'sources', ['ipv4_addr']);
const notes = set(INET, 'notes', ['ifname']);
/** A section with a set that no rule refers to. */
const first: Section = {
  table: INET,
  chains: [out],
  sets: [sources, notes],
  rules: [rule(out, [inSet('ip saddr', 'sources'), masquerade()], 'first')],
};

const into = chain(INET, 'into', { type: 'nat', hook: 'prerouting', priority: -100, policy: 'accept' });
const guard = chain(INET, 'guard', { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' });
const ports = map(INET, 'ports', ['inet_proto', 'inet_service'], ['ipv4_addr', 'inet_service']);
const second: Section = {
  table: INET,
  chains: [into, guard],
  sets: [ports],
  rules: [
    rule(into, [dnat('ip', { left: ['meta l4proto', 'th dport'], map: 'ports', withPort: true })], 'second'),
    rule(guard, [match('ct state', 'invalid'), drop()], 'third'),
    rule(guard, [accept()], 'fourth'),
  ],
};

const address = (i: number) => `10.88.${i >> 8}.${i & 255}`;
const source = (i: number, label = `net c${i}/eth0`): Element => ({ key: [address(i)], comment: label });
const port = (number: number, to: number): Element => ({
  key: ['tcp', String(number)],
  data: [address(to), '80'],
  comment: `net c${to}/eth0`,
});
const label = (text: string) => (element: Element) => element.comment === text;
const reconcileSection = (section: Section, wanted: readonly Elements[]) =>
  update(socket, () => sectionChanges(socket, section, () => wanted));
const ruleset = () => nftList('ruleset');

describe('a section', () => {
  test('comes whole with its first element, in one transaction, and later ones add only themselves', () => {
    const before = readGeneration(socket);
    addElements(socket, first, [elements(sources, [source(1)]), elements(notes, [{ key: ['br0'] }])]);
    expect(readGeneration(socket)).toBe(before + 1);
    expect(ruleset()).toBe(`table inet kukeon {
	set sources {
		type ipv4_addr
		elements = { 10.88.0.1 comment "net c1/eth0" }
	}

	set notes {
		type ifname
		elements = { "br0" }
	}

	chain out {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr @sources masquerade comment "first"
	}
}
`);
    const handles = () => nftJson('ruleset').flatMap(({ rule: found }) => (found ? [found.handle] : []));
    const earlier = handles();
    expect(addElements(socket, first, [elements(sources, [source(2)])]).map(inNft)).toEqual([
      'add set inet kukeon notes { type ifname; }',
      'create element inet kukeon sources { 10.88.0.2 comment "net c2/eth0" }',
    ]);
    expect(handles()).toEqual(earlier);
  });

  test('goes with its last element, and the table with its last section', () => {
    addElements(socket, first, [elements(sources, [source(1), source(2)])]);
    addElements(socket, second, [elements(ports, [port(80, 1)])]);
    removeElements(socket, first, label('net c1/eth0'));
    expect(ruleset()).toContain('10.88.0.2');
    removeElements(socket, first, label('net c2/eth0'));
    expect(nftJson('chains').map(object => object.chain?.name)).toEqual(['into', 'guard']);
    expect(nftJson('sets')).toEqual([]);
    removeElements(socket, second, label('net c1/eth0'));
    expect(ruleset()).toBe('');
    expect(removeElements(socket, second, () => true)).toEqual([]);
  });

  test('the table stays while another has something in it, and with the comment that it had', () => {
    nft('add table inet kukeon { comment "an installation"; }; add chain inet kukeon theirs; add table ip other');
    expect(readSection(socket, first)).toBeUndefined();
    addElements(socket, first, [elements(sources, [source(1)])]);
    expect(ruleset()).toContain('comment "an installation"');
    removeElements(socket, first, () => true);
    expect(nftJson('table', 'inet', 'kukeon').filter(object => !object.table)).toMatchObject([
      { chain: { name: 'theirs' } },
    ]);
  });

  test('a set of a type that is not known here keeps the table as well', () => {
    nft('add table inet kukeon; add set inet kukeon theirs { type time; }');
    addElements(socket, first, [elements(sources, [source(1)])]);
    removeElements(socket, first, () => true);
    expect(ruleset()).toContain('set theirs');
  });
});

describe('a table that sleeps', () => {
  const sleep = () => nft('add table inet kukeon { flags dormant; }');
  const isAsleep = () => ruleset().includes('flags dormant');

  test('is not as it should be, and wakes with the next element', () => {
    const wanted = [elements(sources, [source(1)])];
    addElements(socket, first, wanted);
    expect(lacking(socket, first, wanted)).toEqual([]);
    sleep();
    expect(isAsleep()).toBe(true);
    expect(lacking(socket, first, wanted).map(nameOf)).toEqual(['table inet kukeon']);
    addElements(socket, first, [elements(sources, [source(2)])]);
    expect(isAsleep()).toBe(false);
    expect(lacking(socket, first, wanted)).toEqual([]);
  });

  test('also with another section’s first, and is told of as a command', () => {
    addElements(socket, first, [elements(sources, [source(1)])]);
    sleep();
    const told: string[] = [];
    const trace: Trace = (command, effect) => {
      told.push(command);
      return effect();
    };
    addElements(socket, second, [elements(ports, [port(80, 1)])], { trace });
    expect(isAsleep()).toBe(false);
    expect(told).toEqual(['nft add table inet kukeon', expect.stringContaining('add chain inet kukeon into')]);
  });

  test('stays asleep when elements go, and goes with its last one', () => {
    addElements(socket, first, [elements(sources, [source(1), source(2)])]);
    sleep();
    removeElements(socket, first, label('net c1/eth0'));
    expect(isAsleep()).toBe(true);
    removeElements(socket, first, () => true);
    expect(ruleset()).toBe('');
  });
});

describe('repair', () => {
  test('after a flush of the ruleset, of a chain, of the table, and after a rule was changed', () => {
    const add = (i: number) => addElements(socket, second, [elements(ports, [port(i, i)])]);
    add(1);
    const whole = ruleset();
    const rules = () => nftJson('ruleset').flatMap(({ rule: it }) => (it ? [[it.chain, it.expr, it.comment]] : []));
    const expected = rules();
    expect(expected).toHaveLength(3);
    for (const [index, damage] of [
      'flush ruleset',
      'flush chain inet kukeon into',
      'flush table inet kukeon',
      'add rule inet kukeon into accept',
      'insert rule inet kukeon guard counter',
      'flush chain inet kukeon guard; add rule inet kukeon guard accept comment "fourth"',
    ].entries()) {
      nft(damage);
      expect(lacking(socket, second, [elements(ports, [port(1, 1)])])).not.toEqual([]);
      add(index + 10);
      expect(rules()).toEqual(expected);
      expect(ruleset()).toContain(`10.88.0.${index + 10} . 80`);
    }
    expect(readSection(socket, second)?.sets[0]?.elements).toHaveLength(6);
    removeElements(socket, second, element => element.key[1] !== '10');
    nft(
      'add element inet kukeon ports { tcp . 1 comment "net c1/eth0" : 10.88.0.1 . 80 }; delete element inet kukeon ports { tcp . 10 }',
    );
    expect(ruleset()).toBe(whole);
  });

  test('a ruleset that somebody saved and loaded again lacks nothing; its rules are exchanged once', () => {
    const add = () => addElements(socket, second, [elements(ports, [port(1, 1)])]).length;
    add();
    const saved = ruleset();
    nft(`flush ruleset; ${saved}`);
    expect(lacking(socket, second, [elements(ports, [port(1, 1)])])).toEqual([]);
    expect(add()).toBe(6);
    expect(add()).toBe(0);
    expect(ruleset()).toBe(saved);
  });

  test('chains and sets of its names that are of another kind are made anew', () => {
    addElements(socket, first, [elements(sources, [source(1)])]);
    const whole = ruleset();
    nft(`flush ruleset; table inet kukeon {
      set sources { type ifname; elements = { "br0" }; }
      set notes { type ifname; elements = { "br0" }; }
      chain out { type filter hook input priority 5; policy drop; iifname @sources accept; }
    }`);
    addElements(socket, first, [elements(sources, [source(1)])]);
    removeElements(socket, first, (_, { set }) => set === 'notes');
    const blocks = (text: string) =>
      text
        .split('\n\n')
        .map(block =>
          block
            .replace('table inet kukeon {\n', '')
            .replace(/}\n}\n$/, '}')
            .trim(),
        )
        .sort();
    expect(blocks(ruleset())).toEqual(blocks(whole));
  });

  test('says what is lacking', () => {
    const wanted = [elements(ports, [port(1, 1), port(2, 2)])];
    const names = () => lacking(socket, second, wanted).map(nameOf);
    expect(names()[0]).toBe('table inet kukeon');
    addElements(socket, second, wanted);
    expect(names()).toEqual([]);
    nft('delete element inet kukeon ports { tcp . 2 }; flush chain inet kukeon into');
    expect(names()).toEqual(['rule inet kukeon into', 'element inet kukeon ports { tcp . 2 }']);
    nft('chain inet kukeon guard { policy drop; }');
    expect(names()).toContain('chain inet kukeon guard');
    reconcileSection(second, wanted);
    expect(names()).toEqual([]);
  });
});

describe('an element that is there already', () => {
  test('with the same content stays, with other content is replaced, unless that is refused', () => {
    const add = (element: Element, taken: () => 'replace' | Elements = () => 'replace') =>
      addElements(socket, second, [elements(ports, [element])], { taken }).map(inNft);
    add(port(80, 1));
    expect(add(port(80, 1))).toEqual([]);
    nft('flush chain inet kukeon into');
    expect(add(port(80, 1))).toEqual([expect.stringContaining('add rule inet kukeon into ')]);
    const refused = () => {
      throw new Error('taken');
    };
    expect(() => add(port(80, 2), refused)).toThrow('taken');
    expect(ruleset()).toContain('tcp . 80 comment "net c1/eth0" : 10.88.0.1 . 80');
    expect(add(port(80, 2), () => elements(ports, [port(81, 2)]))).toHaveLength(1);
    expect(ruleset()).toContain('tcp . 80 comment "net c1/eth0" : 10.88.0.1 . 80');
    expect(ruleset()).toContain('tcp . 81 comment "net c2/eth0" : 10.88.0.2 . 80');
    expect(add(port(80, 2))).toHaveLength(2);
    expect(ruleset()).toContain('tcp . 80 comment "net c2/eth0" : 10.88.0.2 . 80');
  });

  test('may be taken over by another one in the transaction that removes it, also the last', () => {
    addElements(socket, second, [elements(ports, [port(80, 1)])]);
    const before = readGeneration(socket);
    const heirs = () => [elements(ports, [port(80, 2)])];
    removeElements(socket, second, label('net c1/eth0'), { heirs });
    expect(readGeneration(socket)).toBe(before + 1);
    expect(ruleset()).toContain('tcp . 80 comment "net c2/eth0" : 10.88.0.2 . 80');
    expect(ruleset()).not.toContain('c1');
    removeElements(socket, second, label('net c2/eth0'), { heirs: () => [] });
    expect(ruleset()).toBe('');
  });

  test('costs as much to add to three as to three thousand', () => {
    let received = 0;
    class Counted extends NetlinkSocket {
      override receive() {
        const datagram = super.receive();
        received += datagram instanceof Uint8Array ? datagram.length : 0;
        return datagram;
      }
    }
    using counted = new Counted('netfilter');
    const cost = (i: number) => {
      received = 0;
      addElements(counted, first, [elements(sources, [source(i)])]);
      addElements(counted, first, [elements(sources, [source(i, 'another')])]);
      return received;
    };
    addElements(socket, first, [elements(sources, [source(1)])]);
    const few = cost(2);
    const many = Array.from({ length: 3000 }, (_, i) => source(i + 10));
    addElements(socket, first, [elements(sources, many)]);
    expect(few).toBeGreaterThan(0);
    expect(cost(3)).toBe(few);
  });
});

test('after any adding, removing and damage the sections hold what a model holds, and nothing is left at the end', () => {
  const step = fc.oneof(
    fc.record({ verb: fc.constantFrom('source', 'port', 'gone'), i: fc.nat({ max: 6 }) }),
    fc.record({ verb: fc.constant('flush'), i: fc.nat({ max: 1 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), steps => {
      const model = { sources: new Set<number>(), ports: new Set<number>() };
      for (const { verb, i } of steps) {
        if (verb === 'source') {
          addElements(socket, first, [elements(sources, [source(i)])]);
          model.sources.add(i);
        } else if (verb === 'port') {
          addElements(socket, second, [elements(ports, [port(i, i)])]);
          model.ports.add(i);
        } else if (verb === 'gone') {
          for (const section of [first, second]) removeElements(socket, section, label(`net c${i}/eth0`));
          model.sources.delete(i);
          model.ports.delete(i);
        } else if (ruleset() !== '') {
          nft('flush chain inet kukeon '.concat(model.sources.size > 0 ? 'out' : 'into'));
        }
        const held = (section: Section) =>
          readSection(socket, section)
            ?.sets.flatMap(one => one.elements.map(element => element.comment ?? ''))
            .sort() ?? [];
        const expected = (numbers: Set<number>) => [...numbers].map(n => `net c${n}/eth0`).sort();
        expect(held(first)).toEqual(expected(model.sources));
        expect(held(second)).toEqual(expected(model.ports));
      }
      reconcileSection(first, []);
      removeElements(socket, second, () => true);
      expect(ruleset()).toBe('');
    }),
    { numRuns: 60 },
  );
});
