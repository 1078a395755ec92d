/**
 * A client of the OCI distribution protocol, for pulling (github.com/opencontainers/distribution-spec): tokens and basic auth, mirrors and
 * private CAs in containerd's layout, retries, resumed downloads, verified digests. Knows no kuke word and imports nobody.
 *
 *     const repository = openRepository('docker.io/library/nginx', { credentials, signal });
 *     const { descriptor, content } = await repository.resolve('alpine');
 *     for await (const chunk of repository.blob(layer)) await ingest.write(chunk);
 */
export type { Credentials, CredentialsOf } from './credentials.ts';
export { type DockerConfig, type DockerConfigOptions, readDockerConfig } from './docker-config.ts';
export { RegistryError, type RegistryErrorCode } from './errors.ts';
export { mediaTypes } from './media-types.ts';
export type { Timing } from './patience.ts';
export { openRepository } from './repository.ts';
export type { BlobOptions, Descriptor, Platform, RegistryOptions, Repository, Resolved } from './types.ts';
