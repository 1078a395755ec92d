/** host-local's configuration: `ipam` of a network's, with what the runtime and CNI_ARGS ask for. The reference plugin's keys. */
import { isAbsolute, join } from 'node:path';
import * as v from 'valibot';
import { NAME } from '../../attachment.ts';
import { conform } from '../../json.ts';
import { absent, list, type Route, RouteSchema, text, texts } from '../../result.ts';
import type { AttachmentCall, PluginCall } from '../plugin.ts';
import { type ErrorName, PluginError } from '../plugin-error.ts';
import { valid } from '../valid.ts';
import { type Address, formatNumber, parseNumber } from './address.ts';
import { DEFAULT_DATA_DIR } from './folder.ts';
import { parseRangeSet, type RangeConfig, type RangeSet, setsOverlap } from './range.ts';

export interface HostLocalConfig {
  /** One address is given from each. */
  sets: readonly RangeSet[];
  routes: Route[];
  /** Path of a resolv.conf(5) whose settings go into the result; '' for none. */
  resolvConf: string;
}

const range = { subnet: text, rangeStart: text, rangeEnd: text, gateway: text };
const RangeSetsSchema = list(list(v.object({ ...range, subnet: v.string() })));
const path = v.pipe(
  text,
  v.check(path => !path || (isAbsolute(path) && !path.includes('\0')), 'must be an absolute path'),
);

const FolderSchema = v.object({ dataDir: path });
const IpamSchema = v.object({ ...range, ranges: RangeSetsSchema, routes: list(RouteSchema), resolvConf: path });
const RuntimeSchema = v.object({ ipRanges: RangeSetsSchema, ips: texts });
const ArgsSchema = v.object({ cni: absent(v.object({ ips: texts })) });

/** The folder of the network's reservations: `<dataDir>/<network>`. Throws PluginError. */
export function reservationsFolder({ config, network }: PluginCall): string {
  if (!NAME.test(network)) throw new PluginError('InvalidConfig', `${JSON.stringify(network)} is no network name`);
  const { dataDir } = valid('InvalidConfig', () => conform(FolderSchema, config.ipam, 'ipam'));
  return join(dataDir || DEFAULT_DATA_DIR, network);
}

/** Throws PluginError, which names the field or the range set at fault. */
export function parseHostLocal({ config, runtimeConfig }: PluginCall): HostLocalConfig {
  const ipam = valid('InvalidConfig', () => conform(IpamSchema, config.ipam, 'ipam'));
  const { ipRanges } = valid('InvalidConfig', () => conform(RuntimeSchema, runtimeConfig, 'runtimeConfig'));
  const { subnet, rangeStart, rangeEnd, gateway } = ipam;
  const single = subnet === undefined ? [] : [[{ subnet, rangeStart, rangeEnd, gateway }]];
  const sets = parseSets([...ipRanges, ...single, ...ipam.ranges]);
  return { sets, routes: ipam.routes, resolvConf: ipam.resolvConf ?? '' };
}

/** The addresses that are asked for: by CNI_ARGS (`IP`), `args.cni.ips` and `runtimeConfig.ips`; a prefix length is ignored. */
export function requestedAddresses({ config, runtimeConfig, args }: AttachmentCall): Address[] {
  const { cni } = valid('InvalidConfig', () => conform(ArgsSchema, config.args ?? {}, 'args'));
  const { ips } = valid('InvalidConfig', () => conform(RuntimeSchema, runtimeConfig, 'runtimeConfig'));
  const [, fromArgs] = args.findLast(([key]) => key === 'IP') ?? [];
  const wanted = [
    ...(fromArgs ? [parseRequested('InvalidEnvironment', 'CNI_ARGS: IP', fromArgs)] : []),
    ...(cni?.ips ?? []).map(ip => parseRequested('InvalidConfig', 'args.cni.ips', ip)),
    ...ips.map(ip => parseRequested('InvalidConfig', 'runtimeConfig.ips', ip)),
  ];
  return [...new Map(wanted.map(address => [formatNumber(address), address])).values()];
}

function parseRequested(name: ErrorName, at: string, text: string): Address {
  const [address = '', length] = text.trim().split('/');
  return valid(name, () => {
    if (length !== undefined && !/^\d{1,3}$/.test(length))
      throw new RangeError(`${at}: ${text} has no valid prefix length`);
    try {
      return parseNumber(address);
    } catch {
      throw new RangeError(`${at}: ${JSON.stringify(text)} is no IP address`);
    }
  });
}

function parseSets(configs: readonly (readonly RangeConfig[])[]): RangeSet[] {
  if (configs.length === 0)
    throw new PluginError('InvalidConfig', 'no IP ranges specified: ipam.subnet or ipam.ranges');
  const sets = configs.map((ranges, index) =>
    valid('InvalidConfig', () => parseRangeSet(ranges), `invalid range set ${index}: `),
  );
  for (const [index, one] of sets.entries()) {
    const other = sets.findIndex((set, at) => at > index && setsOverlap(one, set));
    if (other !== -1) throw new PluginError('InvalidConfig', `range set ${index} overlaps with ${other}`);
  }
  return sets;
}
