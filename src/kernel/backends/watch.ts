/** What tells of changes, so that who watches need not ask again and again. */
export interface Watchable {
  /**
   * From when it resolves until `signal` aborts, `changed` is called soon after each change of what `observe` and `list` would say. It does
   * not say of what, and may be called for nothing: it means "look again" (design.md, idea 4). Absent: changes are not seen.
   */
  watch?(changed: () => void, signal: AbortSignal): Promise<void>;
}
