/**
 * The results of ADDs on disk, which CHECK and DEL need: one file an attachment, in the format of libcni (kind `cniCacheV1`), so that
 * tools of other runtimes read ours and we read theirs. One key more says which implementation served each plugin of the chain.
 */
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { replaceFileAmongMany } from '../host/atomic-file.ts';
import { hasCode } from '../host/errno.ts';
import type { AttachmentId } from './attachment.ts';
import { type NetworkConfig, parseNetworkConfig } from './config.ts';
import { formatConflist } from './conflist.ts';
import { conform, FormatError, type JsonObject, object, parseJson } from './json.ts';
import { formatResult, parseResult, type Result } from './result.ts';

/** Where libcni keeps its cache. */
export const DEFAULT_CACHE = '/var/lib/cni/results';

const KIND = 'cniCacheV1';

/** What an ADD was given and what it made. */
export interface CachedAttachment extends AttachmentId {
  /** Path of the network namespace; libcni before 1.2 did not write it down. */
  netns: string | undefined;
  args: readonly (readonly [string, string])[];
  capabilityArgs: JsonObject;
  /** The network's configuration as it was at the ADD. */
  config: NetworkConfig;
  result: Result | undefined;
  /** For each plugin of the chain, the name of the implementation that served it; empty where another runtime did the ADD. */
  invokers: readonly string[];
}

/** A file of the cache that can't be used; `message` begins with its path. */
export class CacheError extends Error {
  override readonly name = 'CacheError';
  readonly path: string;

  constructor(path: string, cause: unknown) {
    super(`${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.path = path;
  }
}

// Field names: libcni's cachedInfo. Go's decoder skips keys that it does not know, so `invokers` harms no other reader.
const EntrySchema = v.object({
  kind: v.literal(KIND),
  containerId: v.string(),
  config: v.pipe(v.string(), v.base64()),
  ifName: v.string(),
  networkName: v.string(),
  netns: v.optional(v.string()),
  cniArgs: v.optional(v.nullable(v.array(v.tuple([v.string(), v.string()])))),
  capabilityArgs: v.optional(v.nullable(object)),
  result: v.optional(v.nullable(object)),
  invokers: v.optional(v.array(v.string()), []),
});

/** The file of an attachment. Different attachments can share one (`a-b` + `c`, `a` + `b-c`): readCache tells them apart. */
export function cachePath(folder: string, { network, containerId, ifName }: AttachmentId): string {
  return join(folder, `${network}-${containerId}-${ifName}`);
}

/** An attachment as the text of its file. */
export function formatCached(attachment: CachedAttachment): string {
  const { network, containerId, ifName, netns, args, capabilityArgs, config, result, invokers } = attachment;
  return JSON.stringify({
    kind: KIND,
    containerId,
    config: Buffer.from(formatConflist(config.json)).toString('base64'),
    ifName,
    networkName: network,
    netns: netns || undefined,
    cniArgs: args.length > 0 ? args : undefined,
    capabilityArgs: Object.keys(capabilityArgs).length > 0 ? capabilityArgs : undefined,
    result: result && formatResult(result, result.cniVersion),
    invokers,
  });
}

/** Understands the text of such a file. Throws FormatError. */
export function parseCached(text: string): CachedAttachment {
  const entry = conform(EntrySchema, parseJson(text));
  const config = parseNetworkConfig(parseJson(Buffer.from(entry.config, 'base64').toString()));
  if (entry.networkName !== config.name)
    throw new FormatError(`networkName: the configuration is of network ${config.name}`);
  return {
    network: entry.networkName,
    containerId: entry.containerId,
    ifName: entry.ifName,
    netns: entry.netns || undefined,
    args: entry.cniArgs ?? [],
    capabilityArgs: entry.capabilityArgs ?? {},
    config,
    result: entry.result ? parseResult(entry.result, config.cniVersion) : undefined,
    invokers: entry.invokers,
  };
}

export function sameAttachment(a: AttachmentId, b: AttachmentId): boolean {
  return a.network === b.network && a.containerId === b.containerId && a.ifName === b.ifName;
}

/**
 * Writes an attachment's file, whole or not at all, whatever becomes of this process or of the power. The folder is made where it is
 * missing. Throws CacheError.
 *
 * libcni syncs nothing to the disk. But what an ADD has reserved outlives a hard reset, and by this file it is known and released.
 */
export async function writeCached(folder: string, attachment: CachedAttachment): Promise<void> {
  const path = cachePath(folder, attachment);
  const write = () => replaceFileAmongMany(path, formatCached(attachment), { mode: 0o600 });
  try {
    try {
      await write();
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      await write();
    }
  } catch (error) {
    throw new CacheError(path, error);
  }
}

/** Reads the file under an attachment's name; it may be another's. Undefined where there is none. Throws CacheError. */
export function readCached(folder: string, id: AttachmentId): CachedAttachment | undefined {
  return readFile(cachePath(folder, id));
}

/** Removes the file under an attachment's name; one that does not exist is no error. Throws CacheError. */
export function removeCached(folder: string, id: AttachmentId): void {
  const path = cachePath(folder, id);
  try {
    // Where the file system is read-only, also what is not there cannot be removed.
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) rmSync(path, { force: true });
  } catch (error) {
    throw new CacheError(path, error);
  }
}

/** Every attachment in the cache, of all runtimes that share it, by file name; files of no use are reported. Throws CacheError. */
export function listCached(
  folder: string,
  isWanted: (fileName: string) => boolean = () => true,
): { attachments: CachedAttachment[]; broken: CacheError[] } {
  const attachments: CachedAttachment[] = [];
  const broken: CacheError[] = [];
  for (const path of cacheFiles(folder, isWanted)) {
    try {
      const attachment = readFile(path);
      if (attachment === undefined) continue;
      if (cachePath(folder, attachment) !== path) throw new CacheError(path, 'holds an attachment of another name');
      attachments.push(attachment);
    } catch (error) {
      if (!(error instanceof CacheError)) throw error;
      broken.push(error);
    }
  }
  return { attachments, broken };
}

function cacheFiles(folder: string, isWanted: (fileName: string) => boolean): string[] {
  try {
    const names = readdirSync(folder);
    // A leading dot can't begin a network's name: those are files that are just being written.
    return names
      .filter(name => !name.startsWith('.') && isWanted(name))
      .sort()
      .map(name => join(folder, name));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw new CacheError(folder, error);
  }
}

/** Coarser than any file system's clock. */
const SETTLED_MS = 50;

/** What was read of files that are written once, and replaced whole: the same inode with the same times says the same. */
const known = new Map<string, { identity: string; attachment: CachedAttachment }>();
const MOST_KNOWN = 4096;

function readFile(path: string): CachedAttachment | undefined {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) known.delete(path);
    if (stat === undefined) return undefined;
    if (!stat.isFile()) throw new FormatError('not a regular file');
    const identity = [stat.dev, stat.ino, stat.size, stat.mtimeMs, stat.ctimeMs].join();
    const before = known.get(path);
    if (before?.identity === identity) return before.attachment;
    const text = readFileSync(path, 'utf8');
    if (text === '') return undefined;
    const attachment = parseCached(text);
    if (known.size >= MOST_KNOWN) known.clear();
    // One that was written this very moment may be written again within the same tick of the clock.
    if (Date.now() - stat.ctimeMs > SETTLED_MS) known.set(path, { identity, attachment });
    return attachment;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw new CacheError(path, error);
  }
}
