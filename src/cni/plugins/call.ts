/** From what a runtime says, in whatever way it says it, to a call of a plugin (specification 1.1.0, section 2), checked for all plugins alike. */
import { isAbsolute } from 'node:path';
import { INTERFACE_NAME, isInterfaceName } from '../../host/interface-name.ts';
import { isNetns, netnsId } from '../../host/netns.ts';
import { type Attachment, NAME } from '../attachment.ts';
import type { Afterwards } from '../invoke.ts';
import { FormatError, isObject, type JsonObject } from '../json.ts';
import { parseResult, type Result } from '../result.ts';
import { atLeast, type CniVersion, type Command, isVersion, SINCE, VERSIONS } from '../version.ts';
import type { AttachmentCall, Endpoint, GcCall, PluginCall } from './plugin.ts';
import { PluginError } from './plugin-error.ts';
import { worksInside } from './registry.ts';
import type { Trace } from './trace.ts';

/** The verbs that a plugin itself serves; VERSION is answered for all. */
export type Verb = Exclude<Command, 'VERSION'>;

/** A call as it came: the variables, and what was on standard input. Undefined and '' are the same. */
export interface CallRequest {
  command: Verb;
  /** The plugin's type. */
  plugin: string;
  containerId?: string | undefined;
  netns?: string | undefined;
  ifName?: string | undefined;
  args?: string | undefined;
  path: readonly string[];
  config: JsonObject;
  signal?: AbortSignal | undefined;
  /** CNI_NETNS_OVERRIDE: the namespace may be the one that the plugin itself runs in. */
  ownNetns?: boolean;
  afterwards?: Afterwards | undefined;
}

export type Call =
  | (AttachmentCall & { command: 'ADD' | 'DEL' | 'CHECK' })
  | (GcCall & { command: 'GC' })
  | (PluginCall & { command: 'STATUS' });

/** The variable of each parameter, and the verbs that cannot do without it. */
const NEEDED: readonly (readonly [
  variable: string,
  key: 'containerId' | 'netns' | 'ifName' | 'path',
  verbs: string,
])[] = [
  ['CNI_CONTAINERID', 'containerId', 'ADD DEL CHECK'],
  ['CNI_NETNS', 'netns', 'ADD CHECK'],
  ['CNI_IFNAME', 'ifName', 'ADD DEL CHECK'],
  ['CNI_PATH', 'path', 'ADD DEL CHECK GC STATUS'], // as the reference plugins have it
];

/** The kernel's limit for a path, NUL included. */
const PATH_MAX = 4096;

const KEYS_OF_VALID = ['cni.dev/valid-attachments', 'cni.dev/attachments'];

/** Throws PluginError: InvalidEnvironment, InvalidNetns, InvalidConfig, IncompatibleVersion, DecodingFailure. */
export function callOf(request: CallRequest, trace: Trace): Call {
  const { command, config, signal } = request;
  requireParameters(request);
  const network = networkOf(config);
  const cniVersion = versionOf(command, config);
  const call: PluginCall = {
    command,
    network,
    cniVersion,
    config,
    runtimeConfig: runtimeConfigOf(config),
    prevResult: prevResultOf(command, config, cniVersion),
    // A relative folder would be looked up in whatever directory we were started in.
    path: request.path.filter(isAbsolute),
    trace,
    signal,
    afterwards: request.afterwards,
  };
  if (command === 'STATUS') return { ...call, command };
  if (command === 'GC') return { ...call, command, valid: validOf(config) };
  const { containerId = '', ifName = '' } = request;
  return { ...call, command, containerId, ifName, netns: netnsOf(request), args: parseArgs(request.args) };
}

function requireParameters(request: CallRequest): void {
  const { command, containerId, ifName } = request;
  const missing = NEEDED.filter(([, key, verbs]) => verbs.split(' ').includes(command) && !request[key]?.length);
  const names = missing.map(([variable]) => variable).join(', ');
  if (names !== '') throw environment(`${command} needs ${names}, which ${missing.length > 1 ? 'are' : 'is'} not set`);
  if (containerId && !NAME.test(containerId)) {
    throw environment(`CNI_CONTAINERID is no container id: letters, digits, "_", "." and "-" only`, containerId);
  }
  if (ifName && !isInterfaceName(ifName)) {
    throw environment(`CNI_IFNAME is no name for an interface: ${INTERFACE_NAME}`, ifName);
  }
}

/** '' is a namespace that is gone, which only DEL may be called for. */
function netnsOf({ command, plugin, netns = '', ownNetns = false }: CallRequest): string {
  if (!worksInside(plugin)) return netns;
  const isThere = isAbsolute(netns) && !netns.includes('\0') && netns.length < PATH_MAX && isNetns(netns);
  if (!isThere && command === 'DEL') return '';
  if (!isThere) throw new PluginError('InvalidNetns', `CNI_NETNS ${shown(netns)} is no network namespace, or is gone`);
  if (!ownNetns && isOurs(netns)) {
    throw new PluginError(
      'InvalidNetns',
      `CNI_NETNS ${shown(netns)} is the plugin's own: the host's, not a container's`,
    );
  }
  return netns;
}

function isOurs(netns: string): boolean {
  const own = netnsId('/proc/thread-self/ns/net');
  const { device, inode } = netnsId(netns);
  return own.device === device && own.inode === inode;
}

function networkOf({ name }: JsonObject): string {
  if (name === undefined || name === '') throw invalid('name: the name of the network is missing');
  if (typeof name === 'string' && NAME.test(name)) return name;
  throw invalid('name: may hold letters, digits, "_", "." and "-" only, and starts with a letter or digit', name);
}

function versionOf(command: Verb, { cniVersion }: JsonObject): CniVersion {
  const spoken = `spoken here: ${VERSIONS.join(', ')}`;
  const incompatible = (msg: string) => new PluginError('IncompatibleVersion', msg, spoken);
  if (cniVersion === undefined || cniVersion === '') throw incompatible('cniVersion is missing, which means 0.1.0');
  if (typeof cniVersion !== 'string')
    throw new PluginError('DecodingFailure', 'cniVersion: must be a string', shown(cniVersion));
  if (!isVersion(cniVersion)) throw incompatible(`cniVersion ${JSON.stringify(cniVersion)} is not supported`);
  if (atLeast(cniVersion, SINCE[command])) return cniVersion;
  throw incompatible(`cniVersion ${cniVersion} has no ${command}, which came with ${SINCE[command]}`);
}

function runtimeConfigOf({ runtimeConfig }: JsonObject): JsonObject {
  if (runtimeConfig === undefined || runtimeConfig === null) return {};
  if (isObject(runtimeConfig)) return runtimeConfig;
  throw invalid('runtimeConfig: must be an object', runtimeConfig);
}

/** A DEL does what it can without one that cannot be read. */
function prevResultOf(command: Verb, { prevResult }: JsonObject, version: CniVersion): Result | undefined {
  if (prevResult === undefined || prevResult === null) return undefined;
  try {
    return parseResult(prevResult, version);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    if (command === 'DEL') return undefined;
    throw new PluginError('DecodingFailure', `prevResult: ${error.message}`, '', error);
  }
}

/** Without the list all attachments would go: that is never meant. A list that is null is Go's for an empty one. */
function validOf(config: JsonObject): Endpoint[] {
  const key = KEYS_OF_VALID.find(one => Object.hasOwn(config, one));
  if (key === undefined) throw invalid(`${KEYS_OF_VALID[0]} is missing: the attachments that are to stay`);
  const list: unknown = config[key] ?? [];
  if (!Array.isArray(list)) throw invalid(`${key}: must be a list`, list);
  return list.map((one: unknown) => {
    if (isObject(one) && typeof one.containerID === 'string' && typeof one.ifname === 'string')
      return { containerId: one.containerID, ifName: one.ifname };
    throw invalid(`${key}: each must have containerID and ifname`, one);
  });
}

/** `K=V;K2=V2`. */
function parseArgs(args = ''): NonNullable<Attachment['args']> {
  return args.split(';').flatMap(pair => {
    if (pair === '') return [];
    const at = pair.indexOf('=');
    if (at < 1) throw environment('CNI_ARGS must be KEY=VALUE;KEY=VALUE', pair);
    return [[pair.slice(0, at), pair.slice(at + 1)] as const];
  });
}

function environment(msg: string, value?: string): PluginError {
  return new PluginError('InvalidEnvironment', msg, value === undefined ? '' : shown(value));
}

function invalid(msg: string, value?: unknown): PluginError {
  return new PluginError('InvalidConfig', msg, value === undefined ? '' : shown(value));
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
