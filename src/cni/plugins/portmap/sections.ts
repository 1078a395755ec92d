/**
 * What is in the kernel for published ports, a section for each family: maps from ports of the host to ports of attachments, and sets that
 * say which connections have to seem to come from the host so that their answers find back.
 */
import { chain, map, type NamedSet, rule, set } from '../../../host/nftables/object.ts';
import { dnat, drop, inSet, jump, masquerade, match } from '../../../host/nftables/statement.ts';
import { INET, type Section } from '../../ruleset.ts';

export interface PortSection {
  family: 'v4' | 'v6';
  section: Section;
  /** protocol . port of the host → address . port of an attachment */
  anywhere: NamedSet;
  /** address . protocol . port of the host → the same */
  on: NamedSet;
  /** protocol . port that are published on some address alone: not to be published on all. */
  somewhere: NamedSet;
  /** address (`any` for all) . protocol . port of the host . address . port of an attachment: of a container that has the port already. */
  waiting: NamedSet;
  any: '0.0.0.0' | '::';
  /** Attachments that the host reaches by its loopback address too; IPv6 takes no answer to ::1 from another interface. */
  local?: NamedSet;
  /** bridge . address: what comes from an attachment's own network would be answered past the host. */
  neighbours: NamedSet;
  /** address . address: of an attachment that calls itself. */
  selves: NamedSet;
  /** Attachments that see the host only (`masqAll`). */
  hidden: NamedSet;
  /** Bridges on which `route_localnet` is wanted. */
  localnet?: NamedSet;
}

const LOOPBACK = '127.0.0.0/8';

interface Words {
  family: 'v4' | 'v6';
  suffix: '' | '6';
  protocol: 'ipv4' | 'ipv6';
  ip: 'ip' | 'ip6';
  source: 'ip saddr' | 'ip6 saddr';
  destination: 'ip daddr' | 'ip6 daddr';
  address: 'ipv4_addr' | 'ipv6_addr';
  any: PortSection['any'];
}

function sectionOf(words: Words): PortSection {
  const { family, suffix, protocol, ip, source, destination, address, any } = words;
  const hook = { type: 'nat', policy: 'accept' } as const;
  const dnatBase = { ...hook, priority: -100 };
  const arriving = chain(INET, `published_arriving${suffix}`, { ...dnatBase, hook: 'prerouting' });
  const local = chain(INET, `published_local${suffix}`, { ...dnatBase, hook: 'output' });
  const ports = chain(INET, `published${suffix}`);
  const back = chain(INET, `published_back${suffix}`, { ...hook, hook: 'postrouting', priority: 100 });

  const target = [address, 'inet_service'] as [typeof address, 'inet_service'];
  const sets = {
    anywhere: map(INET, `ports${suffix}`, ['inet_proto', 'inet_service'], target),
    on: map(INET, `ports_on${suffix}`, [address, 'inet_proto', 'inet_service'], target),
    somewhere: set(INET, `ports_somewhere${suffix}`, ['inet_proto', 'inet_service']),
    waiting: set(INET, `ports_waiting${suffix}`, [address, 'inet_proto', 'inet_service', ...target]),
    neighbours: set(INET, `published_next${suffix}`, ['ifname', address]),
    selves: set(INET, `published_self${suffix}`, [address, address]),
    hidden: set(INET, `published_hidden${suffix}`, [address]),
    ...(family === 'v4' && {
      local: set(INET, 'published_to', [address]),
      localnet: set(INET, 'localnet', ['ifname']),
    }),
  };
  const toHost = [match('meta nfproto', protocol), match('fib daddr type', 'local'), jump(ports.chain)];
  const port = ['meta l4proto', 'th dport'] as const;
  const translated = match('ct status', 'dnat');
  const guard = sets.localnet && guardOf(sets.localnet);
  return {
    family,
    ...sets,
    any,
    section: {
      table: INET,
      chains: [arriving, local, ports, back, ...(guard ? [guard.chain] : [])],
      sets: Object.values(sets),
      rules: [
        ...(guard?.rules ?? []),
        rule(arriving, toHost),
        rule(local, toHost),
        rule(ports, [dnat(ip, { left: [destination, ...port], map: sets.on.set, withPort: true })]),
        rule(ports, [
          match('meta nfproto', protocol),
          dnat(ip, { left: [...port], map: sets.anywhere.set, withPort: true }),
        ]),
        ...(sets.local
          ? [rule(back, [match(source, LOOPBACK), inSet(destination, sets.local.set), masquerade()], 'from the host')]
          : []),
        rule(
          back,
          [translated, inSet(['iifname', destination], sets.neighbours.set), masquerade()],
          'from its network',
        ),
        rule(back, [translated, inSet([source, destination], sets.selves.set), masquerade()], 'from itself'),
        rule(back, [translated, inSet(destination, sets.hidden.set), masquerade()], 'masqAll'),
      ],
    },
  };
}

/** With route_localnet the host would take packets to and from 127.0.0.0/8 off the wire: the attachments would reach its own services. */
function guardOf(localnet: NamedSet) {
  const guard = chain(INET, 'localnet_guard', { type: 'filter', hook: 'prerouting', priority: -300, policy: 'accept' });
  const fromBridge = inSet('iifname', localnet.set);
  return {
    chain: guard,
    rules: (['ip daddr', 'ip saddr'] as const).map(address =>
      rule(guard, [fromBridge, match(address, LOOPBACK), drop()], "the host's loopback"),
    ),
  };
}

export const V4 = sectionOf({
  family: 'v4',
  suffix: '',
  protocol: 'ipv4',
  ip: 'ip',
  source: 'ip saddr',
  destination: 'ip daddr',
  address: 'ipv4_addr',
  any: '0.0.0.0',
});

export const V6 = sectionOf({
  family: 'v6',
  suffix: '6',
  protocol: 'ipv6',
  ip: 'ip6',
  source: 'ip6 saddr',
  destination: 'ip6 daddr',
  address: 'ipv6_addr',
  any: '::',
});

export const SECTIONS: readonly PortSection[] = [V4, V6];
