/** What a client logs in with. Never printed, never part of an error, never sent to another host than the one they are for. */

export type Credentials =
  | { username: string; password: string }
  /** A refresh token (docker's `identitytoken`), for token servers only. */
  | { identityToken: string };

/**
 * Credentials by server: the host, with its port if one is given, as in the image's name (`docker.io`, `registry.local:5000`), or the
 * mirror's, as in hosts.toml. Rejects with the signal's reason.
 */
export type CredentialsOf = (server: string, signal: AbortSignal) => Promise<Credentials | undefined>;

/** The value of Authorization (RFC 7617). */
export function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${base64(`${username}:${password}`)}`;
}

/** In what forms a server could repeat them. */
export function secretsOf(credentials: Credentials): string[] {
  if ('identityToken' in credentials) return [credentials.identityToken];
  const { username, password } = credentials;
  return [password, encodeURIComponent(password), base64(password), base64(`${username}:${password}`)];
}

const base64 = (text: string) => Buffer.from(text).toString('base64');
