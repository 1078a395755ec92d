/** A place in a text that is read from left to right, and what is wrong there. */
import { KukeError } from '../../../kernel/errors.ts';

export interface Cursor {
  readonly at: number;
  readonly isAtEnd: boolean;
  /** Takes what the pattern matches here; undefined: it does not. The pattern is sticky (`/.../y`). */
  take(pattern: RegExp): string | undefined;
  skipSpace(): void;
  /** For `throw`. */
  fault(message: string, at?: number): KukeError;
}

/** `what` names the text in errors: `-o jsonpath`. */
export function cursorOn(text: string, what: string): Cursor {
  let at = 0;
  const cursor: Cursor = {
    get at() {
      return at;
    },
    get isAtEnd() {
      return at >= text.length;
    },
    take(pattern) {
      pattern.lastIndex = at;
      const [found] = pattern.exec(text) ?? [];
      at += found?.length ?? 0;
      return found;
    },
    skipSpace() {
      cursor.take(/\s*/y);
    },
    fault(message, place = at) {
      const before = text.slice(0, place).split('\n');
      const column = (before.at(-1)?.length ?? 0) + 1;
      const where = before.length > 1 ? `line ${before.length}, column ${column}` : `column ${column}`;
      const rest = text.slice(place, place + 20).split('\n')[0] ?? '';
      return new KukeError(
        'Usage',
        `${what}: ${where}${rest === '' ? ', at the end' : `, at \`${rest}\``}: ${message}`,
        {
          remedy: 'it is written as for kubectl, e.g. \'{range .items[*]}{.metadata.name}{"\\n"}{end}\'',
        },
      );
    },
  };
  return cursor;
}
