/** The configuration of `bridge`: the reference plugin's keys, and those of them that are refused. */
import * as v from 'valibot';
import { checkInterfaceName } from '../../../host/interface-name.ts';
import { parseMac } from '../../../host/netlink/link.ts';
import { conform, FormatError, object } from '../../json.ts';
import { absent, type Dns, DnsSchema, texts } from '../../result.ts';
import type { AttachmentCall, PluginCall } from '../plugin.ts';
import { type ErrorName, PluginError } from '../plugin-error.ts';
import { valid } from '../valid.ts';

export interface BridgeConfig {
  bridge: string;
  /** Implied by `isDefaultGateway`. */
  isGateway: boolean;
  isDefaultGateway: boolean;
  forceAddress: boolean;
  ipMasq: boolean;
  hairpinMode: boolean;
  promiscMode: boolean;
  /** Without one the kernel's: 1500. */
  mtu?: number;
  enableDad: boolean;
  macSpoofCheck: boolean;
  portIsolation: boolean;
  /** Of the container's interface; the kernel chooses without. */
  mac?: string;
  /** Whether the interface gets addresses; else it is a port of the bridge and no more. */
  hasIpam: boolean;
  /** The configuration's or the runtime's, instead of what IPAM says. */
  dns?: Dns;
}

const flag = absent(v.boolean('must be true or false'));
const text = absent(v.string('must be a string'));
const whole = (least: number, most: number) =>
  v.pipe(
    v.number('must be a number'),
    v.check(
      value => Number.isInteger(value) && (value === 0 || (value >= least && value <= most)),
      `must be a whole number from ${least} to ${most}, or 0 for none`,
    ),
  );
const record = <E extends v.ObjectEntries>(entries: E) => absent(v.pipe(object, v.object(entries)));

const ConfigSchema = v.object({
  bridge: text,
  isGateway: flag,
  isDefaultGateway: flag,
  forceAddress: flag,
  ipMasq: flag,
  ipMasqBackend: text,
  hairpinMode: flag,
  promiscMode: flag,
  mtu: absent(whole(68, 65_535)),
  enabledad: flag,
  macspoofchk: flag,
  portIsolation: flag,
  disableContainerInterface: flag,
  vlan: absent(whole(1, 4094)),
  vlanTrunk: absent(v.array(v.unknown(), 'must be a list')),
  args: record({ cni: record({ mac: text }) }),
  ipam: record({ type: text }),
  dns: absent(DnsSchema),
});

type Given = v.InferOutput<typeof ConfigSchema>;

const DEFAULT_BRIDGE = 'cni0';

/** Whether the configuration names an IPAM plugin; all that a DEL needs to know of it, however wrong the rest may be. */
export function hasIpam({ config: { ipam } }: PluginCall): boolean {
  return typeof ipam === 'object' && ipam !== null && 'type' in ipam && Boolean(ipam.type);
}

/** Throws PluginError: InvalidConfig with the field at fault, UnsupportedField. */
export function parseConfig(call: PluginCall | AttachmentCall): BridgeConfig {
  const { config } = call;
  const given = valid('InvalidConfig', () => conform(ConfigSchema, config));
  refuseUnsupported(given);
  if ('args' in call) refuseUnknownArgs(call);
  const { bridge = DEFAULT_BRIDGE, isDefaultGateway = false, hairpinMode = false, promiscMode = false } = given;
  if (hairpinMode && promiscMode) {
    throw invalid('hairpinMode and promiscMode exclude each other: set one of them to false');
  }
  const address = macOf(call, given);
  const dns = dnsOf(call, given);
  return {
    bridge: checkBridge(bridge || DEFAULT_BRIDGE),
    isGateway: isDefaultGateway || given.isGateway === true,
    isDefaultGateway,
    forceAddress: given.forceAddress === true,
    ipMasq: given.ipMasq === true,
    hairpinMode,
    promiscMode,
    ...(given.mtu && { mtu: given.mtu }),
    enableDad: given.enabledad === true,
    macSpoofCheck: given.macspoofchk === true,
    portIsolation: given.portIsolation === true,
    ...(address && { mac: address }),
    hasIpam: Boolean(given.ipam?.type),
    ...(dns && { dns }),
  };
}

/** What the reference plugin does for these is not done here, and nobody is to believe that it were. */
function refuseUnsupported({ vlan, vlanTrunk, disableContainerInterface, ipMasq, ipMasqBackend }: Given): void {
  const refuse = (field: string, remedy: string) => {
    throw new PluginError('UnsupportedField', `${field} is not supported by kuke's bridge: ${remedy}`);
  };
  if (vlan) refuse('vlan', 'give each VLAN a bridge of its own');
  if (vlanTrunk && vlanTrunk.length > 0) refuse('vlanTrunk', 'give each VLAN a bridge of its own');
  if (disableContainerInterface) refuse('disableContainerInterface', 'leave it out');
  if (!ipMasq || !ipMasqBackend || ipMasqBackend === 'nftables') return;
  if (ipMasqBackend === 'iptables') refuse('ipMasqBackend "iptables"', 'leave it out, or say "nftables"');
  throw invalid(`ipMasqBackend: must be "nftables", not ${JSON.stringify(ipMasqBackend)}`);
}

/** Those of CNI_ARGS that this plugin and IPAM plugins know. */
const ARGS: readonly string[] = ['MAC', 'IP', 'GATEWAY'];

/** The reference library's convention: what a plugin does not know is refused, unless the caller says that it does not matter. */
function refuseUnknownArgs({ args }: AttachmentCall): void {
  const [, ignore = ''] = args.findLast(([key]) => key === 'IgnoreUnknown') ?? [];
  if (/^(1|true)$/i.test(ignore)) return;
  const unknown = args.find(([key]) => key !== 'IgnoreUnknown' && !ARGS.includes(key));
  if (unknown === undefined) return;
  const remedy = 'leave it out, or add IgnoreUnknown=1';
  throw new PluginError('InvalidEnvironment', `CNI_ARGS: ${unknown[0]} is not known to bridge`, remedy);
}

function checkBridge(name: string): string {
  valid('InvalidConfig', () => checkInterfaceName(name), 'bridge: ');
  // nft has no way to write it.
  if (name.includes('"')) throw invalid(`bridge: may not hold ": ${JSON.stringify(name)}`);
  return name;
}

/** As the reference has it: the runtime's before that of `args`, before that of CNI_ARGS. */
function macOf(call: PluginCall | AttachmentCall, { args }: Given): string | undefined {
  const runtime = valid('InvalidConfig', () => conform(RuntimeMacSchema, call.runtimeConfig, 'runtimeConfig'));
  const [, variable] = 'args' in call ? (call.args.findLast(([key]) => key === 'MAC') ?? []) : [];
  if (runtime.mac) return checkMac('InvalidConfig', 'runtimeConfig.mac', runtime.mac);
  if (args?.cni?.mac) return checkMac('InvalidConfig', 'args.cni.mac', args.cni.mac);
  return variable ? checkMac('InvalidEnvironment', 'CNI_ARGS: MAC', variable) : undefined;
}

function checkMac(code: ErrorName, field: string, given: string): string {
  return valid(code, () => {
    const address = given.toLowerCase().replaceAll('-', ':');
    let first: number | undefined;
    try {
      first = parseMac(address)[0];
    } catch {
      throw new FormatError(`${field}: must be a MAC address such as 02:42:ac:11:00:02, not ${JSON.stringify(given)}`);
    }
    if (((first ?? 0) & 1) === 0 && !/^[0:]+$/.test(address)) return address;
    throw new FormatError(`${field}: ${given} can be no interface's address: it is that of a group, or of none`);
  });
}

/** The capability `dns`, as CONVENTIONS.md of the CNI project has it; containerd adds the options. */
const RuntimeSchema = v.object({
  dns: absent(v.pipe(object, v.object({ servers: texts, searches: texts, options: texts }))),
});
const RuntimeMacSchema = v.object({ mac: text });

/** The runtime's before the configuration's. Undefined where nothing is set: then IPAM's counts. */
function dnsOf({ runtimeConfig }: PluginCall, { dns }: Given): Dns | undefined {
  const { dns: asked } = valid('InvalidConfig', () => conform(RuntimeSchema, runtimeConfig, 'runtimeConfig'));
  const { servers = [], searches = [], options = [] } = asked ?? {};
  return [{ nameservers: servers, search: searches, options }, dns].find(isSet);
}

function isSet(dns: Dns | undefined): dns is Dns {
  return Object.values(dns ?? {}).some(value => (Array.isArray(value) ? value.length > 0 : Boolean(value)));
}

function invalid(msg: string): PluginError {
  return new PluginError('InvalidConfig', msg);
}
