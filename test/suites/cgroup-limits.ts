/** What every Cgroup backend must do about limits, on a host with all controllers as on one with none. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import type { CgroupBackend, LimitObservation } from '../../src/kernel/backends/index.ts';
import {
  eachLimit,
  type LimitField,
  type Limits,
  type LimitValue,
  limitsFrom,
} from '../../src/kernel/limits/limits.ts';
import type { CgroupUnderTest } from './cgroup.ts';
import { cancelled, context, expectCommand, failure, HOSTILE } from './contract.ts';

const MI = 2 ** 20;
/** What any host can have, in values that the kernel does not round; three of each. */
const VALUES: Partial<Record<LimitField, [LimitValue, LimitValue, LimitValue]>> = {
  'cpu.limit': [0.5, 0.25, 0.75],
  'cpu.weight': [200, 50, 300],
  'memory.limit': [64 * MI, 32 * MI, 48 * MI],
  'memory.high': [60 * MI, 30 * MI, 40 * MI],
  'memory.reservation': [8 * MI, 4 * MI, 2 * MI],
  'pids.limit': [100, 50, 75],
  'hugepages.2Mi': [64 * MI, 32 * MI, 2 * MI],
};
const FIELDS = Object.keys(VALUES) as LimitField[];
const some = (which: 0 | 1 | 2, fields: readonly LimitField[] = FIELDS): Limits =>
  limitsFrom(fields.map(field => [field, VALUES[field]?.[which] ?? 0] as const));

const byField = (seen: readonly LimitObservation[]) => new Map(seen.map(one => [one.field, one]));
const fieldsOf = (seen: readonly LimitObservation[]) => seen.map(({ field }) => field).sort();

export function cgroupLimitsSuite(name: string, make: () => Promise<CgroupUnderTest>): void {
  describe(`${name}: limits`, () => {
    const path = '/kukeon/main';
    let t: CgroupUnderTest;
    let cgroup: CgroupBackend;
    /** Those that this host enforces. */
    let enforced: LimitField[];
    beforeEach(async () => {
      t = await make();
      cgroup = t.backend;
      const seen = await cgroup.limits({ path, limits: some(0) });
      enforced = seen.filter(({ notEnforced }) => notEnforced === undefined).map(({ field }) => field);
      for (const group of ['/kukeon', path]) await cgroup.create({ path: group }, context());
    });
    afterEach(() => t.cleanup());

    const limit = (limits: Limits, at = path) => cgroup.limit({ path: at, limits }, context());
    const limits = async (asked: Limits, at = path) => byField(await cgroup.limits({ path: at, limits: asked }));
    const noted = async (asked: Limits): Promise<string[]> => {
      const notes: string[] = [];
      await cgroup.limit({ path, limits: asked }, { ...context(), note: message => notes.push(message) });
      return notes;
    };
    /** Each field has its value of `which`, and nothing is left to do. */
    const expectDone = async (which: 0 | 1 | 2) => {
      const seen = await limits(some(which));
      for (const field of FIELDS) {
        const { asked, current, due, manual } = seen.get(field) ?? {};
        expect({ field, asked, due, manual }).toEqual({
          field,
          asked: VALUES[field]?.[which],
          due: false,
          manual: false,
        });
        if (enforced.includes(field)) expect({ field, current }).toEqual({ field, current: VALUES[field]?.[which] });
      }
      expect(await cgroup.asked(path)).toEqual(some(which));
    };

    test('says of a group what it asks for and what the host cannot do, whether it is there or not', async () => {
      for (const at of [path, '/kukeon/lab', '/kukeon/lab/deep/down']) {
        const seen = await cgroup.limits({ path: at, limits: some(0) });
        expect(fieldsOf(seen)).toEqual(FIELDS.toSorted());
        for (const { field, asked, manual, due, notEnforced, fault, file } of seen) {
          const isEnforced = enforced.includes(field);
          expect({ field, asked, manual, due, fault }).toEqual({
            field,
            asked: VALUES[field]?.[0],
            manual: false,
            due: isEnforced,
            fault: undefined,
          });
          if (!isEnforced) expect(notEnforced).toContain(field === 'hugepages.2Mi' ? 'hugetlb' : field.split('.')[0]);
          expect(file).toMatch(/^\w+(\.\w+)+$/);
        }
        expect(await cgroup.limits({ path: at, limits: {} })).toEqual([]);
        expect(await cgroup.asked(at)).toBeUndefined();
      }
      expect((await t.groups('/kukeon')).sort()).toEqual(['/kukeon', path]);
    });

    test('are set, set again, changed and lifted', async () => {
      await limit(some(0));
      await expectDone(0);
      await limit(some(0));
      await expectDone(0);
      await limit(some(1));
      await expectDone(1);
      await limit(some(0));
      await expectDone(0);
      const lifted = await limits({});
      expect([...lifted.keys()].sort()).toEqual(enforced.toSorted());
      expect([...lifted.values()].map(({ due, manual }) => ({ due, manual }))).toEqual(
        enforced.map(() => ({ due: true, manual: false })),
      );
      await limit({});
      expect(await cgroup.limits({ path, limits: {} })).toEqual([]);
      expect(await cgroup.asked(path)).toBeUndefined();
      const anew = await limits(some(0));
      expect(
        [...anew.values()]
          .filter(({ due }) => due)
          .map(({ field }) => field)
          .sort(),
      ).toEqual(enforced.toSorted());
    });

    test('of one group are its own', async () => {
      await cgroup.create({ path: '/kukeon/lab' }, context());
      await cgroup.create({ path: `${path}/default` }, context());
      await limit(some(0));
      await limit(some(1), '/kukeon');
      await expectDone(0);
      for (const at of ['/kukeon/lab', `${path}/default`]) {
        expect(await cgroup.limits({ path: at, limits: {} })).toEqual([]);
        expect(await cgroup.asked(at)).toBeUndefined();
      }
      expect(await cgroup.asked('/kukeon')).toEqual(some(1));
    });

    test('that are taken out one by one are lifted one by one', async () => {
      await limit(some(0));
      for (const [i] of FIELDS.entries()) {
        const left = FIELDS.slice(i + 1);
        await limit(some(0, left));
        const seen = await cgroup.limits({ path, limits: some(0, left) });
        expect(fieldsOf(seen)).toEqual(left.toSorted());
        expect(seen.some(({ due }) => due)).toBe(false);
        expect(await cgroup.asked(path)).toEqual(left.length > 0 ? some(0, left) : undefined);
      }
    });

    test('that somebody wrote by hand stay, until the manifest asks for another value', async () => {
      await limit(some(0));
      for (const field of enforced) await t.setByHand(path, field, VALUES[field]?.[2]);
      const isManual = async (asked: Limits) => {
        const seen = await limits(asked);
        for (const field of enforced) {
          const { manual, current } = seen.get(field) ?? {};
          expect({ field, manual, current }).toEqual({ field, manual: true, current: VALUES[field]?.[2] });
        }
        return [...seen.values()].filter(({ due }) => due).map(one => one.field);
      };
      expect(await isManual(some(0))).toEqual([]);
      expect(await noted(some(0))).toEqual([]);
      expect(await isManual(some(0))).toEqual([]);
      expect((await isManual(some(1))).sort()).toEqual(enforced.toSorted());
      await limit(some(1));
      await expectDone(1);
    });

    test('that somebody wrote by hand stay when another one changes', async () => {
      await limit(some(0));
      for (const field of enforced) await t.setByHand(path, field, VALUES[field]?.[2]);
      const [first, ...others] = enforced;
      const asked = limitsFrom([
        ...eachLimit(some(0)).filter(([field]) => field !== first),
        ...eachLimit(some(1)).filter(([field]) => field === first),
      ]);
      await limit(asked);
      const seen = await limits(asked);
      if (first !== undefined)
        expect(seen.get(first)).toMatchObject({ manual: false, current: VALUES[first]?.[1] as LimitValue });
      for (const field of others) {
        expect(seen.get(field)).toMatchObject({ manual: true, due: false, current: VALUES[field]?.[2] as LimitValue });
      }
      expect([...seen.values()].some(({ due }) => due)).toBe(false);
    });

    test('that somebody wrote by hand stay when the manifest asks for none any more', async () => {
      await limit(some(0));
      for (const field of enforced) await t.setByHand(path, field, VALUES[field]?.[2]);
      await limit({});
      const seen = await cgroup.limits({ path, limits: {} });
      expect(fieldsOf(seen)).toEqual(enforced.toSorted());
      for (const { field, manual, due, current, asked } of seen) {
        expect({ manual, due, current, asked }).toEqual({
          manual: true,
          due: false,
          current: VALUES[field]?.[2] as LimitValue,
          asked: undefined,
        });
      }
      expect(await cgroup.asked(path)).toBeUndefined();
    });

    test('that somebody wrote by hand go when that is asked for, asked for before or not', async () => {
      for (const asked of [some(0), {}]) {
        await limit(some(0));
        for (const field of enforced) await t.setByHand(path, field, VALUES[field]?.[2]);
        await limit(asked);
        const request = { path, limits: {}, take: enforced };
        if (enforced.length > 0) expect(await cgroup.isThere('limit', request)).toBe(false);
        const notes: string[] = [];
        await cgroup.limit(request, { ...context(), note: message => notes.push(message) });
        expect(notes).toHaveLength(enforced.length);
        expect(await cgroup.limits({ path, limits: {} })).toEqual([]);
        expect(await cgroup.asked(path)).toBeUndefined();
      }
    });

    test('that nobody asked for are seen, and left alone by what is asked for', async () => {
      const [first, ...others] = enforced;
      if (first === undefined) return expect(await cgroup.limits({ path, limits: {} })).toEqual([]);
      await t.setByHand(path, first, VALUES[first]?.[2]);
      await limit(some(0, others));
      await limit({});
      const [seen, ...rest] = await cgroup.limits({ path, limits: {} });
      expect(rest).toEqual([]);
      expect(seen).toMatchObject({ field: first, manual: true, due: false, current: VALUES[first]?.[2] as LimitValue });
    });

    test.each<[LimitField, Limits]>([
      ['cpu.limit', { 'cpu.limit': 8192 }],
      ['cpu.cpuset', { 'cpu.cpuset': '8000-8001' }],
      ['memory.limit', { 'memory.limit': 2 ** 52 }],
      ['memory.high', { 'memory.high': 2 ** 52 }],
      ['memory.reservation', { 'memory.reservation': 2 ** 52 }],
      ['io.devices./dev/not there.readBps', { 'io.devices': { '/dev/not there': { readBps: MI } } }],
      ['hugepages.3Mi', { hugepages: { '3Mi': 64 * MI } }],
      ['hugepages.2Mi', { hugepages: { '2Mi': 2 ** 52 } }],
    ])('%s that this host cannot have changes nothing', async (field, wrong) => {
      await limit(some(0));
      const both = limitsFrom([...eachLimit(some(1, ['pids.limit', 'cpu.weight'])), ...eachLimit(wrong)]);
      const seen = await limits(both);
      expect(seen.get(field)).toMatchObject({ due: false, manual: false });
      expect(seen.get(field)?.fault).toMatch(/\w/);
      expect([...seen.values()].filter(({ fault }) => fault !== undefined)).toHaveLength(1);
      const error = await failure(limit(both), 'InvalidManifest');
      expect(error.message).toContain(seen.get(field)?.fault ?? '?');
      await expectDone(0);
      const leaf = `${path}/default`;
      await failure(cgroup.leaf({ path: leaf, limits: wrong, oomKills: 0 }, context()), 'InvalidManifest');
      expect(await t.groups(leaf)).toEqual([]);
    });

    test('are given to no group that is absent, or not ours', async () => {
      await failure(limit(some(0), '/kukeon/lab'), 'CgroupFailed');
      await t.foreign('/kukeon/lab');
      await failure(limit(some(0), '/kukeon/lab'), 'Conflict');
      await failure(cgroup.leaf({ path: '/kukeon/lab', limits: {}, oomKills: 0 }, context()), 'Conflict');
      await failure(cgroup.leaf({ path: '/kukeon/none/leaf', limits: {}, oomKills: 0 }, context()), 'CgroupFailed');
      expect((await t.groups('/kukeon')).sort()).toEqual(['/kukeon', '/kukeon/lab', path]);
      expect(await cgroup.asked('/kukeon/lab')).toBeUndefined();
      expect(await cgroup.asked('/kukeon/none')).toBeUndefined();
    });

    test('a container’s group is made with them, counts on, and goes', async () => {
      const leaf = `${path}/web`;
      const there = () => cgroup.isThere('leaf', { path: leaf, limits: {}, oomKills: 0 });
      expect(await there()).toBe(false);
      expect(await cgroup.oom(leaf)).toBeUndefined();
      for (const oomKills of [0, 3]) {
        await cgroup.leaf({ path: leaf, limits: some(0), oomKills }, context());
        expect(await there()).toBe(true);
        const counts = enforced.includes('memory.limit');
        expect(await cgroup.oom(leaf)).toEqual(counts ? { kills: oomKills } : undefined);
        expect((await cgroup.observe(leaf)).map(({ path: at, populated }) => ({ path: at, populated }))).toEqual([
          { path: leaf, populated: false },
        ]);
        const seen = await limits(some(0), leaf);
        for (const field of enforced)
          expect(seen.get(field)).toMatchObject({ current: VALUES[field]?.[0] as LimitValue, due: false });
        expect(await cgroup.asked(leaf)).toEqual(some(0));
      }
      await limit(some(1), leaf);
      expect(await cgroup.asked(leaf)).toEqual(some(1));
      await cgroup.leaf({ path: leaf, limits: {}, oomKills: 4 }, context());
      expect(await cgroup.limits({ path: leaf, limits: {} })).toEqual([]);
      await cgroup.remove({ path: leaf }, context());
      expect(await there()).toBe(false);
      expect(await cgroup.oom(leaf)).toBeUndefined();
      expect(await cgroup.asked(leaf)).toBeUndefined();
    });

    test('what groups use is read parents first, with the lowest limit above', async () => {
      await cgroup.create({ path: '/kukeon/lab' }, context());
      await cgroup.create({ path: `${path}/default` }, context());
      await limit(some(0), '/kukeon');
      await limit(some(1));
      const seen = await cgroup.usage('/kukeon');
      expect(seen.map(one => one.path).sort()).toEqual(['/kukeon', '/kukeon/lab', path, `${path}/default`]);
      expect(seen[0]?.path).toBe('/kukeon');
      const at = (one: string) => seen.find(group => group.path === one);
      const memory = enforced.includes('memory.limit');
      const pids = enforced.includes('pids.limit');
      for (const [group, which] of [
        ['/kukeon/lab', 0],
        [path, 1],
        [`${path}/default`, 1],
      ] as const) {
        expect(at(group)?.memory?.limit).toEqual(memory ? (VALUES['memory.limit']?.[which] as number) : undefined);
        expect(at(group)?.pids?.limit).toEqual(pids ? (VALUES['pids.limit']?.[which] as number) : undefined);
        if (pids) expect(at(group)?.pids?.current).toBe(0);
        expect(at(group)?.cpuUsec).toBe(0);
      }
      expect((await cgroup.usage(path)).map(one => one.path)).toEqual([path, `${path}/default`]);
      const brief = await cgroup.usage('/kukeon', { isBrief: true });
      expect(brief.map(one => one.path)).toEqual(seen.map(one => one.path));
      for (const one of brief) {
        const { memory, cpuUsec } = at(one.path) ?? {};
        expect(one).toMatchObject({ cpuUsec, ...(memory && { memory: { current: memory.current } }) });
        expect(Object.keys(one)).not.toContainAnyValues(['pids', 'pressure']);
      }
      expect(await cgroup.usage('/kukeon/none')).toEqual([]);
    });

    test('that were remembered are there again, those by hand too, and count as what they were', async () => {
      await limit(some(0));
      for (const field of enforced) await t.setByHand(path, field, VALUES[field]?.[2]);
      const before = await cgroup.limits({ path, limits: some(0) });
      for (const asked of [some(1), {}]) {
        // The journal holds it as text.
        const remembered = JSON.parse(JSON.stringify(await cgroup.remember({ path, limits: asked })));
        await limit(asked);
        await cgroup.restore(path, remembered, context());
        await cgroup.restore(path, remembered, context());
        expect(await cgroup.limits({ path, limits: some(0) })).toEqual(before);
        expect(await cgroup.asked(path)).toEqual(some(0));
      }
      const group = '/kukeon/lab';
      await cgroup.create({ path: group }, context());
      const none = await cgroup.remember({ path: group, limits: some(0) });
      await limit(some(0), group);
      await cgroup.restore(group, none, context());
      expect(await cgroup.limits({ path: group, limits: {} })).toEqual([]);
      expect(await cgroup.asked(group)).toBeUndefined();
      await cgroup.remove({ path: group }, context());
      expect(await cgroup.remember({ path: group, limits: some(0) })).toBeUndefined();
      await cgroup.restore(group, none, context());
      expect(await t.groups(group)).toEqual([]);
    });

    test('nothing happens when it was cancelled before', async () => {
      await failure(cgroup.limit({ path, limits: some(0) }, cancelled()), 'Cancelled');
      await failure(cgroup.leaf({ path: `${path}/web`, limits: {}, oomKills: 0 }, cancelled()), 'Cancelled');
      expect(await cgroup.asked(path)).toBeUndefined();
      expect((await t.groups('/kukeon')).sort()).toEqual(['/kukeon', path]);
    });

    test('are explained', () => {
      for (const group of ['/kukeon/main', `/kukeon/${HOSTILE}`]) {
        expectCommand(cgroup.explain('limit', { path: group, limits: some(0) }));
        expectCommand(cgroup.explain('limit', { path: group, limits: {} }));
        expectCommand(cgroup.explain('leaf', { path: group, limits: some(0), oomKills: 0 }));
      }
    });
  });
}
