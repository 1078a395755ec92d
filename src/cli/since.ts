/** `--since` of logs and events. */
import { pastTime } from '../kernel/duration.ts';
import { KukeError } from '../kernel/errors.ts';

/** In milliseconds since 1970; undefined where the flag is not given. */
export function sinceTime(given: string | undefined): number | undefined {
  const time = given === undefined ? undefined : pastTime(given, Date.now());
  if (given === undefined || time !== undefined) return time;
  const remedy = 'give how long ago, such as 5m or 2h, or a time such as 2026-11-22T08:00:00Z';
  throw new KukeError('Usage', `--since: \`${given}\` is no time`, { remedy });
}
