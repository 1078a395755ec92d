/** Forwarding is turned on for the first cell that needs it, and afterwards the host is as it was: each interface, and each kind of host. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { restoreForwarding, turnOnForwarding } from '../../../plugins/cni-bridge/forwarding.ts';
import { type HostStateFile, hostStateFile } from '../../../plugins/cni-bridge/host-state.ts';
import { run } from '../netlink/outside.ts';
import '../box.ts';

const GATEWAYS = ['10.88.0.1', 'fd00:88::1'];
let state: HostStateFile;
let serial = 0;

const set = (...settings: string[]) => run('sysctl', '-qw', ...settings.map(one => `net.${one}`));
/** All that turning it on may change. */
const values = () =>
  run('sysctl', '-a', '--pattern', String.raw`^net\.ipv[46]\..*\.(ip_forward|forwarding|accept_ra|accept_redirects)$`);
const value = (name: string) => run('sysctl', '-n', `net.${name}`).trim();
// Neither a bridge nor a veth: what a kernel without drivers has for that.
const uplink = (name: string) => run('ip', 'link', 'add', name, 'type', 'ifb');
/** Nothing of what the kernel had is left; what is set now, the host's own configuration has set. */
async function reboot(...settings: string[]): Promise<void> {
  set('ipv4.ip_forward=0', 'ipv6.conf.all.forwarding=0', ...settings);
  await state.update(kept => {
    kept.boot = 'another';
  });
}

beforeEach(() => {
  state = hostStateFile(`/tmp/forwarding-${++serial}`);
  for (const name of ['up0', 'own0', 'deaf0']) uplink(name);
  set('ipv6.conf.deaf0.accept_ra=0');
});
afterEach(() => {
  const names = run('ip', '-br', 'link').match(/^\w+/gm) ?? [];
  for (const name of names) if (name !== 'lo') run('ip', 'link', 'delete', name);
  set('ipv4.ip_forward=0', 'ipv6.conf.all.forwarding=0', 'ipv4.conf.all.accept_redirects=1');
});

describe('uninstall puts it back', () => {
  test.each<[string, string[]]>([
    ['off', ['ipv4.ip_forward=0']],
    ['off, and on for one interface', ['ipv4.conf.own0.forwarding=1', 'ipv6.conf.own0.forwarding=1']],
    ['off, and on for those to come', ['ipv4.conf.default.forwarding=1', 'ipv6.conf.default.forwarding=1']],
    ['off, with redirects that are not accepted', ['ipv4.conf.all.accept_redirects=0']],
    ['on', ['ipv4.ip_forward=1', 'ipv6.conf.all.forwarding=1']],
    ['on for IPv4 alone', ['ipv4.ip_forward=1']],
  ])('%s', async (_, settings) => {
    set(...settings);
    const before = values();
    await turnOnForwarding(state, GATEWAYS);
    expect([value('ipv4.ip_forward'), value('ipv6.conf.all.forwarding')]).toEqual(['1', '1']);
    await turnOnForwarding(state, GATEWAYS);
    await restoreForwarding(state);
    expect(values()).toBe(before);
    await restoreForwarding(state);
    expect(values()).toBe(before);
  });

  test('also when a later space brings the second family', async () => {
    set('ipv4.conf.own0.forwarding=1', 'ipv6.conf.own0.forwarding=1');
    const before = values();
    for (const gateway of GATEWAYS) await turnOnForwarding(state, [gateway]);
    await restoreForwarding(state);
    expect(values()).toBe(before);
  });

  test('also when somebody has turned it off meanwhile, and kuke on again', async () => {
    const before = values();
    await turnOnForwarding(state, GATEWAYS);
    uplink('late0');
    set('ipv4.ip_forward=0', 'ipv4.conf.late0.forwarding=1');
    await turnOnForwarding(state, GATEWAYS);
    await restoreForwarding(state);
    expect(value('ipv4.conf.late0.forwarding')).toBe('1');
    run('ip', 'link', 'delete', 'late0');
    expect(values()).toBe(before);
  });

  test('but leaves alone what the host has turned on itself since it was booted', async () => {
    await turnOnForwarding(state, GATEWAYS);
    await reboot('ipv4.ip_forward=1');
    await turnOnForwarding(state, ['10.88.0.1']);
    await restoreForwarding(state);
    expect(value('ipv4.ip_forward')).toBe('1');
  });

  test('and what kuke has turned on since then goes off', async () => {
    await turnOnForwarding(state, GATEWAYS);
    await reboot('ipv4.ip_forward=1');
    await turnOnForwarding(state, GATEWAYS);
    await restoreForwarding(state);
    expect([value('ipv4.ip_forward'), value('ipv6.conf.all.forwarding')]).toEqual(['1', '0']);
  });
});

describe('router advertisements', () => {
  const accepted = (...names: string[]) => names.map(name => value(`ipv6.conf.${name}.accept_ra`));

  test('are accepted as before, also by uplinks that come later', async () => {
    set('ipv6.conf.own0.forwarding=1');
    const before = values();
    await turnOnForwarding(state, GATEWAYS);
    expect(accepted('up0', 'own0', 'deaf0')).toEqual(['2', '1', '0']);
    uplink('late0');
    expect(accepted('late0')).toEqual(['1']);
    await turnOnForwarding(state, GATEWAYS);
    expect(accepted('up0', 'own0', 'deaf0', 'late0')).toEqual(['2', '1', '0', '2']);
    await restoreForwarding(state);
    expect(accepted('late0')).toEqual(['1']);
    run('ip', 'link', 'delete', 'late0');
    expect(values()).toBe(before);
  });

  test('of containers and virtual machines are not', async () => {
    await turnOnForwarding(state, GATEWAYS);
    run('ip', 'link', 'add', 'theirs0', 'type', 'bridge');
    run('ip', 'link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth1');
    run('ip', 'tuntap', 'add', 'tap0', 'mode', 'tap');
    await turnOnForwarding(state, GATEWAYS);
    expect(accepted('theirs0', 'veth0', 'tap0')).toEqual(['1', '1', '1']);
    run('ip', 'link', 'delete', 'veth0');
  });

  test('are the host’s own business where it forwards by itself', async () => {
    set('ipv6.conf.all.forwarding=1');
    uplink('late0');
    await turnOnForwarding(state, GATEWAYS);
    expect(accepted('up0', 'late0')).toEqual(['1', '1']);
  });
});
