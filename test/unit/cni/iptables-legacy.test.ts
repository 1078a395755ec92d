import { describe, expect, test } from 'bun:test';
import { forwardLines } from '../../../src/cni/host-forward/iptables-legacy.ts';
import { parseTable } from '../../../src/cni/host-forward/iptables-lines.ts';

const DROPS = ['-P INPUT ACCEPT', '-P FORWARD DROP', '-P OUTPUT ACCEPT'];
const comment = '-m comment --comment "kukeon me"';
const mine = (chain: string) => [
  `-A ${chain} -i br0 ${comment} -j ACCEPT`,
  `-A ${chain} -o br0 -m conntrack --ctstate RELATED,ESTABLISHED,DNAT ${comment} -j ACCEPT`,
];

describe('FORWARD of old', () => {
  test('that accepts needs nothing, and what is there of ours goes', () => {
    expect(forwardLines(['-P FORWARD ACCEPT'], 'kukeon me', ['br0'])).toEqual({ missing: [], stale: [] });
    expect(forwardLines(['-P FORWARD ACCEPT', ...mine('FORWARD')], 'kukeon me', ['br0'])).toEqual({
      missing: [],
      stale: mine('FORWARD'),
    });
  });

  test('that drops takes a rule for each way, where Docker is in its chain', () => {
    expect(forwardLines(DROPS, 'kukeon me', ['br0'])).toEqual({ missing: mine('FORWARD'), stale: [] });
    const docker = [...DROPS, '-N DOCKER-USER', '-A FORWARD -j DOCKER-USER'];
    expect(forwardLines(docker, 'kukeon me', ['br0'])).toEqual({ missing: mine('DOCKER-USER'), stale: [] });
    // Docker is gone, and its chain is left over.
    expect(forwardLines([...DROPS, '-N DOCKER-USER'], 'kukeon me', ['br0']).missing).toEqual(mine('FORWARD'));
    expect(forwardLines([...DROPS, ...mine('FORWARD')], 'kukeon me', ['br0'])).toEqual({ missing: [], stale: [] });
  });

  test('that rejects by its last rule takes them too, one that accepts before does not', () => {
    const rejects = [
      '-P FORWARD ACCEPT',
      '-A FORWARD -i x -j ACCEPT',
      '-A FORWARD -j REJECT --reject-with icmp-host-prohibited',
    ];
    expect(forwardLines(rejects, 'kukeon me', ['br0'])).toEqual({ missing: mine('FORWARD'), stale: [] });
    const accepts = ['-P FORWARD DROP', '-A FORWARD -i x -j DROP', '-A FORWARD -j ACCEPT', '-A FORWARD -j DROP'];
    expect(forwardLines(accepts, 'kukeon me', ['br0'])).toEqual({ missing: [], stale: [] });
  });

  test('rules of others stay, another installation’s too', () => {
    const theirs = mine('FORWARD').map(line => line.replace('kukeon me', 'kukeon you'));
    expect(forwardLines(['-P FORWARD ACCEPT', ...theirs], 'kukeon me', [])).toEqual({ missing: [], stale: [] });
    expect(forwardLines([...DROPS, ...mine('FORWARD')], 'kukeon me', []).stale).toEqual(mine('FORWARD'));
  });
});

describe('FORWARD of old drops in the end', () => {
  const missing = (...lines: string[]) => forwardLines(lines, 'kukeon me', ['br0']).missing;
  const ACCEPTS = ['-P INPUT ACCEPT', '-P FORWARD ACCEPT', '-N END', '-N MIDDLE'];

  test.each<[string, string[]]>([
    ['by a rule with a comment', ['-A FORWARD -m comment --comment "drop the rest" -j DROP']],
    [
      'by a rule with a comment of one word',
      ['-A FORWARD -m comment --comment rest -j REJECT --reject-with tcp-reset'],
    ],
    ['in a chain that it jumps to', ['-A FORWARD -j END', '-A END -j DROP']],
    [
      'by way of another',
      ['-A FORWARD -j MIDDLE', '-A MIDDLE -g END', '-A END -j LOG --log-prefix "x -j y"', '-A END -j DROP'],
    ],
    [
      'behind what is counted, logged and marked',
      ['-A FORWARD', '-A FORWARD -j MARK --set-xmark 0x1/0x1', '-A FORWARD -j DROP'],
    ],
  ])('%s', (_, rules) => {
    expect(missing(...ACCEPTS, ...rules)).toEqual(mine('FORWARD'));
  });

  test.each<[string, string[]]>([
    ['by a rule for some', ['-A FORWARD -s 10.0.0.0/8 -m comment --comment "all of it" -j DROP']],
    ['in a chain for some', ['-A FORWARD -i x -j END', '-A END -j DROP']],
    ['in a chain that returns before', ['-A FORWARD -j END', '-A END -j RETURN', '-A END -j DROP']],
    ['where it goes elsewhere before', ['-A FORWARD -g END', '-A FORWARD -j DROP']],
    ['in words alone', ['-A FORWARD -m comment --comment "-j DROP"', '-A FORWARD -j LOG --log-prefix "-j DROP"']],
    ['in a chain that leads to itself', ['-A FORWARD -j END', '-A END -j MIDDLE', '-A MIDDLE -j END']],
    ['in another chain', ['-A INPUT -j DROP', '-P OUTPUT DROP']],
  ])('but not %s', (_, rules) => {
    expect(missing(...ACCEPTS, ...rules)).toEqual([]);
  });

  test('by its policy, to which a chain returns', () => {
    expect(missing('-P FORWARD DROP', '-N END', '-A FORWARD -j END', '-A END -j RETURN')).toEqual(mine('FORWARD'));
  });
});

test('a comment is read as iptables writes it', () => {
  const { chains, rules } = parseTable([
    '-P POSTROUTING ACCEPT',
    '-N CNI-1',
    String.raw`-A POSTROUTING -s 10.1.2.3/32 -m comment --comment "name: \"main-default\" id: \"x\"" -j CNI-1`,
    '-A POSTROUTING -m comment --comment word -j MASQUERADE --random',
    '-A POSTROUTING -o eth0',
  ]);
  expect(chains).toEqual(['CNI-1']);
  expect(rules.map(({ chain, target, comment }) => [chain, target, comment])).toEqual([
    ['POSTROUTING', 'CNI-1', 'name: "main-default" id: "x"'],
    ['POSTROUTING', 'MASQUERADE', 'word'],
    ['POSTROUTING', undefined, undefined],
  ]);
});
