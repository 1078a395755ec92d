/** Typed hooks: who tapped, how long it may take, and what its failure means (design.md, Plugins). */
import { createHooks } from 'hookable';
import type { ContainerConfig } from './backends/index.ts';
import { asKukeError, KukeError } from './errors.ts';
import type { OciSpec } from './oci.ts';
import type { Plan } from './plan.ts';
import type { Manifest, ResourceRef } from './resource.ts';

/** Plugins add hooks of their own by declaration merging. */
export interface KukeHooks {
  /** Before validation: fill in what the manifest leaves out. Change `manifest` in place. */
  'manifest:default': (event: { manifest: Manifest }) => void | Promise<void>;
  /** After the schema: add to `issues` what else is wrong. */
  'manifest:validate': (event: {
    manifest: Manifest;
    issues: { path: string; message: string }[];
  }) => void | Promise<void>;
  /** A plan is complete and not yet journalled: add steps, or throw to refuse it. */
  'plan:made': (event: { plan: Plan }) => void | Promise<void>;
  /** A container is about to be created: change `spec` in place. */
  'container:spec': (event: { container: ContainerConfig; spec: OciSpec }) => void | Promise<void>;
  /** Before and after each operation of a plan. */
  'step:before': (event: StepEvent) => void | Promise<void>;
  'step:after': (event: StepEvent & { error?: KukeError }) => void | Promise<void>;
  /** What the host reports, see design.md idea 4. */
  event: (event: { resource: ResourceRef; what: string }) => void | Promise<void>;
  doctor: (event: {
    findings: { level: 'ok' | 'warning' | 'error'; what: string; remedy?: string }[];
  }) => void | Promise<void>;
  shutdown: () => void | Promise<void>;
}

export interface StepEvent {
  planId: string;
  stepId: string;
  type: string;
  params: unknown;
  resource?: string;
}

export type HookName = keyof KukeHooks;

/** Taps that come before a change fail it; the others are only heard, and their failure is reported as a warning. */
const observing: ReadonlySet<HookName> = new Set<HookName>(['step:after', 'event', 'doctor', 'shutdown']);

export interface Hooks {
  /** Returns the inverse. Taps run one after another, in the order of registration. */
  tap<N extends HookName>(owner: string, name: N, fn: KukeHooks[N]): () => void;
  call<N extends HookName>(name: N, ...args: Parameters<KukeHooks[N]>): Promise<void>;
}

export interface HookOptions {
  /** Milliseconds a tap may take. */
  timeLimitMs: number;
  warn(message: string): void;
}

export function makeHooks(options: HookOptions): Hooks {
  const hooks = createHooks<Record<string, (...args: unknown[]) => void | Promise<void>>>();
  return {
    tap: (owner, name, fn) =>
      hooks.hook(name, async (...args) => {
        try {
          await withTimeLimit(() => Reflect.apply(fn, undefined, args), options.timeLimitMs);
        } catch (thrown) {
          const step = `hook ${name} of plugin ${owner}`;
          if (!observing.has(name)) throw asKukeError(thrown, 'PluginFailed', { step });
          options.warn(`${step}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
        }
      }),
    call: async (name, ...args) => {
      await hooks.callHook(name, ...args);
    },
  };
}

/** Rejects with TimedOut after `ms`; what runs on is no longer waited for. */
export async function withTimeLimit<T>(run: () => T | Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new KukeError('PluginFailed', `no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([Promise.resolve(run()), limit]);
  } finally {
    clearTimeout(timer);
  }
}
