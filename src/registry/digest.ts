/** sha256 digests (image-spec, descriptor.md): the one algorithm that registries use. */
import { RegistryError } from './errors.ts';

export const isDigest = (text: string) => /^sha256:[a-f0-9]{64}$/.test(text);

export const digestOf = (content: Uint8Array) =>
  `sha256:${new Bun.CryptoHasher('sha256').update(content).digest('hex')}`;

/** `sha256:0123456789ab`, for people. */
export const shortDigest = (digest: string) => digest.slice(0, 'sha256:'.length + 12);

/** Throws RegistryError `corrupt`. Another download may give the right bytes. */
export function checkDigest(wanted: string, found: string): void {
  if (wanted === found) return;
  throw new RegistryError(
    'corrupt',
    `its content has the digest ${found}, not ${wanted}: it was changed there or on the way`,
    {
      transient: true,
    },
  );
}
