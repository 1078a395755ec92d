/** A registry's failures as kuke's, in its own words. */
import { type ErrorCode, KukeError } from 'kuke/plugin';
import { RegistryError, type RegistryErrorCode } from '../../../src/registry/index.ts';

// Every other one is RegistryFailed.
const codes: Partial<Record<RegistryErrorCode, ErrorCode>> = {
  'not-found': 'ImageNotFound',
  corrupt: 'InvalidImage',
  unsupported: 'InvalidImage',
};

const remedies: Record<RegistryErrorCode, string> = {
  unreachable: 'see that the registry can be reached from here, then try again',
  untrusted: 'name its CA in /etc/containerd/certs.d/HOST/hosts.toml',
  unauthorized: 'name credentials for it: registryCredentials of the realm, or `docker login`',
  'not-found': 'see that name and tag are right; some registries say so, too, to who may not read it',
  'rate-limited': 'wait for a while, or name credentials for it: registryCredentials of the realm',
  'server-failed': 'try again later',
  refused: 'see that this is a registry',
  corrupt: 'try again; if it stays so, the registry, or a proxy before it, is damaged',
  unsupported: 'have it built anew: this is no image of today',
  configuration: 'mend what it names, then try again',
};

/** Undefined: it is another's. */
export function asRegistryFailure(thrown: unknown): KukeError | undefined {
  if (!(thrown instanceof RegistryError)) return undefined;
  const { server, reference, step, remedy = remedies[thrown.code] } = thrown.details;
  // The image's name, which names its registry, is the caller's to say.
  const isMirror = server !== undefined && reference?.startsWith(`${server}/`) !== true;
  const words = [...(isMirror ? [server] : []), ...(step === undefined ? [] : [step]), thrown.fault].join(': ');
  return new KukeError(codes[thrown.code] ?? 'RegistryFailed', words, { remedy, cause: thrown });
}
