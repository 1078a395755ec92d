/** Typed hooks: who tapped, how long it may take, and what its failure means (design.md, Plugins). */
import { createHooks } from 'hookable';
import { asKukeError, KukeError } from './errors.ts';
import type { KukeHooks } from './extensible.ts';
import { watch } from './watchdog.ts';

export type HookName = keyof KukeHooks;

/** Taps that come before a change fail it; these are only heard, and their failure is reported as a warning. */
const observing: ReadonlySet<HookName> = new Set<HookName>([
  'step:after',
  'undo:before',
  'undo:after',
  'event',
  'repair:before',
  'shutdown',
]);

/** Nor does one of these fail anything: what it could not tell is its caller's to say. */
const asking: ReadonlySet<HookName> = new Set<HookName>(['doctor']);

export interface Hooks {
  /** Returns the inverse. Taps run one after another, in the order of registration. */
  tap<N extends HookName>(owner: string, name: N, fn: KukeHooks[N], options?: TapOptions): () => void;
  /** Returns what taps that were asked have failed with. */
  call<N extends HookName>(name: N, ...args: Parameters<KukeHooks[N]>): Promise<KukeError[]>;
}

export interface TapOptions {
  /** A third party's: it is watched, for it may loop. */
  watched?: boolean;
}

export interface HookOptions {
  /** Milliseconds a tap may take. */
  timeLimitMs: number;
  warn(message: string): void;
}

export function makeHooks(options: HookOptions): Hooks {
  const hooks = createHooks<Record<string, (failures: KukeError[], ...args: unknown[]) => void | Promise<void>>>();
  return {
    tap: (owner, name, fn, { watched = false } = {}) =>
      hooks.hook(name, async (failures, ...args) => {
        const step = `hook ${name} of plugin ${owner}`;
        try {
          await withTimeLimit(
            () => Reflect.apply(fn, undefined, args),
            options.timeLimitMs,
            watched ? step : undefined,
          );
        } catch (thrown) {
          const error = asKukeError(thrown, 'PluginFailed', { step });
          if (asking.has(name)) failures.push(error);
          else if (observing.has(name)) options.warn(`${step}: ${error.message}`);
          else throw error;
        }
      }),
    call: async (name, ...args) => {
      const failures: KukeError[] = [];
      await hooks.callHook(name, failures, ...args);
      return failures;
    },
  };
}

/** Rejects with PluginFailed after `ms`; what runs on is no longer waited for. `watched` names it to the watchdog. */
export async function withTimeLimit<T>(run: () => T | Promise<T>, ms: number, watched?: string): Promise<T> {
  const unwatch = watched === undefined ? undefined : watch(watched, ms);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new KukeError('PluginFailed', `no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([Promise.resolve(run()), limit]);
  } finally {
    clearTimeout(timer);
    unwatch?.();
  }
}
