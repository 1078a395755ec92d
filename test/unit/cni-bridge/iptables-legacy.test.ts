import { describe, expect, test } from 'bun:test';
import { commentOf, forwardLines } from '../../../plugins/cni-bridge/iptables-legacy.ts';

const DROPS = ['-P INPUT ACCEPT', '-P FORWARD DROP', '-P OUTPUT ACCEPT'];
const comment = '-m comment --comment "kukeon me"';
const mine = (chain: string) => [
  `-A ${chain} -i br0 ${comment} -j ACCEPT`,
  `-A ${chain} -o br0 -m conntrack --ctstate RELATED,ESTABLISHED ${comment} -j ACCEPT`,
];

describe('FORWARD of old', () => {
  test('that accepts needs nothing, and what is there of ours goes', () => {
    expect(forwardLines(['-P FORWARD ACCEPT'], 'me', ['br0'])).toEqual({ missing: [], stale: [] });
    expect(forwardLines(['-P FORWARD ACCEPT', ...mine('FORWARD')], 'me', ['br0'])).toEqual({
      missing: [],
      stale: mine('FORWARD'),
    });
  });

  test('that drops takes a rule for each way, where Docker is in its chain', () => {
    expect(forwardLines(DROPS, 'me', ['br0'])).toEqual({ missing: mine('FORWARD'), stale: [] });
    expect(forwardLines([...DROPS, '-N DOCKER-USER'], 'me', ['br0'])).toEqual({
      missing: mine('DOCKER-USER'),
      stale: [],
    });
    expect(forwardLines([...DROPS, ...mine('FORWARD')], 'me', ['br0'])).toEqual({ missing: [], stale: [] });
  });

  test('rules of others stay, another installation’s too', () => {
    const theirs = mine('FORWARD').map(line => line.replace('kukeon me', 'kukeon you'));
    expect(forwardLines(['-P FORWARD ACCEPT', ...theirs], 'me', [])).toEqual({ missing: [], stale: [] });
    expect(forwardLines([...DROPS, ...mine('FORWARD')], 'me', []).stale).toEqual(mine('FORWARD'));
  });
});

test('a comment is read as iptables writes it', () => {
  const line = String.raw`-A POSTROUTING -s 10.1.2.3/32 -m comment --comment "name: \"main-default\" id: \"x\"" -j CNI-1`;
  expect(commentOf(line)).toBe('name: "main-default" id: "x"');
  expect(commentOf('-A POSTROUTING -j MASQUERADE')).toBeUndefined();
});
