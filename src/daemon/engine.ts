/** What the daemon works with: kernels, and what runs their plans. Given to it by src/main.ts, which knows where they come from. */
import type { Journal } from '../kernel/journal.ts';
import type { Kernel } from '../kernel/registry.ts';

export interface Engine {
  /** A kernel of its own for whoever asks: a change, or all that reads. */
  open(options?: OpenOptions): Promise<Kernel>;
  journal(): Journal;
  /** How long a change waits for the lock. */
  lockTimeoutMs: number;
}

export interface OpenOptions {
  /** A third party's plugin that fails is a warning. */
  reads?: boolean;
  isDryRun?: boolean;
  /** `backend:images` and the like; absent: all. */
  needs?: string[];
}
