/** What a container was made from, as the label `kukeon.io/configuration` has it. */
import type { ContainerConfig } from 'kuke/plugin';

/** The same for the same configuration, in whatever order its keys stand. */
export function digestOf({ ready: _, ...config }: ContainerConfig): string {
  const sorted = (__: string, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return new Bun.CryptoHasher('sha256').update(JSON.stringify(config, sorted)).digest('hex');
}
