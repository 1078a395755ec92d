/**
 * All that a client's pods can leave on a host, a line each: the inventory, every rule of nftables (also iptables' own chains, which the
 * inventory passes over), and the settings of the network in /proc/sys. Not cgroups: no plugin makes any, and containerd 1.7 forgets one
 * now and then.
 */
import { rmSync } from 'node:fs';
import { output } from '../observe/command.ts';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';
import type { PluginSet } from './plugins.ts';

export async function state(): Promise<Inventory> {
  const [objects, ruleset, settings] = await Promise.all([
    inventory(),
    output('nft', '--stateless', 'list', 'ruleset'),
    output('sysctl', '-a', '--pattern', String.raw`^net\.(ipv[46]\.(ip_forward|conf\.)|bridge\.)`),
  ]);
  return [...objects.filter(line => !/^(?:nft|cgroup) /.test(line)), ...ruleLines(ruleset), ...settingLines(settings)];
}

/** `sysctl net.ipv4.ip_forward=1`; of interfaces only what is not as for new ones, since they come and go. */
function settingLines(settings: string): string[] {
  const all = new Map(settings.split('\n').map(line => line.split(' = ') as [string, string]));
  const isDefault = (key: string, value: string) =>
    !/\.conf\.(?:all|default)\./.test(key) && all.get(key.replace(/\.conf\.[^.]+\./, '.conf.default.')) === value;
  return [...all]
    .filter(([key, value]) => !key.includes('.conf.') || !isDefault(key, value))
    .map(([key, value]) => `sysctl ${key}=${value}`);
}

/** `nft ip nat chain POSTROUTING: ... masquerade`, and a line for each table and chain. */
function ruleLines(ruleset: string): string[] {
  const lines: string[] = [];
  let [table, chain] = ['', ''];
  for (const line of ruleset.split('\n').map(one => one.trim())) {
    const [, sort, name = ''] = /^(table|chain|set|map) (.+) \{$/.exec(line) ?? [];
    if (sort === 'table') [table, chain] = [name, ''];
    else if (sort !== undefined) chain = ` ${sort} ${name}`;
    if (sort !== undefined) lines.push(`nft ${table}${chain}`);
    else if (line !== '' && line !== '}' && !line.startsWith('#')) lines.push(`nft ${table}${chain}: ${line}`);
  }
  return lines;
}

/** As on a host that has never had a container: no rules, no forwarding, no files of CNI. */
export async function renew(): Promise<void> {
  const settings = ['ipv4.ip_forward=0', 'ipv6.conf.all.forwarding=0', 'ipv6.conf.uplink.accept_ra=1'];
  await output('nft', 'flush', 'ruleset');
  await output('sysctl', '-qw', ...settings.map(setting => `net.${setting}`));
  rmSync('/var/lib/cni', { recursive: true, force: true });
}

export type Reasons = Readonly<Record<string, RegExp>>;

/** What stays with either, and why. */
const ALWAYS: Reasons = {
  'forwarding: whoever turns it off would cut off others that came to need it':
    /^[-+] sysctl net\.ipv[46]\.(?:ip_forward|conf\.\w+\.(?:forwarding|accept_redirects))=[01]$/,
  'host-local: where the next address is looked for, and the file that is locked':
    /^\+ file \/var\/lib\/cni\/networks\/(?:\w+\/(?:lock|last_reserved_ip\.[01])?)?$/,
  'the runtime’s folder for results': /^\+ file \/var\/lib\/cni\/results\/$/,
};

const LEFT: Record<PluginSet, Reasons> = {
  kuke: { 'an uplink that forwards, and yet takes router advertisements': /^[-+] sysctl \S+\.uplink\.accept_ra=[12]$/ },
  reference: {
    'the tables, chains and jumps of ipMasq and portmap': /^\+ nft ip6? nat(?: chain .*)?$/,
    'the tables, chains and jumps of firewall': /^\+ nft ip6? filter(?: chain (?:FORWARD|CNI-FORWARD|CNI-ADMIN).*)?$/,
  },
};

/** Compares with what was before: lines for which there is no reason, and reasons that had no line. */
export async function leftovers(before: Inventory, plugins: PluginSet, more: Reasons = {}) {
  const reasons = { ...ALWAYS, ...LEFT[plugins], ...more };
  const lines = difference(before, await state());
  const accounts = (pattern: RegExp) => lines.some(line => pattern.test(line));
  return {
    withoutReason: lines.filter(line => !Object.values(reasons).some(pattern => pattern.test(line))),
    gone: Object.keys(reasons).filter(reason => !accounts(reasons[reason] as RegExp)),
  };
}

export const AS_LISTED = { withoutReason: [], gone: [] };
