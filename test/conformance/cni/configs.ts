/** Configurations that many cases share. */
import type { Host } from './host.ts';
import type { Plugin } from './network.ts';

export const V4 = '10.77.0.0/24';
export const V6 = 'fd77::/64';

/** Of one range per subnet; the files are in the host's folder. */
export function hostLocal(host: Host, more: object = {}, subnets: string[] = [V4]): Plugin {
  return { type: 'host-local', dataDir: `${host.folder}/ipam`, ranges: subnets.map(subnet => [{ subnet }]), ...more };
}

/** A bridge br0 with host-local. */
export function bridge(host: Host, more: object = {}, ipam: object = {}, subnets: string[] = [V4]): Plugin {
  return { type: 'bridge', bridge: 'br0', ipam: hostLocal(host, ipam, subnets), ...more };
}

export const DEFAULT_ROUTE = { routes: [{ dst: '0.0.0.0/0' }] };
