/** An IPAM plugin that is not built in: executed, with the delegating plugin's own parameters (specification 1.1.0, section 4). */
import { isAbsolute } from 'node:path';
import { formatArgs } from '../attachment.ts';
import { CniError } from '../errors.ts';
import { execPlugin, findPlugin } from '../exec.ts';
import type { InvokeRequest } from '../invoke.ts';
import { FormatError, type JsonObject } from '../json.ts';
import { formatResult, parseResult } from '../result.ts';
import type { Command } from '../version.ts';
import type { AttachmentCall, CniPlugin, GcCall, PluginCall } from './plugin.ts';
import { PluginError } from './plugin-error.ts';
import { shellWord } from './shell-word.ts';

// Below a runtime's usual minute, so that the failure is told and undone before the runtime kills us.
const TIMEOUT_MS = 50_000;

type AnyCall = PluginCall | AttachmentCall | GcCall;

/** The plugin of that type in the folders of the call's path. Its error codes go through. An ADD that fails is undone by a DEL. */
export function executedIpam(type: string): CniPlugin {
  return {
    async add(call) {
      try {
        return parseResult(await execute(type, 'ADD', call), call.cniVersion);
      } catch (error) {
        const failure = error instanceof FormatError ? unreadable(type, error) : error;
        if (isThere(type, call)) await undo(type, call);
        throw failure;
      }
    },
    async del(call) {
      await execute(type, 'DEL', call);
    },
    async check(call) {
      await execute(type, 'CHECK', call);
    },
    async gc(call) {
      await execute(type, 'GC', call);
    },
    async status(call) {
      await execute(type, 'STATUS', call);
    },
  };
}

/** The first failure is the one to tell; what the DEL leaves is for the runtime's own DEL. */
async function undo(type: string, call: AttachmentCall): Promise<void> {
  await execute(type, 'DEL', { ...call, signal: undefined }).catch(() => {});
}

async function execute(type: string, command: Command, call: AnyCall): Promise<unknown> {
  const request = requestOf(type, command, call);
  try {
    return await call.trace(commandLine(request), () => execPlugin(request));
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
    throw error.failure.reason === 'aborted' ? call.signal?.reason : asPluginError(error, type, command);
  }
}

function requestOf(plugin: string, command: Command, call: AnyCall): InvokeRequest {
  const attachment =
    'containerId' in call
      ? {
          containerId: call.containerId,
          netns: call.netns,
          ifName: call.ifName,
          args: formatArgs(command, call.args),
        }
      : {};
  const { network, signal } = call;
  return {
    command,
    plugin,
    network,
    ...attachment,
    path: pathOf(call),
    config: stdinOf(command, call),
    timeoutMs: TIMEOUT_MS,
    signal,
  };
}

// A relative folder would be looked up in whatever directory we were started in.
function pathOf({ path }: PluginCall): readonly string[] {
  return path.filter(isAbsolute);
}

function isThere(type: string, call: PluginCall): boolean {
  return findPlugin(type, pathOf(call)) !== undefined;
}

/** The configuration as the delegating plugin itself was given it. */
function stdinOf(command: Command, call: AnyCall): JsonObject {
  const { config, cniVersion, network, runtimeConfig, prevResult } = call;
  const kept = command === 'GC' && 'valid' in call ? call.valid : undefined;
  const valid = kept?.map(({ containerId, ifName }) => ({ containerID: containerId, ifname: ifName }));
  return {
    ...config,
    cniVersion,
    name: network,
    ...(Object.keys(runtimeConfig).length > 0 && { runtimeConfig }),
    ...(prevResult && { prevResult: formatResult(prevResult, cniVersion) }),
    ...(valid && { 'cni.dev/valid-attachments': valid, 'cni.dev/attachments': valid }),
  };
}

function asPluginError(error: CniError, type: string, command: Command): PluginError {
  const { reason, code, msg, details, remedy, stderr } = error.failure;
  const more = [details, remedy, stderr].filter(Boolean).join('; ');
  if (reason === 'plugin-error') return new PluginError(code || 'Internal', msg, details ?? '', error);
  const name = command === 'STATUS' ? 'NotAvailable' : reason === 'bad-output' ? 'DecodingFailure' : 'Internal';
  return new PluginError(name, `IPAM plugin ${type}: ${msg}`, more, error);
}

function unreadable(type: string, error: FormatError): PluginError {
  return new PluginError('DecodingFailure', `IPAM plugin ${type}: its result is not valid`, error.message, error);
}

/** What a person would type: `CNI_COMMAND=ADD ... /opt/cni/bin/dhcp <<< '{...}'`. */
function commandLine({ command, plugin, path, config, containerId, netns, ifName, args }: InvokeRequest): string {
  const variables = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netns,
    CNI_IFNAME: ifName,
    CNI_ARGS: args,
    CNI_PATH: path.join(':'),
  };
  const words = Object.entries(variables).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}=${shellWord(value)}`,
  );
  return `${words.join(' ')} ${findPlugin(plugin, path) ?? plugin} <<< ${shellWord(JSON.stringify(config))}`;
}
