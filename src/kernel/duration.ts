/** Times as people write them: `10s`, `500ms`, `1.5m`, `1h`; a bare number is seconds. */
const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** What a timer can hold: with more, it ends at once. */
export const LONGEST_MS = 2 ** 31 - 1;

/** For `pattern` in the metadata of a field. */
export const DURATION_PATTERN = '^\\s*\\d+(?:\\.\\d+)?(?:ms|s|m|h)?\\s*$';

/** In milliseconds; undefined: it is no time. */
export function durationMs(given: string | number): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(String(given).trim());
  return match === null ? undefined : Number(match[1]) * UNITS[(match[2] ?? 's') as keyof typeof UNITS];
}

/** A day alone begins at midnight, UTC. */
const RFC_3339 = /^\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2}))?$/;

/** A time that has been, in milliseconds since 1970: so long before `now` (`5m`), or as RFC 3339 has it. Undefined: it is none. */
export function pastTime(given: string, now: number): number | undefined {
  const ago = durationMs(given);
  if (ago !== undefined) return now - ago;
  const time = RFC_3339.test(given.trim()) ? Date.parse(given.trim().replace(' ', 'T')) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}
