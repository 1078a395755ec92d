/**
 * A CNI runtime (specification 1.1.0, section 3): runs chains of plugins for an attachment and remembers what an ADD made. As the
 * specification asks, the caller runs one operation at a time on a container, and no ADD or DEL of a network during its GC.
 */
import * as v from 'valibot';
import { type Attachment, type AttachmentId, checkAttachmentId, formatArgs } from './attachment.ts';
import {
  type CachedAttachment,
  CacheError,
  cachePath,
  DEFAULT_CACHE,
  readCached,
  removeCached,
  sameAttachment,
  writeCached,
} from './cache.ts';
import {
  asCniError,
  type Chain,
  callAll,
  callBackwards,
  callPlugin,
  EXEC,
  invokeAlone,
  requireNotAborted,
  requirePlugins,
  steps,
} from './chain.ts';
import type { NetworkConfig } from './config.ts';
import { CniError, throwAll } from './errors.ts';
import { DEFAULT_PATH } from './exec.ts';
import type { Invoke } from './invoke.ts';
import { conform } from './json.ts';
import { parseResult, type Result } from './result.ts';
import { atLeast, type Command, LATEST, SINCE } from './version.ts';

export interface RuntimeOptions {
  /** Folders of plugins, absolute, in order; by default /opt/cni/bin and /usr/lib/cni. */
  path?: readonly string[];
  /** The folder of the result cache; by default libcni's. */
  cacheFolder?: string;
  /** Ways to call a plugin besides `exec`, by the name that the cache records. */
  invokers?: Readonly<Record<string, Invoke>>;
  /** Which of them serves a plugin's type from its ADD to its DEL; by default all are executed. */
  invokerFor?: (type: string) => string;
  /** How long one plugin may take; by default a minute. */
  timeoutMs?: number;
  /** Awaited before each plugin is called: for a process that has more to do. */
  pause?(): Promise<void>;
}

export interface DelOptions {
  /** Path of the netns if it is another than at the ADD; '' if it is gone. */
  netns?: string;
  /** What to do the DEL with if there is no result of an ADD, after a crash, say. */
  fallback?: Pick<Attachment, 'args' | 'capabilityArgs'> & { network: NetworkConfig };
  signal?: AbortSignal;
}

/** Which plugins of a network are meant, by type and by the implementation that did the ADD. */
export type IsMeant = (type: string, invoker: string) => boolean;

/** What a DEL went by; `nothing`: neither a result nor a fallback is known, so no plugin ran. `broken` was an unreadable result. */
export interface DelOutcome {
  by: 'result' | 'fallback' | 'nothing';
  broken?: CacheError;
}

export interface VersionInfo {
  cniVersion: string;
  supportedVersions: string[];
}

export type CniRuntime = ReturnType<typeof createCniRuntime>;

const VersionSchema = v.object({ cniVersion: v.string(), supportedVersions: v.array(v.string()) });

/** Makes a runtime. Every operation throws CniError, and nothing else. */
export function createCniRuntime(options: RuntimeOptions = {}) {
  const { path = DEFAULT_PATH, cacheFolder = DEFAULT_CACHE, invokers = {}, timeoutMs = 60_000 } = options;
  const invokerFor = options.invokerFor ?? (() => EXEC);
  const access = { path, invokers, timeoutMs, pause: options.pause };
  const invokersOf = (network: NetworkConfig) => network.plugins.map(plugin => invokerFor(plugin.type));

  /**
   * Attaches a container to a network and returns the result of the last plugin. A failure is undone by a DEL of the whole chain, with
   * what the plugins before it made as prevResult; what fails in that is in the error's `also`.
   */
  async function add(network: NetworkConfig, attachment: Attachment, signal?: AbortSignal): Promise<Result> {
    const id = idOf(network, attachment);
    checkAttachmentId('ADD', id);
    requireNetns('ADD', id, attachment.netns);
    const invokers = invokersOf(network);
    const args = formatArgs('ADD', attachment.args);
    const later: (() => Promise<void>)[] = [];
    const afterwards = (work: () => Promise<void>) => void later.push(work);
    const chain: Chain = { access, command: 'ADD', network, invokers, ...attachment, args, signal, afterwards };
    requireNotAborted(chain);
    requireFree(id);
    requirePlugins(chain);

    let made: Result | undefined;
    try {
      for (const step of steps(chain)) {
        const output = await callPlugin(chain, step, { prevResult: made });
        made = readAnswer('ADD', network.name, step[1].type, () => parseResult(output, network.cniVersion));
      }
      const result = made ?? { cniVersion: network.cniVersion, interfaces: [], ips: [], routes: [] };
      const { netns, args = [], capabilityArgs = {} } = attachment;
      await writeCached(cacheFolder, { ...id, netns, args, capabilityArgs, config: network, result, invokers });
      setImmediate(() => {
        for (const work of later) void work();
      });
      return result;
    } catch (error) {
      const first = asCniError(error, { command: 'ADD', network: network.name });
      const undo: Chain = { ...chain, command: 'DEL', signal: undefined, afterwards: undefined };
      const undoing = await callBackwards(undo, { prevResult: made });
      try {
        removeCached(cacheFolder, id);
      } catch (cause) {
        undoing.push(asCniError(cause, { command: 'DEL' }));
      }
      throw new CniError(first.failure, [...first.also, ...undoing]);
    }
  }

  /**
   * Detaches a container, with the configuration and the result of its ADD, whatever the configuration has become since. Goes on
   * after a plugin's failure, against the specification's wording, so that one broken plugin doesn't keep the others' resources;
   * the result then stays, for a second DEL.
   */
  async function del(id: AttachmentId, { netns, fallback, signal }: DelOptions = {}): Promise<DelOutcome> {
    checkAttachmentId('DEL', id);
    const { found, broken, isAnother } = lookUp(id);
    const known =
      found ?? (fallback && { ...fallback, config: fallback.network, invokers: invokersOf(fallback.network) });
    if (known === undefined) {
      if (broken !== undefined) throw asCniError(broken, { command: 'DEL' });
      if (!isAnother) inCache('DEL', () => removeCached(cacheFolder, id));
      return { by: 'nothing' };
    }
    const chain = chainOf('DEL', id, known, netns ?? found?.netns ?? '', signal);
    throwAll(await callBackwards(chain, { prevResult: found?.result }));
    if (!isAnother) inCache('DEL', () => removeCached(cacheFolder, id));
    return { by: found ? 'result' : 'fallback', ...(broken && { broken }) };
  }

  /** Asks the plugins whether an attachment is still as its ADD made it. A network with `disableCheck` always is. */
  async function check(
    id: AttachmentId,
    { netns, signal }: { netns?: string; signal?: AbortSignal } = {},
  ): Promise<void> {
    checkAttachmentId('CHECK', id);
    const { found, broken } = lookUp(id);
    if (broken !== undefined) throw asCniError(broken, { command: 'CHECK' });
    if (found?.result === undefined) {
      throw new CniError({
        reason: 'not-attached',
        command: 'CHECK',
        network: id.network,
        msg: `${id.containerId} is not attached`,
      });
    }
    requireVersion('CHECK', found.config);
    if (found.config.disableCheck) return;
    const where = netns ?? found.netns ?? '';
    requireNetns('CHECK', id, where);
    const chain = chainOf('CHECK', id, found, where, signal);
    for (const step of steps(chain)) await callPlugin(chain, step, { prevResult: found.result });
  }

  /**
   * DEL and ADD of some plugins of an attachment alone, with the result of its ADD: for those that only add rules to what others have made,
   * and whose rules are gone.
   */
  async function renew(id: AttachmentId, isMeant: IsMeant, signal?: AbortSignal): Promise<void> {
    checkAttachmentId('ADD', id);
    const { found } = lookUp(id);
    if (found?.result === undefined) return;
    const { netns = '', result: prevResult } = found;
    const removing = chainOf('DEL', id, found, netns, signal);
    throwAll(await callAll(removing, meant(removing, isMeant).reverse(), { prevResult }));
    const adding = chainOf('ADD', id, found, netns, signal);
    for (const step of meant(adding, isMeant)) await callPlugin(adding, step, { prevResult });
  }

  /** Lets the plugins of a network remove what no valid attachment owns. Goes on after a failure. `disableGC` makes it do nothing. */
  async function gc(
    network: NetworkConfig,
    valid: readonly Omit<AttachmentId, 'network'>[],
    signal?: AbortSignal,
  ): Promise<void> {
    requireVersion('GC', network);
    if (network.disableGC) return;
    const chain: Chain = { access, command: 'GC', network, invokers: invokersOf(network), signal };
    throwAll(await callAll(chain, steps(chain), { validAttachments: valid }));
  }

  /** Asks the plugins of a network whether they could serve an ADD; throws the first answer that says no. */
  async function status(network: NetworkConfig, signal?: AbortSignal): Promise<void> {
    requireVersion('STATUS', network);
    const chain: Chain = { access, command: 'STATUS', network, invokers: invokersOf(network), signal };
    for (const step of steps(chain)) await callPlugin(chain, step);
  }

  /** Asks a plugin which versions it speaks. */
  async function version(type: string): Promise<VersionInfo> {
    const config = { cniVersion: LATEST };
    const output = await invokeAlone(access, invokerFor(type), { command: 'VERSION', plugin: type, config });
    return readAnswer('VERSION', undefined, type, () => conform(VersionSchema, output));
  }

  function chainOf(
    command: Command,
    id: AttachmentId,
    known: Known,
    netns: string,
    signal: AbortSignal | undefined,
  ): Chain {
    const { config: network, invokers, capabilityArgs } = known;
    const { containerId, ifName } = id;
    const args = formatArgs(command, known.args);
    return { access, command, network, invokers, args, capabilityArgs, containerId, ifName, netns, signal };
  }

  /** `isAnother`: the file under its name is that of another attachment, and stays. */
  function lookUp(id: AttachmentId): { found?: CachedAttachment; broken?: CacheError; isAnother?: boolean } {
    try {
      const found = readCached(cacheFolder, id);
      if (found === undefined) return {};
      return sameAttachment(found, id) ? { found } : { isAnother: true };
    } catch (error) {
      if (error instanceof CacheError) return { broken: error };
      throw error;
    }
  }

  function requireFree(id: AttachmentId): void {
    const there = inCache('ADD', () => readCached(cacheFolder, id));
    if (there === undefined) return;
    const { network, containerId, ifName } = there;
    throw new CniError({
      reason: 'attached',
      command: 'ADD',
      network: id.network,
      msg: `${cachePath(cacheFolder, id)} says that ${containerId} is attached to ${network} as ${ifName}`,
      remedy: 'run DEL for that attachment first, or choose another container id',
    });
  }

  return { add, del, check, renew, gc, status, version };
}

function meant(chain: Chain, isMeant: IsMeant): ReturnType<typeof steps> {
  return steps(chain).filter(([index, { type }]) => isMeant(type, chain.invokers[index] ?? EXEC));
}

/** What an operation on an attachment goes by. */
type Known = Pick<CachedAttachment, 'config' | 'invokers'> & Pick<Attachment, 'args' | 'capabilityArgs'>;

function idOf(network: NetworkConfig, { containerId, ifName }: Attachment): AttachmentId {
  return { network: network.name, containerId, ifName };
}

function requireNetns(command: Command, { network }: AttachmentId, netns: string): void {
  if (netns.startsWith('/') && !netns.includes('\0')) return;
  const msg = `${JSON.stringify(netns)} is no network namespace: an absolute path is needed`;
  throw new CniError({ reason: 'bad-request', command, network, msg });
}

function requireVersion(command: Command, { name, cniVersion }: NetworkConfig): void {
  if (atLeast(cniVersion, SINCE[command])) return;
  const msg = `the network's cniVersion is ${cniVersion}, and ${command} came with ${SINCE[command]}: not supported`;
  throw new CniError({ reason: 'unsupported', command, network: name, msg });
}

function readAnswer<T>(command: Command, network: string | undefined, plugin: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw asCniError(error, { command, network, plugin });
  }
}

function inCache<T>(command: Command, access: () => T): T {
  try {
    return access();
  } catch (error) {
    throw asCniError(error, { command });
  }
}
