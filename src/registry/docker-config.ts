/**
 * Credentials as `docker login` leaves them (docker's docs/reference/commandline/login.md): `auths`, `credHelpers` and `credsStore` of
 * config.json. Read when a server first asks, so that what needs no login needs no file.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { askHelper } from './credential-program.ts';
import type { Credentials, CredentialsOf } from './credentials.ts';
import { RegistryError } from './errors.ts';
import { readText } from './text-file.ts';

export interface DockerConfig {
  credentials: CredentialsOf;
}

export interface DockerConfigOptions {
  /** `$DOCKER_CONFIG/config.json` where not given, or `~/.docker/config.json`. */
  path?: string;
  /** Where programs of the name docker-credential-NAME are looked for; the system's folders where not given. */
  helperFolders?: readonly string[];
  /** What of a path, and on the way there, others than root can change: such a program is not run. Undefined: nothing. */
  changeableByOthers(path: string): { path: string } | undefined;
}

type Table = Record<string, unknown>;

/** No file, or none of its entries for a server: no credentials. A malformed file, or a helper that fails: RegistryError `configuration`. */
export function readDockerConfig(options: DockerConfigOptions): DockerConfig {
  const path = options.path ?? join(process.env.DOCKER_CONFIG || join(homedir(), '.docker'), 'config.json');
  let config: Table | undefined;
  return {
    async credentials(server, signal) {
      config ??= parse(readText(path) ?? '{}', path);
      const helper = helperFor(config, server, path);
      const held = helper === undefined ? undefined : await askHelper(helper, keyOf(server), signal, options);
      return held ?? fromAuths(config, server, path);
    },
  };
}

/** Docker knows its own registry by the address that it had in 2013. */
const hubKey = 'https://index.docker.io/v1/';
const keyOf = (server: string) => (server === 'docker.io' ? hubKey : server);

/** `https://host:5000/v1/` and `host:5000` are the same. */
function hostOf(key: string): string {
  const host = key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  return /^(?:index|registry-1)\.docker\.io$/.test(host) ? 'docker.io' : host;
}

function helperFor(config: Table, server: string, path: string): string | undefined {
  const helpers = table(config.credHelpers, path, 'credHelpers');
  const own = Object.keys(helpers).find(key => hostOf(key) === server);
  const name = own === undefined ? config.credsStore : helpers[own];
  if (name === undefined || name === '') return undefined;
  if (typeof name === 'string' && /^[\w-][\w.-]*$/.test(name)) return name;
  throw malformed(
    path,
    `${own === undefined ? 'credsStore' : `credHelpers["${own}"]`} is no name of a credential helper`,
  );
}

function fromAuths(config: Table, server: string, path: string): Credentials | undefined {
  const auths = table(config.auths, path, 'auths');
  const keys = Object.keys(auths);
  const key = keys.find(one => one === keyOf(server)) ?? keys.find(one => hostOf(one) === server);
  if (key === undefined) return undefined;
  const where = `auths["${key}"]`;
  const { auth, username, password, identitytoken } = table(auths[key], path, where);
  if (isText(identitytoken)) return { identityToken: identitytoken };
  if (isText(auth)) return decode(auth) ?? refuse(path, `${where}.auth is not USER:PASSWORD in base64`);
  // `docker login` with a credential store leaves an empty entry.
  return isText(username) && isText(password) ? { username, password } : undefined;
}

function decode(auth: string): Credentials | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(auth)) return undefined;
  // Docker pads with zero bytes.
  const text = Buffer.from(auth, 'base64').toString().replace(/\0+$/, '');
  const colon = text.indexOf(':');
  return colon < 1 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

function parse(text: string, path: string): Table {
  try {
    return table(JSON.parse(text), path, 'it');
  } catch (error) {
    if (error instanceof RegistryError) throw error;
    // The parser's own words could hold a part of the file.
    throw malformed(path, 'it is no JSON');
  }
}

function table(value: unknown, path: string, what: string): Table {
  if (value === undefined || value === null) return {};
  if (typeof value === 'object' && !Array.isArray(value)) return { ...value };
  throw malformed(path, `${what} is no object`);
}

const malformed = (path: string, fault: string) =>
  new RegistryError('configuration', `${path}: ${fault}`, { step: 'look up credentials', remedy: `mend ${path}` });

function refuse(path: string, fault: string): never {
  throw malformed(path, fault);
}
