/** A stream of bytes from outside that can be abandoned at any time, even while it has nothing to say. */
import { asKukeError, type KukeError } from 'kuke/plugin';

/** Why `signal` aborted: its reason, if that is a KukeError (a time limit), else Cancelled. */
export function cancellation(signal: AbortSignal): KukeError {
  return asKukeError(signal.reason, 'Cancelled');
}

export interface WatchedSource extends AsyncIterable<Uint8Array> {
  /** What the source threw, or why it was abandoned; undefined as long as neither has happened. */
  failure(): unknown;
  /** Ends it; the source is asked to end, and not waited for. */
  stop(): void;
}

/** Reads `source` once. When `signal` aborts, reading fails at once. */
export function watchSource(source: AsyncIterable<Uint8Array>, signal: AbortSignal): WatchedSource {
  const stopped = new AbortController();
  let failed: { error: unknown } | undefined;
  const { promise: abandoned, reject } = Promise.withResolvers<never>();
  abandoned.catch(() => {});
  const abort = () => reject(cancellation(signal));

  async function* read(): AsyncGenerator<Uint8Array, void> {
    const iterator = source[Symbol.asyncIterator]();
    try {
      for (;;) {
        const result = await Promise.race([iterator.next(), abandoned]);
        if (result.done === true) return;
        if (result.value.length > 0) yield result.value;
      }
    } catch (error) {
      failed = { error };
      throw error;
    } finally {
      iterator.return?.().catch(() => {});
    }
  }

  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true, signal: stopped.signal });
  return {
    [Symbol.asyncIterator]: read,
    failure: () => failed?.error,
    stop() {
      stopped.abort();
      reject(new Error('no longer read'));
    },
  };
}
