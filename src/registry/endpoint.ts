/** Where a registry is to be asked: its mirrors in order, then itself (containerd's core/remotes/docker/config). */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { tlsSettings } from './certificates.ts';
import { RegistryError } from './errors.ts';
import { type HostSettings, readHostFolder } from './host-file.ts';
import { isLoopback } from './loopback.ts';
import type { TlsSettings } from './transport.ts';

export interface Endpoint {
  /** The API's root: `https://registry-1.docker.io/v2`. */
  url: URL;
  /** Under which credentials are known: `docker.io`, `registry.local:5000`. */
  server: string;
  pulls: boolean;
  /** Trusted to say which digest a tag has. */
  resolves: boolean;
  headers: Record<string, string>;
  /** The registry that a mirror is asked for, its `ns` parameter. */
  mirrorOf?: string;
  tls: TlsSettings;
  /** Milliseconds for a connection. */
  dialTimeout?: number;
  /** Where its CA can be named. */
  folder: string;
}

export const defaultCertsFolder = '/etc/containerd/certs.d';

const docker = 'docker.io';
const dockersHost = 'registry-1.docker.io';

/** `registry`: as in the image's name, `docker.io` or `localhost:5000`. Throws RegistryError `configuration`. */
export function endpointsOf(
  registry: string,
  { certsFolder, plainHttp, warn }: { certsFolder: string; plainHttp: boolean; warn(line: string): void },
): Endpoint[] {
  const folders = foldersOf(registry).map(name => join(certsFolder, name));
  const folder = folders.find(path => existsSync(path));
  const hosts = folder === undefined ? [] : readHostFolder(folder, warn);
  if (hosts.length === 0) hosts.push(plain);
  return hosts.map(settings => endpoint(registry, settings, plainHttp, folder ?? folders[0] ?? certsFolder));
}

const plain: HostSettings = {
  capabilities: new Set(['pull', 'resolve']),
  ca: [],
  client: [],
  skipVerify: false,
  headers: {},
  overridePath: false,
};

/** As containerd names them: `host_5000_`, then `host:5000`, then the folder for all that have none. */
function foldersOf(registry: string): string[] {
  return [...new Set([registry.replace(/:(\d+)$/, '_$1_'), registry, '_default'])];
}

function endpoint(registry: string, settings: HostSettings, plainHttp: boolean, folder: string): Endpoint {
  const asTls = settings.ca.length > 0 || settings.client.length > 0 || settings.skipVerify;
  const url = URL.parse(settings.url ?? `${schemeOf(registry, plainHttp, asTls)}://${registry}`);
  if (url === null) throw new RegistryError('configuration', `${JSON.stringify(registry)} is no registry`);
  if (url.hostname === docker || url.hostname === `index.${docker}`) url.hostname = dockersHost;
  if (!settings.overridePath && !url.pathname.endsWith('/v2')) url.pathname = `${url.pathname.replace(/\/+$/, '')}/v2`;
  const isOwn = settings.url === undefined || hostOf(registry, url.protocol) === url.host;
  const server = isOwn ? registry : url.host === dockersHost ? docker : url.host;
  return {
    url,
    server,
    pulls: settings.capabilities.has('pull'),
    resolves: settings.capabilities.has('resolve'),
    headers: settings.headers,
    folder,
    ...(!isOwn && { mirrorOf: registry }),
    // Also of one that speaks plain HTTP: its token server, and where it redirects to, may not.
    tls: { ...tlsSettings(settings.ca, settings.client), ...(settings.skipVerify && { skipVerify: url.host }) },
    ...(settings.dialTimeout !== undefined && { dialTimeout: settings.dialTimeout }),
  };
}

/** The host of a registry's own address, without the port that goes without saying. */
function hostOf(registry: string, protocol: string): string | undefined {
  return registry === docker ? dockersHost : URL.parse(`${protocol}//${registry}`)?.host;
}

function schemeOf(registry: string, plainHttp: boolean, asTls: boolean): string {
  const { hostname, port } = URL.parse(`http://${registry}`) ?? { hostname: '', port: '' };
  if (plainHttp) return 'http';
  return isLoopback(hostname) && port !== '443' && !asTls ? 'http' : 'https';
}
