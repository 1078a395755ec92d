/** What the suites of all backends ask in the same words. */
import { expect, setDefaultTimeout } from 'bun:test';
import type { ActionContext } from '../../src/kernel/backends/index.ts';
import { type ErrorCode, KukeError } from '../../src/kernel/errors.ts';

// What `eventually` waits for must be able to fail in its own words.
setDefaultTimeout(30_000);

/** What each suite's `make` gives besides: called once a test, and `cleanup` after it. */
export interface UnderTest {
  cleanup(): Promise<void>;
}

export function context(signal = new AbortController().signal): ActionContext {
  return { signal, progress: () => {} };
}

/** A context whose user has pressed Ctrl-C already. */
export const cancelled = (): ActionContext => context(AbortSignal.abort());

/** The KukeError that `work` fails with: one of `codes`, in words. */
export async function failure(work: Promise<unknown>, ...codes: ErrorCode[]): Promise<KukeError> {
  const outcome = await work.then(
    value => new Error(`it did not fail, but gave ${Bun.inspect(value)}`),
    (thrown: unknown) => thrown,
  );
  if (!(outcome instanceof KukeError)) throw outcome;
  if (codes.length > 0) expect(codes as string[]).toContain(outcome.code);
  expect(outcome.message).not.toBe('');
  return outcome;
}

/** By `isThere` the kernel knows what the undoing of an action may take away: never what was there before it. */
export async function saysWhatIsThere(
  isThere: () => Promise<boolean>,
  make: () => Promise<unknown>,
  unmake: () => Promise<unknown>,
): Promise<void> {
  for (let round = 1; round <= 2; round++) {
    expect(await isThere()).toBe(false);
    await make();
    expect(await isThere()).toBe(true);
    await make();
    expect(await isThere()).toBe(true);
    await unmake();
  }
  expect(await isThere()).toBe(false);
}

/** What breaks a command in which it is not quoted. */
export const HOSTILE = `it's (a "test") $(exit 9) \`exit 9\` ; & |`;

/** `explain` gave one or more lines that a POSIX shell can read. */
export function expectCommand(command: string): void {
  expect(command.trim()).not.toBe('');
  const { exitCode, stderr } = Bun.spawnSync(['sh', '-n', '-c', command]);
  expect({ command, exitCode, stderr: stderr.toString() }).toEqual({ command, exitCode: 0, stderr: '' });
}

/** The first value that `look` gives; for what a container does in its own time. */
export async function eventually<T>(look: () => Promise<T | undefined>, limitMs = 10_000): Promise<T> {
  const limit = Date.now() + limitMs;
  for (;;) {
    const began = Date.now();
    const value = await look();
    if (value !== undefined) return value;
    if (Date.now() > limit) throw new Error(`nothing within ${limitMs} ms`);
    // What is waited for has its share of the processor, too.
    await Bun.sleep(Math.min(200, Math.max(20, 2 * (Date.now() - began))));
  }
}
