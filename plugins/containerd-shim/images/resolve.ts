/** From what an image's name stands for to what runs on this machine: index, manifest, config (OCI image-spec). */
import { KukeError } from 'kuke/plugin';
import type { ReadDocument } from './blob-store.ts';
import {
  type Config,
  configSchema,
  type Descriptor,
  indexSchema,
  isIndex,
  isManifest,
  type Manifest,
  manifestSchema,
  parseDocument,
  type Target,
} from './documents.ts';
import { invalidImage, quoted } from './fault.ts';
import { formatPlatform, host, hostPlatform, mostSuitable, type Platform, suitability } from './platform.ts';

export interface ResolvedImage {
  target: Target;
  /** The digests from the target to the manifest, both included: one, or more where there is an index. */
  path: string[];
  manifest: Manifest;
  config: Config;
  platform: Platform;
}

/** A manifest at the end of a path of digests. */
interface Candidate {
  path: string[];
  /** As the index says; often it doesn't. */
  platform: Platform | undefined;
}

const nestingMax = 4;
/** What overlayfs stacks at most (OVL_MAX_STACK). */
const layersMax = 500;

/** Throws InvalidImage if there is nothing for the machine, or what there is makes no sense; and what `read` throws. */
export async function resolveImage(target: Target, read: ReadDocument, machine = host): Promise<ResolvedImage> {
  const candidates = await candidatesOf(target, read);
  const withPlatform = candidates.flatMap(({ path, platform }) => (platform === undefined ? [] : [{ path, platform }]));
  const chosen = mostSuitable(withPlatform, ({ platform }) => platform, machine);
  if (chosen !== undefined) return load(target, chosen, read);

  const others = withPlatform.map(({ platform }) => platform);
  for (const candidate of candidates.filter(({ platform }) => platform === undefined)) {
    // An index may list what was never brought here.
    if (candidates.length > 1 && (await read(digestOf(candidate), 'manifest')) === undefined) continue;
    const image = await load(target, candidate, read);
    if (suitability(image.platform, machine) !== undefined) return image;
    others.push(image.platform);
  }
  const platforms = [...new Set(others.map(formatPlatform))].join(', ');
  const wanted = machine === host ? `this one is ${hostPlatform}` : `not for ${machine.name}`;
  throw invalidImage(target.digest, `is for ${platforms || 'no machine'}, and ${wanted}`, {
    remedy: `take the image for ${machine.name}`,
  });
}

/** For this machine, or else the first that is here. Throws InvalidImage. */
export async function resolveAny(target: Target, read: ReadDocument): Promise<ResolvedImage> {
  try {
    return await resolveImage(target, read);
  } catch (error) {
    if (!(error instanceof KukeError) || error.code !== 'InvalidImage') throw error;
    for (const candidate of await candidatesOf(target, read)) {
      if ((await read(digestOf(candidate), 'manifest')) !== undefined) return load(target, candidate, read);
    }
    throw error;
  }
}

/** What the target's indexes list, whether it is there or not; each manifest once. */
export async function candidatesOf(target: Target, read: ReadDocument): Promise<Candidate[]> {
  const candidates: Candidate[] = [];
  const seen = new Set<string>();

  async function visit(descriptor: Target & Partial<Descriptor>, above: string[]): Promise<void> {
    const { digest } = descriptor;
    if (seen.has(digest)) return;
    seen.add(digest);
    const path = [...above, digest];
    if (isManifest(descriptor)) candidates.push({ path, platform: descriptor.platform ?? undefined });
    if (!isIndex(descriptor)) return;
    if (path.length > nestingMax) throw invalidImage(digest, `is an index more than ${nestingMax} levels deep`);
    const { manifests } = parseDocument(indexSchema, await read(digest, `index ${digest}`), `index ${digest}`);
    for (const child of manifests) await visit(child, path);
  }

  if (!isManifest(target) && !isIndex(target)) {
    throw invalidImage(target.digest, `is of type ${quoted(target.mediaType)}, and no image`);
  }
  await visit(target, []);
  return candidates;
}

const digestOf = ({ path }: Candidate): string => path.at(-1) ?? '';

async function load(target: Target, candidate: Candidate, read: ReadDocument): Promise<ResolvedImage> {
  const { path, platform } = candidate;
  const digest = digestOf(candidate);
  const manifest = parseDocument(manifestSchema, await read(digest, `manifest ${digest}`), `manifest ${digest}`);
  const where = `config ${manifest.config.digest}`;
  const config = parseDocument(configSchema, await read(manifest.config.digest, where), where);
  const layers = manifest.layers.length;
  const diffIds = config.rootfs.diff_ids.length;
  if (layers !== diffIds) throw invalidImage(`manifest ${digest}`, `has ${layers} layers, and its config ${diffIds}`);
  if (layers > layersMax)
    throw invalidImage(`manifest ${digest}`, `has ${layers} layers; overlayfs takes ${layersMax}`);
  return { target, path, manifest, config, platform: platform ?? platformOf(config) };
}

/** Images made by hand often say nothing: those are taken to be for this machine. */
function platformOf({ os, architecture, variant }: Config): Platform {
  const [hostOs = '', hostArchitecture = ''] = hostPlatform.split('/');
  return { os: os || hostOs, architecture: architecture || hostArchitecture, variant };
}
