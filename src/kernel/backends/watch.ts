/** What tells of changes, so that who watches need not ask again and again. */
import type { ContainerParams } from './runtime.ts';

/** Of one container: its first process has ended, or something else is new with it. */
export interface ContainerChange extends ContainerParams {
  what: 'ended' | 'other';
}

/** Of the runtime itself: it does not answer any more, or does again. What happened meanwhile nobody has told. */
export interface Availability {
  what: 'away' | 'back';
}

export interface Watchable {
  /**
   * From when it resolves until `signal` aborts, `changed` is called soon after each change of what `observe` and `list` would say. It means
   * "look again" (design.md, idea 4), and may be called for nothing; where it is known what of, that is `at`. One that is away already says so.
   * Absent: changes are not seen.
   */
  watch?(changed: (at?: ContainerChange | Availability) => void, signal: AbortSignal): Promise<void>;
}
