/** All that kuke could leave on a host: the inventory, and besides it what only an uninstall has to put back. */
import { readFileSync } from 'node:fs';
import { output } from '../observe/command.ts';
import { type Inventory, inventory } from '../observe/inventory.ts';

const folders = ['/etc', '/opt', '/run', '/var/lib/cni', '/var/log'];
const sysctls = [
  'net/ipv4/ip_forward',
  'net/ipv4/conf/all/forwarding',
  'net/ipv4/conf/default/forwarding',
  'net/ipv4/conf/all/route_localnet',
  'net/ipv6/conf/all/forwarding',
  'net/ipv6/conf/default/forwarding',
  'net/bridge/bridge-nf-call-iptables',
];

/** Lines as of the inventory; `difference()` compares them. */
export async function footprint(): Promise<Inventory> {
  const [known, files, rules] = await Promise.all([
    inventory(),
    // Not into the root file systems of containers, which are mounts.
    output('sh', '-c', `find ${folders.join(' ')} -xdev 2> /dev/null || true`),
    output('nft', 'list', 'ruleset'),
  ]);
  return [
    ...known.filter(line => !line.startsWith('file ')),
    ...files
      .trim()
      .split('\n')
      .map(path => `file ${path}`),
    ...rules
      .split('\n')
      .filter(line => /^table|^\s+chain/.test(line))
      .map(line => `nftables ${line.trim()}`),
    ...sysctls.map(name => `sysctl ${name} = ${sysctlValue(name)}`),
  ].sort();
}

function sysctlValue(name: string): string {
  try {
    return readFileSync(`/proc/sys/${name}`, 'utf8').trim();
  } catch {
    return 'absent'; // its module is not loaded
  }
}

/**
 * What stays although nobody uses it: empty folders of namespaces that a containerd has once seen, and what `ip netns` and iptables
 * leave as well, which is their own and in nobody's way.
 */
export const scaffold = [
  /^file \/run\/containerd\/(?:runc|s|fifo|io\.containerd\.runtime\.v2\.task)(?:\/kukeon-[^/]+)?$/,
  /^mount \/run\/netns tmpfs$/,
  /^nftables (?:table ip nat|chain POSTROUTING) \{$/,
];
