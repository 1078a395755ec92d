/** How much is kept of what a container writes: `logs` of a container, and of the configuration for those that do not say. */
import * as v from 'valibot';
import { parseQuantity, QUANTITY_PATTERN } from './limits/quantity.ts';

export const LEAST_LOG = 64 * 1024;
const MOST_FILES = 1000;

const DEFAULTS = { maxSize: 10 * 2 ** 20, maxFiles: 5 };

const sizeFault = (given: string | number): string | undefined => {
  const parsed = parseQuantity(given);
  if ('fault' in parsed) return parsed.fault;
  if (parsed.value < LEAST_LOG) return 'must be at least 64Ki';
  return Number.isSafeInteger(Math.ceil(parsed.value)) ? undefined : 'must be a whole number below 2^53';
};

export const logLimits = v.strictObject({
  maxSize: v.exactOptional(
    v.pipe(
      v.union([v.string(), v.number()], 'must be a quantity, such as 10Mi'),
      v.check(
        given => sizeFault(given) === undefined,
        issue => sizeFault(issue.input) ?? '',
      ),
      v.metadata({ kuke: { pattern: QUANTITY_PATTERN } }),
      v.description('the most that a file of its log holds before kukeond begins the next (10Mi)'),
    ),
  ),
  maxFiles: v.exactOptional(
    v.pipe(
      v.number('must be a whole number'),
      v.integer('must be a whole number'),
      v.minValue(1, 'must be at least 1'),
      v.maxValue(MOST_FILES, `must be at most ${MOST_FILES}`),
      v.description('how many files of its log are kept, the one that is written to among them (5)'),
    ),
  ),
});

export type LogLimits = v.InferOutput<typeof logLimits>;

/** In bytes and files: the first that says so counts. */
export function logRotation(...said: (LogLimits | undefined)[]): { maxSize: number; maxFiles: number } {
  const size = said.find(one => one?.maxSize !== undefined)?.maxSize;
  const parsed = size === undefined ? undefined : parseQuantity(size);
  return {
    maxSize: parsed !== undefined && 'value' in parsed ? Math.ceil(parsed.value) : DEFAULTS.maxSize,
    maxFiles: said.find(one => one?.maxFiles !== undefined)?.maxFiles ?? DEFAULTS.maxFiles,
  };
}
