/** Which of an index's images runs on this machine (OCI image-spec, image-index.md; variants as containerd normalises them). */

export interface Platform {
  os: string;
  architecture: string;
  variant?: string | undefined;
}

/** What an image is to run on: the variants that do, the best first. */
export interface Machine {
  /** `linux/arm64` */
  name: string;
  os: string;
  architecture: string;
  variants: string[];
}

/** Variants where nobody names one; of amd64 and arm64 the first two mean the plain one. */
const plainVariants: Record<string, string[]> = { amd64: ['', 'v1'], arm64: ['v8', ''], arm: ['v7', 'v6', 'v5', ''] };

/** What else people and kernels call an architecture, in Go's words. */
const synonyms: Record<string, string> = {
  x64: 'amd64',
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  ia32: '386',
  i386: '386',
  i686: '386',
  armhf: 'arm',
  ppc64el: 'ppc64le',
};

/** From `linux/arm64`, `arm64`, `linux/arm/v6`. Undefined: it is nothing like that. */
export function parseMachine(text: string): Machine | undefined {
  const parts = text.toLowerCase().split('/');
  if (parts.length > 3 || parts.some(part => !/^[a-z0-9_.-]+$/.test(part))) return undefined;
  const [os = '', said = '', variant] = parts.length === 1 ? ['linux', ...parts] : parts;
  const architecture = synonyms[said] ?? said;
  const plain = plainVariants[architecture] ?? [''];
  const variants = variant === undefined || (plain.includes(variant) && architecture !== 'arm') ? plain : [variant];
  return { name: formatPlatform({ os, architecture, variant }), os, architecture, variants };
}

const plainMachine = (architecture: string): Machine => {
  const variants = plainVariants[architecture] ?? [''];
  return { name: `linux/${architecture}`, os: 'linux', architecture, variants };
};

/** This one. */
export const host = plainMachine(synonyms[process.arch] ?? process.arch);

/** `linux/amd64` */
export const hostPlatform = host.name;

/** How well an image for `platform` suits a machine, 0 the best; undefined: it does not run there. */
export function suitability({ os, architecture, variant = '' }: Platform, machine = host): number | undefined {
  if (os !== machine.os || architecture !== machine.architecture) return undefined;
  const rank = machine.variants.indexOf(variant);
  return rank < 0 ? undefined : rank;
}

/** `linux/arm64/v8` */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter(part => part !== undefined && part !== '').join('/');
}

/** The one that suits a machine best, the first of equals; undefined if none does. */
export function mostSuitable<T>(
  candidates: readonly T[],
  platformOf: (candidate: T) => Platform,
  machine = host,
): T | undefined {
  let best: { candidate: T; rank: number } | undefined;
  for (const candidate of candidates) {
    const rank = suitability(platformOf(candidate), machine);
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { candidate, rank };
  }
  return best?.candidate;
}
