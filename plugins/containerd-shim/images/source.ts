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
  let abandoned: { error: unknown } | undefined;
  let interrupt: (error: unknown) => void = () => {};

  function abandon(error: unknown): void {
    abandoned ??= { error };
    interrupt(error);
  }

  // Not Promise.race: a promise that lives long would hold on to all that it was raced against, chunks included.
  function next(iterator: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    return new Promise((resolve, reject) => {
      if (abandoned !== undefined) return reject(abandoned.error);
      interrupt = reject;
      iterator.next().then(resolve, reject);
    });
  }

  async function* read(): AsyncGenerator<Uint8Array, void> {
    const iterator = source[Symbol.asyncIterator]();
    try {
      for (let result = await next(iterator); result.done !== true; result = await next(iterator)) {
        if (result.value.length > 0) yield result.value;
      }
    } catch (error) {
      failed = { error };
      throw error;
    } finally {
      iterator.return?.().catch(() => {});
    }
  }

  const abort = () => abandon(cancellation(signal));
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true, signal: stopped.signal });
  return {
    [Symbol.asyncIterator]: read,
    failure: () => failed?.error,
    stop() {
      stopped.abort();
      abandon(new Error('no longer read'));
    },
  };
}
