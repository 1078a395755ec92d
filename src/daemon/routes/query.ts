/** What stands in a query, as schemas: `?dryRun=true&timeout=10s`. */
import * as v from 'valibot';
import { durationMs, LONGEST_MS, pastTime } from '../../kernel/duration.ts';
import { asKukeError, KukeError } from '../../kernel/errors.ts';
import { nameFault } from '../../kernel/names.ts';
import { parseSelector, type Selector } from '../../kernel/selector.ts';

/** Undefined where it is not given. (Descriptions stand before what changes a value: a JSON Schema ends there.) */
export const flag = (description: string) =>
  v.exactOptional(
    v.pipe(
      v.picklist(['true', 'false'], 'must be `true` or `false`'),
      v.description(description),
      v.transform(word => word === 'true'),
    ),
  );

export const text = (description: string) => v.exactOptional(v.pipe(v.string(), v.description(description)));

/** Given once or several times. */
export const texts = (description: string) =>
  v.exactOptional(
    v.pipe(
      v.union([
        v.array(v.string()),
        v.pipe(
          v.string(),
          v.transform(one => [one]),
        ),
      ]),
      v.description(description),
    ),
  );

export const name = (description: string) =>
  v.exactOptional(
    v.pipe(
      v.string(),
      v.check(
        one => nameFault(one) === undefined,
        ({ input }) => `\`${input.slice(0, 80)}\` ${nameFault(input)}`,
      ),
      v.description(description),
    ),
  );

export const wholeNumber = (description: string, most: number, least = 0) =>
  v.exactOptional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,15}$/, 'must be a whole number'),
      v.description(description),
      v.transform(Number),
      v.minValue(least),
      v.maxValue(most),
    ),
  );

/** Milliseconds. */
export const duration = (description: string) =>
  v.exactOptional(
    v.pipe(
      v.string(),
      v.check(given => durationMs(given) !== undefined, 'must be a time such as 10s, 500ms or 5m'),
      v.description(description),
      v.transform(given => durationMs(given)),
      v.number(),
      v.maxValue(LONGEST_MS, 'must be less than 24 days'),
    ),
  );

/** Milliseconds since 1970. */
export const pastMoment = (description: string) =>
  v.exactOptional(
    v.pipe(
      v.string(),
      v.check(
        given => pastTime(given, Date.now()) !== undefined,
        'must be how long ago, such as 5m, or a time such as 2026-11-22T08:00:00Z',
      ),
      v.description(description),
      v.transform(given => pastTime(given, Date.now())),
      v.number(),
    ),
  );

export const labelSelector = v.exactOptional(
  v.pipe(
    v.string(),
    v.description('of labels: `a=b`, `a!=b`, `a`, `!a`; several with commas'),
    v.transform(readSelector),
  ),
);

function readSelector(given: string): Selector {
  try {
    return parseSelector(given);
  } catch (thrown) {
    const message = asKukeError(thrown).message.replace(/^-l: /, '');
    throw new KukeError('Usage', `query: labelSelector: ${message}`, { field: 'labelSelector', remedy: 'mend it' });
  }
}
