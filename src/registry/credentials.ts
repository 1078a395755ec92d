/** What a client logs in with. Never printed, never part of an error, never sent to another host than the one they are for. */

export type Credentials =
  | { username: string; password: string }
  /** A refresh token (docker's `identitytoken`), for token servers only. */
  | { identityToken: string };

/**
 * Credentials by server: the host, with its port if one is given, as in the image's name (`docker.io`, `registry.local:5000`), or the
 * mirror's, as in hosts.toml.
 */
export type CredentialsOf = (server: string) => Promise<Credentials | undefined>;
