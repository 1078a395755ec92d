/** Chain ids: under which name the file system of an image's first n layers is held (OCI image-spec, config.md "Layer ChainID"). */

/** One for each layer, the last of which is the image's whole file system; empty for an image without layers. */
export function chainIds(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    const id =
      below === undefined
        ? diffId
        : `sha256:${new Bun.CryptoHasher('sha256').update(`${below} ${diffId}`).digest('hex')}`;
    chain.push(id);
  }
  return chain;
}
