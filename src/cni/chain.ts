/** Calling the plugins of one network, one by one, for one operation: what runtime.ts builds ADD, DEL, CHECK, GC and STATUS from. */
import { isAbsolute } from 'node:path';
import { CacheError } from './cache.ts';
import type { NetworkConfig, PluginConfig } from './config.ts';
import { CniError, type CniFailure } from './errors.ts';
import { execPlugin, findPlugin, pluginNotFound } from './exec.ts';
import type { Afterwards, Invoke, InvokeRequest } from './invoke.ts';
import { FormatError, type JsonObject } from './json.ts';
import { type RequestParts, requestConfig } from './request.ts';
import { atLeast, type Command, DEL_WITH_RESULT } from './version.ts';

/** The name of the implementation that executes plugins; also that of entries in the cache that name none. */
export const EXEC = 'exec';

export interface PluginAccess {
  /** Folders of plugins, absolute, in order. */
  path: readonly string[];
  /** Ways to call a plugin besides executing it, by the name that the cache records. */
  invokers: Readonly<Record<string, Invoke>>;
  timeoutMs: number;
  /** Awaited before each plugin: what runs in this process leaves room for others. */
  pause?: (() => Promise<void>) | undefined;
}

export interface Chain {
  access: PluginAccess;
  command: Command;
  network: NetworkConfig;
  /** One name for each plugin. */
  invokers: readonly string[];
  containerId?: string | undefined;
  netns?: string | undefined;
  ifName?: string | undefined;
  /** The value of CNI_ARGS. */
  args?: string | undefined;
  capabilityArgs?: JsonObject | undefined;
  signal?: AbortSignal | undefined;
  afterwards?: Afterwards | undefined;
}

/** The plugins of a chain with their places in it, in the order in which ADD calls them. */
export function steps(chain: Chain): [index: number, plugin: PluginConfig][] {
  return [...chain.network.plugins.entries()];
}

/** Calls one plugin of a chain and returns what it answered. Throws CniError. */
export async function callPlugin(
  chain: Chain,
  [index, plugin]: [number, PluginConfig],
  parts: RequestParts = {},
): Promise<unknown> {
  const { network, capabilityArgs } = chain;
  const config = requestConfig(network, plugin, { capabilityArgs, ...parts });
  return await invoke(chain, chain.invokers[index] ?? EXEC, request(chain, plugin.type, config));
}

/** DEL: calls all plugins in reverse order and goes on past failures, which it returns. */
export async function callBackwards(chain: Chain, { prevResult }: RequestParts): Promise<CniError[]> {
  const parts = atLeast(chain.network.cniVersion, DEL_WITH_RESULT) ? { prevResult } : {};
  return await callAll(chain, steps(chain).reverse(), parts);
}

/** Calls plugins one after another and goes on past failures, which it returns. */
export async function callAll(chain: Chain, order: [number, PluginConfig][], parts: RequestParts): Promise<CniError[]> {
  const errors: CniError[] = [];
  for (const step of order) {
    try {
      await callPlugin(chain, step, parts);
    } catch (error) {
      errors.push(asCniError(error, { command: chain.command, network: chain.network.name, plugin: step[1].type }));
    }
  }
  return errors;
}

/** Throws CniError `not-found` if a plugin that is to be executed, or the IPAM plugin that it will execute, does not exist. */
export function requirePlugins(chain: Chain): void {
  requirePath(chain.access, { command: chain.command, network: chain.network.name });
  for (const [index, plugin] of steps(chain)) {
    if (chain.invokers[index] !== EXEC) continue;
    const needed = plugin.ipam === undefined ? [plugin.type] : [plugin.type, plugin.ipam];
    const missing = needed.find(type => findPlugin(type, chain.access.path) === undefined);
    if (missing !== undefined) throw pluginNotFound(request(chain, missing, plugin.json));
  }
}

/** Calls a plugin outside of a network, as VERSION does. */
export async function invokeAlone(
  access: PluginAccess,
  invoker: string,
  alone: Pick<InvokeRequest, 'command' | 'plugin' | 'config'>,
) {
  return await invoke({ access }, invoker, { ...alone, path: access.path, timeoutMs: access.timeoutMs });
}

/** Throws CniError `aborted` if the operation was called off before this. */
export function requireNotAborted({ command, signal }: Pick<InvokeRequest, 'command' | 'signal'>): void {
  if (!signal?.aborted) return;
  throw new CniError({ reason: 'aborted', command, msg: 'the operation was called off', cause: signal.reason });
}

/** Any error as a CniError; one that is not yet becomes the failure of what `where` names. */
export function asCniError(error: unknown, where: Pick<CniFailure, 'command' | 'network' | 'plugin'>): CniError {
  if (error instanceof CniError) return error;
  const said = error instanceof Error ? error.message : String(error);
  if (error instanceof CacheError) {
    return new CniError({ ...where, reason: 'cache', msg: said, remedy: 'mend or remove that file', cause: error });
  }
  if (error instanceof FormatError) {
    return new CniError({ ...where, reason: 'bad-output', msg: `its answer is not valid: ${said}`, cause: error });
  }
  return new CniError({ ...where, reason: 'plugin-error', msg: said, cause: error });
}

function request(chain: Chain, plugin: string, config: JsonObject): InvokeRequest {
  const { access, command, network, containerId, netns, ifName, args, signal, afterwards } = chain;
  return {
    command,
    plugin,
    network: network.name,
    containerId,
    netns,
    ifName,
    args,
    path: access.path,
    config,
    timeoutMs: access.timeoutMs,
    signal,
    afterwards,
  };
}

async function invoke({ access }: Pick<Chain, 'access'>, name: string, request: InvokeRequest): Promise<unknown> {
  await access.pause?.();
  requireNotAborted(request);
  const { command, network, plugin } = request;
  requirePath(access, { command, network });
  const invoker = new Map(Object.entries({ [EXEC]: execPlugin, ...access.invokers })).get(name);
  if (invoker === undefined) {
    const msg = `the attachment was made by the implementation "${name}", which is not available here`;
    throw new CniError({ reason: 'not-found', command, network, plugin, msg });
  }
  try {
    return await invoker(request);
  } catch (error) {
    throw asCniError(error, { command, network, plugin });
  }
}

// A relative folder would be looked up in whatever directory we were started in, and a colon would make two of one in CNI_PATH.
function requirePath({ path }: PluginAccess, where: Pick<InvokeRequest, 'command' | 'network'>): void {
  const bad = path.find(folder => !isAbsolute(folder) || /[:\0]/.test(folder));
  if (bad === undefined) return;
  const msg = `${JSON.stringify(bad)} can't be a folder of the CNI path: it must be absolute and hold no ":"`;
  throw new CniError({ reason: 'bad-request', ...where, msg });
}
