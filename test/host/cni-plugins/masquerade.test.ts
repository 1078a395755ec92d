import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { masquerade } from '../../../src/cni/plugins/masquerade.ts';
import type { Trace } from '../../../src/cni/plugins/trace.ts';
import { nft, nftList, run } from '../netlink/outside.ts';
import { ask, BRIDGES, CELLS, type CellName, callFor, gcFor, makeRoutedHost, OUTSIDE, UPLINK } from './routed-host.ts';

let host: Disposable;
beforeAll(async () => {
  host = await makeRoutedHost();
});
afterAll(() => host[Symbol.dispose]());
afterEach(() => run('nft', 'flush', 'ruleset'));

function what(name: CellName) {
  const { bridge, v4, v6 } = CELLS[name];
  return { addresses: [`${v4}/16`, `${v6}/64`], bridge };
}
const add = (name: CellName) => masquerade.add(callFor(name), what(name));
const remove = (name: CellName) => masquerade.remove({ ...callFor(name), netns: '', prevResult: undefined });
const ruleset = () => nftList('ruleset');

describe.each(['v4', 'v6'] as const)('%s', family => {
  test.each(['tcp', 'udp'] as const)('what leaves the host by %s is masqueraded, nothing else is', async protocol => {
    expect(await ask('a1', protocol, OUTSIDE[family], 7, 0.5)).toBe('');
    add('a1');
    const answers = await Promise.all([
      ask('a1', protocol, OUTSIDE[family], 7),
      ask('a1', protocol, CELLS.a2[family], 7),
      ask('a2', protocol, CELLS.a1[family], 7),
      ask('a2', protocol, OUTSIDE[family], 7, 0.5),
      ask(undefined, protocol, CELLS.a1[family], 7),
      ask('a1', protocol, CELLS.b1[family], 7),
    ]);
    // To another network as well, as the reference does.
    expect(answers).toEqual([
      `outside ${UPLINK[family]}`,
      `a2 ${CELLS.a1[family]}`,
      `a1 ${CELLS.a2[family]}`,
      '',
      `a1 ${BRIDGES['br-a'][family]}`,
      `b1 ${BRIDGES['br-b'][family]}`,
    ]);
    remove('a1');
    expect(ruleset()).toBe('');
    expect(await ask('a1', protocol, OUTSIDE[family], 7, 0.5)).toBe('');
  });
});

test('the rules are two, however many attachments there are, and leave out multicast', () => {
  for (const name of ['a1', 'a2', 'b1'] as const) add(name);
  const [, chain] = /chain leaving \{\n\t\t(.*)\n\t\}/s.exec(ruleset()) ?? [];
  expect(chain?.split('\n\t\t')).toEqual([
    'type nat hook postrouting priority srcnat; policy accept;',
    'ip saddr @sources ip saddr . oifname != @homes ip daddr != 224.0.0.0/4 masquerade comment "out of a network"',
    'ip6 saddr @sources6 ip6 saddr . oifname != @homes6 ip6 daddr != ff00::/8 masquerade comment "out of a network"',
  ]);
});

test('says what a person would type', () => {
  const commands: string[] = [];
  const trace: Trace = (command, effect) => {
    commands.push(command);
    return effect();
  };
  masquerade.add({ ...callFor('a1'), trace }, what('a1'));
  masquerade.add({ ...callFor('a2'), trace }, what('a2'));
  const made = ruleset();
  run('nft', 'flush', 'ruleset');
  for (const command of commands) run('bash', '-c', command);
  expect(ruleset()).toBe(made);
  masquerade.remove({ ...callFor('a1'), trace });
  masquerade.remove({ ...callFor('a2'), trace });
  expect(commands).toHaveLength(4);
});

describe('DEL, GC and CHECK', () => {
  test('an address that was given out anew is no longer the first one’s', () => {
    add('a1');
    masquerade.add(callFor('a2'), what('a1'));
    remove('a1');
    masquerade.check(callFor('a2'), what('a1'));
    expect(() => masquerade.check(callFor('a1'), what('a1'))).toThrow(
      'masquerading (ipMasq): element inet kukeon sources { 10.88.0.11 } is missing or was changed; ADD puts it back',
    );
    remove('a2');
    expect(ruleset()).toBe('');
    remove('a2');
  });

  test('CHECK tells what is missing, ADD puts it back', () => {
    add('a1');
    for (const damage of [
      'flush ruleset',
      'flush chain inet kukeon leaving',
      'delete element inet kukeon homes6 { fd00:a::11 . "br-a" }',
    ]) {
      masquerade.check(callFor('a1'), what('a1'));
      nft(damage);
      expect(() => masquerade.check(callFor('a1'), what('a1'))).toThrow('is missing or was changed');
      add('a1');
    }
    masquerade.check(callFor('a1'), what('a1'));
  });

  test('GC removes what is of its network and of no valid attachment', () => {
    for (const name of ['a1', 'a2', 'b1'] as const) add(name);
    masquerade.collect(gcFor('br-a', ['a2']));
    expect(ruleset()).not.toContain('10.88.0.11');
    for (const name of ['a2', 'b1'] as const) masquerade.check(callFor(name), what(name));
    masquerade.collect(gcFor('br-a', []));
    masquerade.check(callFor('b1'), what('b1'));
    masquerade.collect(gcFor('br-b', []));
    expect(ruleset()).toBe('');
  });
});

test('after any ADDs, DELs, GCs and flushes the table holds what a model holds, and nothing is left after the last', () => {
  const name = fc.constantFrom<CellName>('a1', 'a2', 'b1');
  const step = fc.oneof(
    fc.record({ verb: fc.constant('add'), name }),
    fc.record({ verb: fc.constant('del'), name }),
    fc.record({ verb: fc.constant('gc'), name }),
    fc.record({ verb: fc.constantFrom('flush rules', 'flush all'), name }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), steps => {
      let model = new Set<CellName>();
      for (const { verb, name } of steps) {
        if (verb === 'add') {
          add(name);
          model.add(name);
        } else if (verb === 'del') {
          remove(name);
          model.delete(name);
        } else if (verb === 'gc') {
          masquerade.collect(gcFor(CELLS[name].bridge, [name]));
          model = new Set([...model].filter(one => one === name || CELLS[one].bridge !== CELLS[name].bridge));
        } else if (verb === 'flush all') {
          run('nft', 'flush', 'ruleset');
          model.clear();
        } else if (model.size > 0) {
          nft('flush chain inet kukeon leaving');
          add(name);
          model.add(name);
        }
        for (const one of model) masquerade.check(callFor(one), what(one));
        const sources = [...ruleset().matchAll(/(10\.\d+\.0\.11|10\.\d+\.0\.12) comment/g)].map(([, source]) => source);
        expect(sources.sort()).toEqual([...model].map(one => CELLS[one].v4).sort());
      }
      for (const one of model) remove(one);
      expect(ruleset()).toBe('');
    }),
    { numRuns: 40 },
  );
});
