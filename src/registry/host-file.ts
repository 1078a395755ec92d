/** A hosts.toml as containerd reads it (containerd's docs/hosts.md), and Docker's layout of certificates beside each other. */
import { readdirSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { RegistryError } from './errors.ts';
import { readText } from './text-file.ts';

/** What one host of the file says. Paths are absolute. */
export interface HostSettings {
  /** Base URL, with its path; undefined: the registry that the image's name says. */
  url?: string;
  capabilities: ReadonlySet<string>;
  ca: string[];
  /** Certificate and key; the key may be in the certificate's file. */
  client: [cert: string, key: string][];
  skipVerify: boolean;
  headers: Record<string, string>;
  /** The URL's path is the API's root; otherwise /v2 is added to it. */
  overridePath: boolean;
  /** Milliseconds. */
  dialTimeout?: number;
}

const all = ['pull', 'resolve', 'push', 'referrers'];
const known = ['capabilities', 'ca', 'client', 'skip_verify', 'header', 'override_path', 'dial_timeout'];

/** Told of what is passed over, one line each. */
type Warn = (line: string) => void;

/** The hosts in the order in which they are tried, the registry itself last. Throws RegistryError `configuration`. */
export function readHostFolder(folder: string, warn: Warn): HostSettings[] {
  const path = join(folder, 'hosts.toml');
  const text = readText(path) ?? '';
  try {
    return text.trim() === '' ? [certificatesIn(folder)] : parseHosts(text, folder, line => warn(`${path}: ${line}`));
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error);
    throw new RegistryError('configuration', `${path}: ${fault}`, { remedy: `mend ${path}`, cause: error });
  }
}

export function parseHosts(text: string, folder: string, warn: Warn): HostSettings[] {
  const { server, host = {}, ...own }: Record<string, unknown> = table(Bun.TOML.parse(text), 'the file');
  const mirrors = Object.entries(table(host, 'host')).map(([url, settings]) =>
    readSettings(url, table(settings, `host."${url}"`), folder, warn),
  );
  const last = server === undefined || server === '' ? undefined : string(server, 'server');
  return [...mirrors, readSettings(last, own, folder, warn)];
}

function readSettings(url: string | undefined, own: Record<string, unknown>, folder: string, warn: Warn): HostSettings {
  // A newer containerd may know more.
  for (const name of Object.keys(own)) {
    if (!known.includes(name)) warn(`${name} is no field that kuke knows, and is passed over`);
  }
  const path = (name: unknown) => absolute(string(name, 'a path'), folder);
  const dialTimeout = own.dial_timeout === undefined ? undefined : duration(string(own.dial_timeout, 'dial_timeout'));
  return {
    ...(url !== undefined && { url: baseUrl(url) }),
    capabilities: capabilities(own.capabilities),
    ca: list(own.ca).map(path),
    client: list(own.client).map(pair =>
      Array.isArray(pair) ? clientPair(pair.map(path0(folder))) : [path(pair), ''],
    ),
    skipVerify: own.skip_verify === undefined ? false : boolean(own.skip_verify, 'skip_verify'),
    headers: headers(table(own.header ?? {}, 'header')),
    overridePath: own.override_path === undefined ? false : boolean(own.override_path, 'override_path'),
    ...(dialTimeout !== undefined && { dialTimeout }),
  };
}

const path0 = (folder: string) => (name: unknown) => (name === '' ? '' : absolute(string(name, 'client'), folder));
const absolute = (path: string, folder: string) => (isAbsolute(path) ? path : join(folder, path));

function clientPair(pair: string[]): [string, string] {
  const [cert, key, ...more] = pair;
  if (cert === undefined || key === undefined || more.length > 0)
    throw new Error('client: a pair is [CERTIFICATE, KEY]');
  return [cert, key];
}

function baseUrl(text: string): string {
  const url = URL.parse(text.includes('://') ? text : `https://${text}`);
  if (
    url === null ||
    !/^https?:$/.test(url.protocol) ||
    url.username !== '' ||
    url.password !== '' ||
    url.search !== '' ||
    url.hash !== ''
  ) {
    throw new Error(`${JSON.stringify(text)} is no address of a registry`);
  }
  return url.href.replace(/\/+$/, '');
}

function capabilities(value: unknown): ReadonlySet<string> {
  const names = list(value).map(name => string(name, 'capabilities').toLowerCase());
  const unknown = names.find(name => !all.includes(name));
  if (unknown !== undefined) throw new Error(`capabilities: ${unknown} is none; there are ${all.join(', ')}`);
  return new Set(names.length > 0 ? names : all);
}

function headers(value: Record<string, unknown>): Record<string, string> {
  const lines = Object.entries(value).map(([name, text]): [string, string] => [
    name.toLowerCase(),
    list(text)
      .map(one => string(one, `header.${name}`))
      .join(', '),
  ]);
  // Throws on names and values that would be no header.
  return Object.fromEntries(new Headers(lines));
}

/** Go's duration: `1s`, `1m30s`, `500ms`. */
function duration(text: string): number {
  const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join('') !== text) {
    throw new Error(`dial_timeout: ${JSON.stringify(text)} is no duration such as "5s"`);
  }
  return parts.reduce((sum, [, number, unit = '']) => sum + Number(number) * (units[unit] ?? 0), 0);
}

const list = (value: unknown): unknown[] => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

function table(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} is no table`);
  return { ...value };
}

function string(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new Error(`${what}: ${JSON.stringify(value)} is no string`);
  return value;
}

function boolean(value: unknown, what: string): boolean {
  if (typeof value !== 'boolean') throw new Error(`${what}: ${JSON.stringify(value)} is neither true nor false`);
  return value;
}

/** Docker's layout: `*.crt` are CAs, `NAME.cert` and `NAME.key` a client's certificate and its key. */
function certificatesIn(folder: string): HostSettings {
  const names = readdirSync(folder).sort();
  const client = names
    .filter(name => name.endsWith('.cert'))
    .map((name): [string, string] => {
      const key = `${name.slice(0, -'.cert'.length)}.key`;
      return [join(folder, name), names.includes(key) ? join(folder, key) : ''];
    });
  return {
    capabilities: new Set(all),
    ca: names.filter(name => name.endsWith('.crt')).map(name => join(folder, name)),
    client,
    skipVerify: false,
    headers: {},
    overridePath: false,
  };
}
