/** Which of an index's images runs on this machine (OCI image-spec, image-index.md; variants as containerd normalises them). */

export interface Platform {
  os: string;
  architecture: string;
  variant?: string | undefined;
}

// What Node calls an architecture, in Go's words, with the variants that mean the plain one.
const architectures: Partial<Record<NodeJS.Architecture, { architecture: string; variants: string[] }>> = {
  x64: { architecture: 'amd64', variants: ['', 'v1'] },
  arm64: { architecture: 'arm64', variants: ['v8', ''] },
};

const here = architectures[process.arch] ?? { architecture: process.arch, variants: [''] };

/** `linux/amd64` */
export const hostPlatform = formatPlatform({ os: 'linux', architecture: here.architecture });

/** How well an image for `platform` suits this machine, 0 the best; undefined: it does not run here. */
export function suitability({ os, architecture, variant = '' }: Platform): number | undefined {
  if (os !== 'linux' || architecture !== here.architecture) return undefined;
  const rank = here.variants.indexOf(variant);
  return rank < 0 ? undefined : rank;
}

/** `linux/arm64/v8` */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter(part => part !== undefined && part !== '').join('/');
}

/** The one that suits this machine best, the first of equals; undefined if none does. */
export function mostSuitable<T>(candidates: readonly T[], platformOf: (candidate: T) => Platform): T | undefined {
  let best: { candidate: T; rank: number } | undefined;
  for (const candidate of candidates) {
    const rank = suitability(platformOf(candidate));
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { candidate, rank };
  }
  return best?.candidate;
}
