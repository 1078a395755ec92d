/** The result of an ADD (specification 1.1.0, section 5), in one shape for all versions from 0.3.0 on. */
import * as v from 'valibot';
import { parseAddress, parsePrefix } from '../host/netlink/inet.ts';
import { conform, FormatError, isObject, type JsonObject, object } from './json.ts';
import { atLeast, type CniVersion, isVersion } from './version.ts';

// A program that is executed as a plugin makes these schemas anew each time, so each is made once, and those of results when one is read.

// Plugins that are not written in Go may say null, or an empty string, where the reference library leaves a key out. One schema is less to
// make than a pipe of three.
const orElse = <S extends v.GenericSchema, T>(schema: S, nothing: () => T, optional: v.OptionalSchema<S, T>) =>
  Object.assign(optional, {
    '~run'(dataset: v.UnknownDataset, config: v.Config<v.BaseIssue<unknown>>) {
      if (dataset.value !== undefined && dataset.value !== null) return schema['~run'](dataset, config);
      return { typed: true as const, value: nothing() };
    },
  });
export const absent = <S extends v.GenericSchema>(schema: S) => orElse(schema, () => undefined, v.optional(schema));
export const text = absent(v.string());
export const list = <S extends v.GenericSchema>(item: S) => {
  const items = v.array(item);
  return orElse(items, () => [], v.optional(items, []));
};
export const texts = list(v.string());

const noAddress = ({ input }: { input: unknown }) => `must be an IP address, not ${JSON.stringify(input)}`;
export const address = v.pipe(v.string(), v.check(parses(parseAddress), noAddress));
export const cidr = v.pipe(
  v.string(),
  v.check(
    text => text.includes('/') && parses(parsePrefix)(text),
    ({ input }) => `must be an address with a prefix length, such as 10.0.0.2/24, not ${JSON.stringify(input)}`,
  ),
);
export const gateway = absent(
  v.pipe(
    v.union([v.literal(''), address], noAddress),
    v.transform(given => given || undefined),
  ),
);
const count = absent(v.pipe(v.number(), v.integer(), v.minValue(0)));

export const RouteSchema = v.looseObject({
  dst: cidr,
  gw: gateway,
  mtu: count,
  advmss: count,
  priority: count,
  table: count,
  scope: count,
});

export const DnsSchema = v.looseObject({
  nameservers: texts,
  domain: text,
  search: texts,
  options: texts,
});

const makeResultSchema = () =>
  v.pipe(
    v.looseObject({
      cniVersion: text,
      interfaces: list(
        v.looseObject({
          name: v.string(),
          mac: text,
          mtu: count,
          /** Path of the network namespace; none for an interface on the host. */
          sandbox: text,
          socketPath: text,
          pciID: text,
        }),
      ),
      ips: list(
        v.looseObject({
          address: cidr,
          gateway,
          /** Index into `interfaces`. */
          interface: count,
        }),
      ),
      routes: list(RouteSchema),
      dns: v.optional(v.nullable(DnsSchema)),
    }),
    v.check(
      ({ ips, interfaces }) => ips.every(ip => (ip.interface ?? 0) < Math.max(interfaces.length, 1)),
      'ips: one names an interface that is not in the list',
    ),
  );

let resultSchema: ReturnType<typeof makeResultSchema> | undefined;

type Parsed = v.InferOutput<ReturnType<typeof makeResultSchema>>;
export type Interface = Parsed['interfaces'][number];
export type Ip = Parsed['ips'][number];
export type Route = v.InferOutput<typeof RouteSchema>;
export type Dns = v.InferOutput<typeof DnsSchema>;

/** What an ADD made. Keys that the specification does not know are kept. */
export interface Result {
  cniVersion: CniVersion;
  interfaces: Interface[];
  ips: Ip[];
  routes: Route[];
  dns?: Dns;
  [key: string]: unknown;
}

/** Understands a plugin's result. One that does not tell its version has that of the configuration. Throws FormatError. */
export function parseResult(value: unknown, configVersion: CniVersion): Result {
  resultSchema ??= makeResultSchema();
  const { cniVersion: told, dns, ...rest } = conform(resultSchema, conform(object, value));
  const cniVersion = told || configVersion;
  if (!isVersion(cniVersion)) throw new FormatError(`cniVersion: results of version ${cniVersion} are not supported`);
  return { ...rest, ...(dns && { dns }), cniVersion };
}

/** A result as JSON in the form of a version: what prevResult and the cache hold. Empty lists are left out, as libcni does. */
export function formatResult(result: Result, version: CniVersion): JsonObject {
  const { interfaces, ips, routes, dns, ...rest } = result;
  const modern = atLeast(version, '1.0.0');
  const lists = {
    interfaces: modern ? interfaces : interfaces.map(withoutNewKeys),
    ips: ips.map(({ version: _, ...ip }) => (modern ? ip : { version: family(ip.address), ...ip })),
    routes,
    dns: withoutEmpty({ ...dns }),
  };
  return { ...rest, cniVersion: version, ...withoutEmpty(lists) };
}

/** `4` or `6`, as versions before 1.0.0 tell it beside each address. */
function family(cidr: string): '4' | '6' {
  return cidr.includes(':') ? '6' : '4';
}

// Came with 1.1.0; libcni drops them on the way down to 0.4.0, but not to 1.0.0.
function withoutNewKeys({ mtu: _, socketPath: _s, pciID: _p, ...old }: Interface): JsonObject {
  return old;
}

function withoutEmpty(json: JsonObject): JsonObject {
  const filled = (value: unknown) =>
    isObject(value) || Array.isArray(value) ? Object.keys(value).length > 0 : Boolean(value);
  return Object.fromEntries(Object.entries(json).filter(([, value]) => filled(value)));
}

function parses(parse: (text: string) => unknown): (text: string) => boolean {
  return text => {
    try {
      parse(text);
      return true;
    } catch {
      return false;
    }
  };
}
