/** What tells of changes, so that who watches need not ask again and again. */
import type { ContainerParams } from './runtime.ts';

/** Of one container: its first process has ended, or something else is new with it. */
export interface ContainerChange extends ContainerParams {
  what: 'ended' | 'other';
}

export interface Watchable {
  /**
   * From when it resolves until `signal` aborts, `changed` is called soon after each change of what `observe` and `list` would say. It means
   * "look again" (design.md, idea 4), and may be called for nothing; where it is known what of, that is `at`. Absent: changes are not seen.
   */
  watch?(changed: (at?: ContainerChange) => void, signal: AbortSignal): Promise<void>;
}
