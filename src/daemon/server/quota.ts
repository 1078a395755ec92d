/** Counts what is in use, of all users and of each. */

export interface Quota {
  /** Takes so much; undefined: there is no more. What is returned gives it back; done twice, it does nothing. */
  take(uid: number, amount?: number): (() => void) | undefined;
  readonly used: number;
}

export function makeQuota(all: number, perUser = all): Quota {
  let used = 0;
  const byUser = new Map<number, number>();
  return {
    get used() {
      return used;
    },
    take(uid, amount = 1) {
      const own = byUser.get(uid) ?? 0;
      if (used + amount > all || own + amount > perUser) return undefined;
      used += amount;
      byUser.set(uid, own + amount);
      let isHeld = true;
      return () => {
        if (!isHeld) return;
        isHeld = false;
        used -= amount;
        const left = (byUser.get(uid) ?? 0) - amount;
        if (left > 0) byUser.set(uid, left);
        else byUser.delete(uid);
      };
    },
  };
}
