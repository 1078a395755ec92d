/** JSON from outside (plugin output, conflist and cache files): parsed and checked against a schema, or refused with a reason. */
import * as v from 'valibot';
import { isObject, type JsonObject } from './json-object.ts';
import { exactKeys } from './key-case.ts';

export { isObject, type JsonObject };

/** Text that is not the JSON it should be. `line` (from 1) is known for most syntax errors, never for a wrong value. */
export class FormatError extends Error {
  override readonly name = 'FormatError';
  readonly line: number | undefined;

  constructor(message: string, line?: number) {
    super(message);
    this.line = line;
  }
}

/** Any JSON object; those of valibot's own schemas take arrays too. */
export const object = v.custom<JsonObject>(isObject, 'must be an object');

/** Parses a whole JSON text. Throws FormatError, also for nesting that is too deep for the parser. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^JSON Parse error: /, '') : String(error);
    throw new FormatError(text.trim() === '' ? 'the text is empty' : `not JSON: ${reason}`, errorLine(text));
  }
}

/**
 * Checks a value against a schema and returns the schema's output; keys may be in any case, as in Go. Throws FormatError, which names
 * every field at fault; `at` is the path of the value in its document.
 */
export function conform<S extends v.GenericSchema>(schema: S, value: unknown, at = ''): v.InferOutput<S> {
  const checked = v.safeParse(schema, exactKeys(schema, value));
  if (checked.success) return checked.output;
  const faults = checked.issues.map(issue => {
    const path = [at, v.getDotPath(issue)].filter(Boolean).join('.');
    const fault = issue.received === 'undefined' ? 'is missing' : issue.message;
    return path === '' ? fault : `${path}: ${fault}`;
  });
  throw new FormatError(faults.join('; '));
}

// JSON.parse tells no position. The JavaScript parser does, and what is no JSON is seldom an expression; nothing is evaluated.
function errorLine(text: string): number | undefined {
  try {
    new Bun.Transpiler({ loader: 'js' }).transformSync(`(${text}\n)`);
  } catch (error) {
    const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
    if (first instanceof BuildMessage && first.position) return Math.min(first.position.line, text.split('\n').length);
  }
  return undefined;
}
