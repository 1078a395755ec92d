/** Which fields of a manifest are nobody else's business. */

const SECRET = /^(env|args|command)$|passw(or)?d|token|secret|credential/i;

/**
 * By its name: `env`, `args` and `command` (nobody can tell whether `DATABASE_URL=...` has a password in it), and what has a word such as
 * `registryCredentials`.
 */
export const isSecretField = (name: string): boolean => SECRET.test(name);

/** The same value, with what stands in such fields left out. */
export function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, isSecretField(key) ? HIDDEN : withoutSecrets(item)]),
  );
}

/** Stands in for what is not told. */
export const HIDDEN = '(not told)';
