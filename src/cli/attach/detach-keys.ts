/** The keys by which a person leaves what runs, in Docker's words: `ctrl-p,ctrl-q`. */
import { KukeError } from '../../kernel/errors.ts';

export const DETACH_KEYS = 'ctrl-p,ctrl-q';

const MOST = 16;

/** `ctrl-` and one of `a-z @ [ \ ] ^ _`, or a character; several, with commas between. `none`, or nothing: there are none. Throws Usage. */
export function parseDetachKeys(text: string): Uint8Array {
  if (text === '' || text === 'none') return new Uint8Array();
  const keys = text.split(',').map(key => {
    if (/^[\x21-\x7e]$/.test(key)) return key.charCodeAt(0);
    const [, control] = /^ctrl-([a-z@[\\\]^_])$/i.exec(key) ?? [];
    if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f;
    const remedy = 'give keys such as `ctrl-p,ctrl-q`, `ctrl-]` or `~,.`; or `none`';
    throw new KukeError('Usage', `--detach-keys: \`${key}\` is no key`, { remedy });
  });
  if (keys.length > MOST) throw new KukeError('Usage', `--detach-keys: more than ${MOST} keys`);
  return Uint8Array.from(keys);
}

export interface KeyWatch {
  /** What is to go on, of what was typed: what may be the beginning of the keys waits for the next. */
  take(typed: Uint8Array): { passed: Uint8Array; areTyped: boolean };
  /** What waits still. */
  rest(): Uint8Array;
}

/** Looks for them in what is typed, in however small pieces it comes. */
export function watchKeys(keys: Uint8Array): KeyWatch {
  const waiting: number[] = [];
  const begins = () => waiting.every((byte, index) => byte === keys[index]);
  return {
    take(typed) {
      if (keys.length === 0) return { passed: typed, areTyped: false };
      const passed: number[] = [];
      for (const byte of typed) {
        waiting.push(byte);
        while (!begins()) passed.push(...waiting.splice(0, 1));
        if (waiting.length === keys.length) return { passed: Uint8Array.from(passed), areTyped: true };
      }
      return { passed: Uint8Array.from(passed), areTyped: false };
    },
    rest: () => Uint8Array.from(waiting.splice(0)),
  };
}
