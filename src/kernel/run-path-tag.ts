/**
 * 16 hexadecimal digits that stand for a run path (absolute, symbolic links resolved) below /run/kukeon, so that two installations on a
 * host have nothing there in common: `printf %s /opt/kukeon | sha256sum | cut -c1-16`.
 */
export function runPathTag(runPath: string): string {
  return new Bun.CryptoHasher('sha256').update(runPath).digest('hex').slice(0, 16);
}
