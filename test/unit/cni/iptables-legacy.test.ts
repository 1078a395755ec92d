import { describe, expect, test } from 'bun:test';
import { commentOf, forwardLines } from '../../../src/cni/host-forward/iptables-legacy.ts';

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

test('a comment is read as iptables writes it', () => {
  const line = String.raw`-A POSTROUTING -s 10.1.2.3/32 -m comment --comment "name: \"main-default\" id: \"x\"" -j CNI-1`;
  expect(commentOf(line)).toBe('name: "main-default" id: "x"');
  expect(commentOf('-A POSTROUTING -j MASQUERADE')).toBeUndefined();
});
