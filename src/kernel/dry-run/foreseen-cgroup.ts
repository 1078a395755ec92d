import type { CgroupBackend, CgroupLimiting, CgroupObservation, LimitObservation } from '../backends/index.ts';

export function foreseenCgroup(real: CgroupBackend): Partial<CgroupBackend> {
  /** Undefined: removed. */
  const groups = new Map<string, CgroupObservation | undefined>();
  const given = new Map<string, Omit<CgroupLimiting, 'path'>>();
  const make = (path: string): void => {
    groups.set(path, { path, ours: true, populated: false, frozen: false });
  };
  const isBelow = (outer: string, path: string) => path === outer || path.startsWith(`${outer}/`);
  /** Removed, or within what was. */
  const isGone = (path: string) => [...groups].some(([other, group]) => group === undefined && isBelow(other, path));
  return {
    async create({ path }) {
      make(path);
    },
    async leaf({ path, limits }) {
      make(path);
      given.set(path, { limits });
    },
    async limit({ path, ...request }) {
      given.set(path, request);
    },
    async remove({ path }) {
      for (const known of [...groups.keys(), ...given.keys()]) {
        if (!isBelow(path, known)) continue;
        groups.delete(known);
        given.delete(known);
      }
      groups.set(path, undefined);
    },
    async observe(path, { isAbove = false } = {}) {
      const there = (await real.observe(path, { isAbove })).filter(
        group => !groups.has(group.path) && !isGone(group.path),
      );
      const made = [...groups.values()].filter(group => group !== undefined);
      const isMeant = (group: CgroupObservation) => isBelow(path, group.path) || (isAbove && isBelow(group.path, path));
      return [...there, ...made.filter(isMeant)].sort((a, b) => (a.path < b.path ? -1 : 1));
    },
    async asked(path) {
      return given.get(path)?.limits ?? (isGone(path) ? undefined : real.asked(path));
    },
    async limits(request) {
      const seen = await real.limits(request);
      const { limits, take = [] } = given.get(request.path) ?? {};
      if (limits === undefined || !Bun.deepEquals(limits, request.limits)) return seen;
      return seen.flatMap(one => asGiven(one, take.includes(one.field)));
    },
  };
}

/** As it is when `limit` is done. `isTaken`: whoever wrote it. */
function asGiven(one: LimitObservation, isTaken: boolean): LimitObservation[] {
  const { current: _, ...others } = one;
  const { asked, manual, due } = one;
  if (!due && !isTaken) return [one];
  if (asked === undefined) return manual && !isTaken ? [{ ...one, due: false }] : [];
  return [{ ...others, current: asked, manual: false, due: false }];
}
