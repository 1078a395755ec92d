import { durationMs, LONGEST_MS } from '../kernel/duration.ts';
import { KukeError } from '../kernel/errors.ts';

/** Milliseconds of `10`, `10s`, `1.5m`, `500ms`, `1h`; a bare number is seconds. Throws Usage that names `flag`. */
export function parseDuration(text: string, flag: string): number {
  const ms = durationMs(text);
  if (ms === undefined) throw new KukeError('Usage', `${flag}: \`${text}\` is not a time such as 10s, 500ms or 5m`);
  if (ms > LONGEST_MS) throw new KukeError('Usage', `${flag}: \`${text.slice(0, 20)}\` is longer than 24 days`);
  return ms;
}
