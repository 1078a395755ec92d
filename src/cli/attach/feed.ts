/** What is typed, or comes by a pipe, goes on to who reads it when they like; the keys to leave it are heard also while they do not. */
import type { KeyWatch } from './detach-keys.ts';

/** In bytes: beyond what they have yet to read, no more is taken. */
const MOST_WAITING = 1 << 20;
/** How long what was typed before the keys has to get there. */
const PARTING_MS = 100;

export interface Feed {
  /** Undefined: there is no more, or no more is wanted. */
  read(): Promise<Uint8Array | undefined>;
  /** Resolves when it is written. False: nobody reads it any more. */
  write(bytes: Uint8Array): Promise<boolean>;
  keys: KeyWatch;
}

/** `ended`: there was no more; all of it has been written. `left`: the keys were typed. `unread`: nobody reads it any more. */
export async function feed({ read, write, keys }: Feed): Promise<'ended' | 'left' | 'unread'> {
  let waiting = 0;
  let isRead = true;
  let written: Promise<void> = Promise.resolve();
  const pass = (bytes: Uint8Array): void => {
    waiting += bytes.length;
    written = written.then(async () => {
      if (isRead && bytes.length > 0) isRead = await write(bytes);
      waiting -= bytes.length;
    });
    written.catch(() => {}); // awaited below
  };
  while (isRead) {
    const piece = await read();
    if (piece === undefined) {
      pass(keys.rest());
      await written;
      return 'ended';
    }
    const { passed, areTyped } = keys.take(piece);
    pass(passed);
    if (areTyped) {
      await Promise.race([written, Bun.sleep(PARTING_MS)]);
      return 'left';
    }
    if (waiting > MOST_WAITING) await written;
  }
  return 'unread';
}
