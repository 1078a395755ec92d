/** The portmap plugin's configuration: the reference plugin's keys, as far as they mean something to nftables. */
import * as v from 'valibot';
import { formatAddress, parseAddress } from '../../../host/netlink/inet.ts';
import { conform, isObject } from '../../json.ts';
import type { PluginCall } from '../plugin.ts';
import { PluginError } from '../plugin-error.ts';
import { valid } from '../valid.ts';

const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export interface PortMapping {
  hostPort: number;
  containerPort: number;
  protocol: Protocol;
  /** Only on this address of the host; absent: on all. */
  hostIp?: string;
  /** Only for this family, where `hostIP` is 0.0.0.0 or ::. */
  family?: 'v4' | 'v6';
}

export interface PortmapConfig {
  /** Answers to connections from the host itself and from the attachment's own network are led back through the host. */
  snat: boolean;
  /** All connections through a published port seem to come from the host. */
  masqAll: boolean;
  mappings: PortMapping[];
}

// Go's null is an absent value.
const maybe = <S extends v.GenericSchema>(schema: S) => v.nullish(schema);
const bit = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(31));
const port = (what: string) => {
  const message = `must be a ${what} from 1 to 65535`;
  return v.pipe(v.number(message), v.integer(message), v.minValue(1, message), v.maxValue(65_535, message));
};

const ConfigSchema = v.object({
  snat: maybe(v.boolean()),
  masqAll: maybe(v.boolean()),
  // The bit is the iptables rules' way to remember a packet; these here need none.
  markMasqBit: maybe(bit),
  externalSetMarkChain: maybe(v.string()),
  conditionsV4: maybe(v.array(v.string())),
  conditionsV6: maybe(v.array(v.string())),
  backend: maybe(v.string()),
});

// containerd says HostPort, podman hostPort.
const MappingSchema = v.object({
  hostPort: port('port of the host'),
  containerPort: port('port of the container'),
  protocol: v.pipe(v.string(), v.toLowerCase(), v.picklist(PROTOCOLS, `must be one of ${PROTOCOLS.join(', ')}`)),
  hostIP: maybe(v.string()),
});

const LIST = 'runtimeConfig.portMappings';

/** Throws PluginError: InvalidConfig, or UnsupportedField for what only iptables could do. */
export function readConfig({ config, runtimeConfig }: PluginCall): PortmapConfig {
  const read = valid('InvalidConfig', () => conform(ConfigSchema, config));
  const { externalSetMarkChain, backend, conditionsV4, conditionsV6 } = read;
  if (externalSetMarkChain)
    throw unsupported('externalSetMarkChain', 'a chain of iptables; what has to be masqueraded is without');
  if (backend && backend !== 'nftables')
    throw unsupported('backend', `${JSON.stringify(backend)}; there is nftables only`);
  for (const [key, conditions] of Object.entries({ conditionsV4, conditionsV6 })) {
    if (conditions && conditions.length > 0)
      throw unsupported(key, 'matches of iptables; use hostIP to publish on one address');
  }
  const list = runtimeConfig.portMappings ?? [];
  if (!Array.isArray(list)) throw new PluginError('InvalidConfig', `${LIST}: must be a list`);
  const mappings = list.map((one: unknown, index) => readMapping(one, `${LIST}.${index}`));
  refuseContradiction(mappings);
  return { snat: read.snat ?? true, masqAll: read.masqAll ?? false, mappings };
}

function refuseContradiction(mappings: readonly PortMapping[]): void {
  const known = new Map<string, number>();
  for (const [index, { family, hostIp, protocol, hostPort, containerPort }] of mappings.entries()) {
    for (const one of hostIp === undefined && family === undefined ? ['v4', 'v6'] : [hostIp ?? family]) {
      const key = `${one} ${protocol} ${hostPort}`;
      const other = known.get(key);
      if (other !== undefined && other !== containerPort) {
        throw new PluginError(
          'InvalidConfig',
          `${LIST}.${index}: ${hostPort}/${protocol} leads to port ${other} already`,
        );
      }
      known.set(key, containerPort);
    }
  }
}

function readMapping(value: unknown, at: string): PortMapping {
  if (!isObject(value)) throw new PluginError('InvalidConfig', `${at}: must be an object`);
  const { hostPort, containerPort, protocol, hostIP } = valid('InvalidConfig', () => conform(MappingSchema, value, at));
  return { hostPort, containerPort, protocol, ...readHostIp(hostIP, at) };
}

function readHostIp(text: string | null | undefined, at: string): Pick<PortMapping, 'hostIp' | 'family'> {
  if (!text) return {};
  const given = valid('InvalidConfig', () => parseAddress(text), `${at}.hostIP: `);
  const address = formatAddress(given).replace(/^::ffff:(?=.*\.)/, '');
  if (address === '::1') {
    const why = 'no answer from an attachment gets to ::1 (IPv6 has no route_localnet); 127.0.0.1 does it';
    throw new PluginError('UnsupportedField', `${at}.hostIP: ${why}`);
  }
  if (address === '0.0.0.0') return { family: 'v4' };
  if (address === '::') return { family: 'v6' };
  return { hostIp: address, family: address.includes(':') ? 'v6' : 'v4' };
}

function unsupported(key: string, why: string): PluginError {
  return new PluginError('UnsupportedField', `${key} is not supported: ${why}`);
}
