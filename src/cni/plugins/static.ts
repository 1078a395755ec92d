/** The IPAM plugin `static`: addresses, routes and dns as they stand in the configuration, or as the runtime asks for them. */
import * as v from 'valibot';
import { formatAddress, formatPrefix, parseAddress, parsePrefix, prefixContains } from '../../host/netlink/inet.ts';
import { conform } from '../json.ts';
import { absent, address, cidr, DnsSchema, gateway, type Ip, list, RouteSchema } from '../result.ts';
import type { AttachmentCall, CniPlugin, PluginCall } from './plugin.ts';
import { PluginError } from './plugin-error.ts';
import { valid } from './valid.ts';

const IpamSchema = v.object({
  addresses: list(v.object({ address: cidr, gateway })),
  routes: list(RouteSchema),
  dns: absent(DnsSchema),
});
const wanted = v.object({ ips: list(cidr) });
const ArgsSchema = v.object({ cni: absent(wanted) });

/** Keeps no state: DEL and GC have nothing to do, whatever the configuration says. */
export const staticIpam: CniPlugin = {
  async add(call) {
    const { routes, dns } = configOf(call);
    const ips = addressesOf(call);
    return { cniVersion: call.cniVersion, interfaces: [], ips, routes, ...(dns && { dns }) };
  },

  async del() {},

  async check(call) {
    const made = call.prevResult;
    if (made === undefined) throw new PluginError('InvalidConfig', 'prevResult is missing: CHECK needs it');
    for (const { address, gateway } of addressesOf(call)) {
      const same = made.ips.find(ip => hostOf(ip.address) === hostOf(address));
      if (same !== undefined && (gateway === undefined || same.gateway === gateway)) continue;
      const found = same === undefined ? 'is not in prevResult' : `has the gateway ${same.gateway ?? 'none'} there`;
      throw new PluginError('Internal', `static: Failed to match addr ${address} on interface ${call.ifName}`, found);
    }
  },

  async gc() {},

  async status(call) {
    configOf(call);
  },
};

function configOf({ config }: PluginCall): v.InferOutput<typeof IpamSchema> {
  return valid('InvalidConfig', () => conform(IpamSchema, config.ipam, 'ipam'));
}

/** Those of runtimeConfig, or those of `args`, or those of the configuration and of CNI_ARGS: as the reference plugin has it. */
function addressesOf(call: AttachmentCall): Ip[] {
  const { addresses } = configOf(call);
  const { ips } = valid('InvalidConfig', () => conform(wanted, call.runtimeConfig, 'runtimeConfig'));
  const { cni } = valid('InvalidConfig', () => conform(ArgsSchema, call.config.args ?? {}, 'args'));
  const added = ofEnvironment(call);
  if (ips.length > 0) return ips.map(text => ip(text));
  if (cni !== undefined && cni.ips.length > 0) return cni.ips.map(text => ip(text));
  return [...addresses.map(({ address, gateway }) => ip(address, gateway)), ...added];
}

/** `IP=10.0.0.5/24,fd00::5/64;GATEWAY=10.0.0.1,fd00::1`: each address gets the last gateway that lies in its network. */
function ofEnvironment({ args }: AttachmentCall): Ip[] {
  const values = (wanted: string) => {
    const [, value = ''] = args.findLast(([key]) => key === wanted) ?? [];
    return value.split(',').flatMap(text => text.trim() || []);
  };
  const gateways = valid('InvalidEnvironment', () => conform(v.array(address), values('GATEWAY'), 'CNI_ARGS: GATEWAY'));
  const addresses = valid('InvalidEnvironment', () => conform(v.array(cidr), values('IP'), 'CNI_ARGS: IP'));
  return addresses.map(text => {
    const network = parsePrefix(text);
    return ip(
      text,
      gateways.findLast(gateway => prefixContains(network, parseAddress(gateway))),
    );
  });
}

function ip(text: string, gateway?: string): Ip {
  const given = gateway ? formatAddress(parseAddress(gateway)) : undefined;
  return { address: formatPrefix(parsePrefix(text)), gateway: given, interface: undefined };
}

function hostOf(cidr: string): string {
  return cidr.slice(0, cidr.indexOf('/'));
}
