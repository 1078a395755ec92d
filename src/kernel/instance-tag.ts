/**
 * Four hexadecimal digits of an installation's id. Names of things that cannot carry a mark themselves, such as network namespaces,
 * begin their hash with it, so that two installations on a host tell theirs apart.
 */
export function instanceTag(instance: string): string {
  return new Bun.CryptoHasher('sha256').update(instance).digest('hex').slice(0, 4);
}
