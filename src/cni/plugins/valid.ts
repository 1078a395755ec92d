/** What is wrong with what a caller has given, as the error of its kind. */
import { FormatError } from '../json.ts';
import { type ErrorName, PluginError } from './plugin-error.ts';

/** What `read` returns. Throws PluginError `name` where it says, by FormatError or RangeError, that the value is none. */
export function valid<T>(name: ErrorName, read: () => T, prefix = ''): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof RangeError)) throw error;
    throw new PluginError(name, `${prefix}${error.message}`, '', error);
  }
}
