/** Credentials from Docker's `~/.docker/config.json`. */
import type { CredentialsOf } from './credentials.ts';

export interface DockerConfig {
  credentials: CredentialsOf;
}

/** Reads `$DOCKER_CONFIG/config.json`, or `~/.docker/config.json`. No file: no credentials. A malformed one: RegistryError `configuration`. */
export function readDockerConfig(_path?: string): DockerConfig {
  throw new Error('not written yet');
}
