/** How long a client puts up with a server: backoff with jitter, Retry-After, silence. */
import { RegistryError } from './errors.ts';

export interface Timing {
  /** Milliseconds without a byte after which a connection counts as dead. */
  silence: number;
  /** Milliseconds before the first retry; doubled by each, with jitter. */
  backoff: number;
  /** The most milliseconds between two attempts, by doubling. */
  longestBackoff: number;
  /** Retries after the first attempt; bytes that arrive give all of them back. */
  retries: number;
  /** The longest Retry-After in milliseconds that is waited for; a longer one ends it at once. */
  longestWait: number;
}

export const defaultTiming: Timing = {
  silence: 30_000,
  backoff: 250,
  longestBackoff: 10_000,
  retries: 5,
  longestWait: 60_000,
};

/** The retries that are left for one thing that is wanted from one host. */
export class Patience {
  readonly #timing: Timing;
  readonly #signal: AbortSignal;
  readonly #log: (line: string) => void;
  #used = 0;
  /** By performance.now(): when the attempt began, or last went on. */
  #since = performance.now();

  constructor(timing: Timing, signal: AbortSignal, log: (line: string) => void) {
    this.#timing = timing;
    this.#signal = signal;
    this.#log = log;
  }

  /** Waits until it is time for another attempt. Throws `error` where none would help or is left, and the signal's reason. */
  async afterwards(error: unknown): Promise<void> {
    this.#signal.throwIfAborted();
    if (!(error instanceof RegistryError) || error.details.transient !== true) throw error;
    const { backoff, longestBackoff, retries, longestWait } = this.#timing;
    const asked = error.details.retryAfter ?? 0;
    if (this.#used >= retries || asked > longestWait) throw error;
    const step = Math.min(backoff * 2 ** this.#used, longestBackoff);
    const wait = Math.max(asked, step * (0.5 + Math.random() / 2));
    // Silence is dear: a host that swallows every packet is asked three times, not six.
    this.#used += performance.now() - this.#since >= this.#timing.silence ? 3 : 1;
    this.#log(`${error.message}; again in ${(wait / 1000).toFixed(1)} s`);
    await pause(wait, this.#signal);
    this.#since = performance.now();
  }

  /** It went on. */
  restore(): void {
    this.#used = 0;
    this.#since = performance.now();
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = () => resolve();
  const timer = setTimeout(done, milliseconds);
  signal.addEventListener('abort', done);
  await promise;
  clearTimeout(timer);
  signal.removeEventListener('abort', done);
  signal.throwIfAborted();
}

/** Milliseconds that a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date); undefined where it says nothing. */
export function retryAfter(header: string | null, now = Date.now()): number | undefined {
  if (header === null) return undefined;
  const text = header.trim();
  const wait = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}
