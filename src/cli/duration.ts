import { KukeError } from '../kernel/errors.ts';

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** What a timer can hold: with more, it ends at once. */
const MAX_MS = 2 ** 31 - 1;

/** Milliseconds of `10`, `10s`, `1.5m`, `500ms`, `1h`; a bare number is seconds. Throws Usage that names `flag`. */
export function parseDuration(text: string, flag: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim());
  if (match === null) throw new KukeError('Usage', `${flag}: \`${text}\` is not a time such as 10s, 500ms or 5m`);
  const ms = Number(match[1]) * UNITS[(match[2] ?? 's') as keyof typeof UNITS];
  if (ms > MAX_MS) throw new KukeError('Usage', `${flag}: \`${text.slice(0, 20)}\` is longer than 24 days`);
  return ms;
}
