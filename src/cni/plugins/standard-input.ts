/** Standard input of a plugin: bounded, and given up when a signal comes. */
import { PluginError } from './plugin-error.ts';

/** A GC of 50,000 attachments fits. */
const LIMIT = 16 << 20;

/** What has been read. */
export interface Input {
  text: string;
  decoder: TextDecoder; // Buffer takes longer to load than all this
  /** There is no more. */
  isWhole?: boolean;
}

/** All of it, as UTF-8, behind what has been read. Rejects with PluginError, and with the signal's reason when that aborts. */
export async function readInput(
  signal?: AbortSignal,
  read: Input = { text: '', decoder: new TextDecoder() },
): Promise<string> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  aborted.catch(() => {});
  signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  try {
    const reader = Bun.stdin.stream().getReader();
    for (;;) {
      const { value } = await Promise.race([reader.read(), aborted]);
      if (!append(read, value)) throw new PluginError('DecodingFailure', 'standard input is larger than 16 MiB');
      if (value === undefined) return read.text;
    }
  } catch (error) {
    if (error instanceof PluginError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new PluginError('IoFailure', 'standard input cannot be read', reason, error);
  }
}

/** Adds a piece, or the end: undefined, or an empty one. False if that is too much. */
export function append(read: Input, piece?: Uint8Array): boolean {
  const isEnd = piece === undefined || piece.length === 0;
  read.text += isEnd ? read.decoder.decode() : read.decoder.decode(piece, { stream: true });
  return read.text.length <= LIMIT;
}
