/** What not every implementation has: it works, or it is refused by name (code 2), but is never ignored. */
import { expect, test } from 'bun:test';
import { attachmentOf, cases, expectError, left, onHost } from './case.ts';
import { bridge } from './configs.ts';
import type { Host } from './host.ts';
import { has } from './implementation.ts';
import { add, del } from './network.ts';
import { rulesAbout } from './views.ts';

const refused = (key: string) => ({ error: { code: 2, msg: new RegExp(key) }, state: undefined, leaves: [] });
const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }];
const published = (portmap: object) => (host: Host) => [
  bridge(host),
  { type: 'portmap', capabilities: { portMappings: true }, ...portmap },
];
const firewalled = (firewall: object) => (host: Host) => [bridge(host), { type: 'firewall', ...firewall }];
/** The chain's first plugin has done its ADD; a runtime would undo it. */
const chained = (key: string) => ({ ...refused(key), leaves: [/./] });

cases('what not everyone has', [
  { name: 'bridge: vlan 0 is none', plugins: host => [bridge(host, { vlan: 0 })] },
  { name: 'bridge: an empty vlanTrunk is none', plugins: host => [bridge(host, { vlanTrunk: [] })] },
  {
    name: 'bridge: runtimeConfig.dns',
    plugins: host => [bridge(host, { capabilities: { dns: true } })],
    runtimeConfig: { dns: { servers: ['192.0.2.53'], searches: ['a.example'] } },
    result: { dns: { nameservers: ['192.0.2.53'], search: ['a.example'] } },
    unless: { 'no runtimeConfig.dns': { result: {} } },
  },
  {
    name: 'portmap: conditionsV4',
    plugins: published({ conditionsV4: ['-s', '192.0.2.0/24'] }),
    runtimeConfig: { portMappings },
    state: async ({ host }) => void expect(await rulesAbout(host.name, '192.0.2.0')).not.toEqual([]),
    unless: { 'no iptables': chained('conditionsV4'), 'portmap: CHECK fails': { check: 999 } },
  },
  {
    name: 'portmap: externalSetMarkChain',
    plugins: published({ externalSetMarkChain: 'OTHERS-MARK' }),
    prepare: host => host.run('iptables', '-t', 'nat', '-N', 'OTHERS-MARK'),
    runtimeConfig: { portMappings },
    state: async ({ host }) => void expect(await rulesAbout(host.name, 'OTHERS-MARK')).not.toEqual([]),
    unless: { 'no iptables': chained('externalSetMarkChain'), 'portmap: CHECK fails': { check: 999 } },
  },
  {
    name: 'portmap: markMasqBit',
    plugins: published({ markMasqBit: 5 }),
    runtimeConfig: { portMappings },
    state: async ({ host }) => void expect(await rulesAbout(host.name, '8080')).not.toEqual([]),
    unless: { 'portmap: CHECK fails': { check: 999 } },
  },
  {
    name: 'firewall: iptablesAdminChainName',
    plugins: firewalled({ iptablesAdminChainName: 'OWN-ADMIN' }),
    state: async ({ host }) => void expect(await rulesAbout(host.name, 'OWN-ADMIN')).not.toEqual([]),
    leaves: [/OWN-ADMIN/],
    unless: { 'no iptables': chained('iptablesAdminChainName') },
  },
  {
    name: 'firewall: backend iptables',
    plugins: firewalled({ backend: 'iptables' }),
    state: async ({ host }) => void expect(await rulesAbout(host.name, '10.77.0.2')).not.toEqual([]),
    unless: { 'no iptables': chained('backend') },
  },
  {
    name: 'firewall: an empty backend is whichever there is',
    plugins: firewalled({ backend: '' }),
    state: async ({ host }) => void expect(await rulesAbout(host.name, '10.77.0.2')).not.toEqual([]),
  },
  {
    name: 'firewall: backend firewalld where none runs',
    plugins: firewalled({ backend: 'firewalld' }),
    error: 2,
    leaves: [/./],
    unless: { 'internal errors': { error: { code: 999, msg: /./ } } },
  },
]);

// Not every kernel has them, so it may also be that which refuses.
test.each([{ vlan: 100 }, { vlan: 100, vlanTrunk: [{ minID: 200, maxID: 201 }] }])('bridge: %j', vlans =>
  onHost(async host => {
    const row = { name: '', plugins: () => [bridge(host, vlans)] };
    const attachment = attachmentOf(row, host, await host.container());
    const before = await host.snapshot();
    const answer = await add(attachment);
    if (has('no VLANs')) expectError(answer, { code: 2, msg: /vlan/ });
    else if (answer.status === 0) expect(await host.run('bridge', 'vlan', 'show')).toContain('100 PVID');
    else expectError(answer, { code: 999, msg: /not supported/ });
    await del(attachment);
    expect(left(before, await host.snapshot())).toEqual([]);
  }),
);
