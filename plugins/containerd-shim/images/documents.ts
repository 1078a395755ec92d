/** The JSON documents of an image, all of them untrusted (OCI image-spec v1.1; Docker's Image Spec v1.2 and manifest.json). */
import { digestPattern } from 'kuke/plugin';
import * as v from 'valibot';
import { invalidImage } from './fault.ts';

/** Longest document that is read, in bytes; registries refuse manifests of more than 4 MiB. */
export const documentMax = 4 << 20;

const digest = v.pipe(v.string(), v.regex(digestPattern, 'must be a sha256 digest'));
const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
// Go writes an empty list, map or string as null, or leaves it out.
const list = <const T extends v.GenericSchema>(item: T) => v.nullish(v.array(item), () => []);
const map = v.nullish(v.record(v.string(), v.string()), () => ({}));
const text = v.nullish(v.string(), '');
// Docker's configs once had a lone string here.
const words = v.pipe(
  v.nullish(v.union([v.array(v.string()), v.string()]), () => []),
  v.transform(value => (typeof value === 'string' ? [value] : value)),
);
// Go's sets: names with nothing behind them.
const keys = v.pipe(
  v.nullish(v.record(v.string(), v.unknown()), () => ({})),
  v.transform(names => Object.keys(names)),
);
const platform = v.object({ os: text, architecture: text, variant: text });

const descriptor = v.object({
  mediaType: v.string(),
  digest,
  size,
  annotations: map,
  platform: v.nullish(platform),
});
export type Descriptor = v.InferOutput<typeof descriptor>;
/** What an image's name stands for: a manifest or an index. */
export type Target = Pick<Descriptor, 'mediaType' | 'digest' | 'size'>;

// A document that could be read as either is refused, as containerd does (CVE-2021-41190).
const notBoth = v.exactOptional(v.never('is in a document that is both an index and a manifest'));

export const indexSchema = v.object({ manifests: list(descriptor), config: notBoth, layers: notBoth });

export const manifestSchema = v.object({ config: descriptor, layers: list(descriptor), manifests: notBoth });
export type Manifest = v.InferOutput<typeof manifestSchema>;

export const configSchema = v.object({
  ...platform.entries,
  created: v.nullish(v.string()),
  config: v.nullish(
    v.object({
      Entrypoint: words,
      Cmd: words,
      Env: list(v.string()),
      User: text,
      WorkingDir: text,
      StopSignal: text,
      Labels: map,
      ExposedPorts: keys,
      Volumes: keys,
    }),
  ),
  rootfs: v.object({ diff_ids: list(digest) }),
});
export type Config = v.InferOutput<typeof configSchema>;

export const layoutSchema = v.object({ imageLayoutVersion: v.literal('1.0.0') });

/** Docker's manifest.json. */
export const dockerManifestSchema = v.array(
  v.object({ Config: v.string(), RepoTags: list(v.string()), Layers: list(v.string()) }),
);
export type DockerManifest = v.InferOutput<typeof dockerManifestSchema>[number];

export const dockerManifestType = 'application/vnd.docker.distribution.manifest.v2+json';
export const dockerConfigType = 'application/vnd.docker.container.image.v1+json';
const manifestTypes = ['application/vnd.oci.image.manifest.v1+json', dockerManifestType];
const indexTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];

export const isManifest = ({ mediaType }: Target) => manifestTypes.includes(mediaType);
export const isIndex = ({ mediaType }: Target) => indexTypes.includes(mediaType);

/** Throws InvalidImage that names the document, the field and what is wrong with it, or says that it is missing. */
export function parseDocument<const T extends v.GenericSchema>(
  schema: T,
  bytes: Uint8Array | undefined,
  where: string,
): v.InferOutput<T> {
  if (bytes === undefined) throw invalidImage(where, 'is missing');
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalidImage(where, `is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  const parsed = v.safeParse(schema, value, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const path = v.getDotPath(issue);
  throw invalidImage(path === null ? where : `${where}: ${path}`, issue.message);
}
