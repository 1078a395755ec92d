/** What every Cgroup backend must do. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import type { CgroupBackend } from '../../src/kernel/backends/index.ts';
import type { LimitField, LimitValue } from '../../src/kernel/limits/limits.ts';
import { cgroupLimitsSuite } from './cgroup-limits.ts';
import { cancelled, context, expectCommand, failure, HOSTILE, saysWhatIsThere, type UnderTest } from './contract.ts';

export interface CgroupUnderTest extends UnderTest {
  /** On a host without `/kukeon`. */
  backend: CgroupBackend;
  /** Makes a group that is not ours; its parent exists. */
  foreign(path: string): Promise<void>;
  /** Makes the group `path` in one of ours, without our mark, with a process in it, as runc does. Tells whether that still lives. */
  occupied(path: string): Promise<{ alive(): Promise<boolean> }>;
  /** What an administrator does to a group that is there; undefined: lifts the limit. */
  setByHand(path: string, field: LimitField, value: LimitValue | undefined): Promise<void>;
  /** All groups of the host at and below `path`, seen from outside. */
  groups(path: string): Promise<string[]>;
}

export function cgroupSuite(name: string, make: () => Promise<CgroupUnderTest>): void {
  cgroupLimitsSuite(name, make);
  describe(name, () => {
    let t: CgroupUnderTest;
    let cgroup: CgroupBackend;
    beforeEach(async () => {
      t = await make();
      cgroup = t.backend;
    });
    afterEach(() => t.cleanup());

    const create = (...paths: string[]) =>
      paths.reduce<Promise<unknown>>(
        (before, path) => before.then(() => cgroup.create({ path }, context())),
        Promise.resolve(),
      );
    const remove = (path: string) => cgroup.remove({ path }, context());
    const observed = async (path: string) => (await cgroup.observe(path)).map(group => group.path);

    test('sees nothing where nothing is', async () => {
      expect(await cgroup.observe('/kukeon')).toEqual([]);
      expect(await cgroup.observe('/kukeon/main')).toEqual([]);
    });

    test('creates level by level, and observes parents first', async () => {
      await create('/kukeon', '/kukeon/main', '/kukeon/main/default', '/kukeon/lab');
      const groups = await cgroup.observe('/kukeon');
      expect(groups.map(group => group.path).sort()).toEqual([
        '/kukeon',
        '/kukeon/lab',
        '/kukeon/main',
        '/kukeon/main/default',
      ]);
      expect(groups.findIndex(g => g.path === '/kukeon/main')).toBeLessThan(
        groups.findIndex(g => g.path === '/kukeon/main/default'),
      );
      expect(groups.map(({ ours, populated }) => ({ ours, populated }))).toEqual(
        groups.map(() => ({ ours: true, populated: false })),
      );
      expect((await t.groups('/kukeon')).sort()).toEqual(groups.map(group => group.path).sort());
    });

    test('observes one with what it lies in, and what lies in it', async () => {
      await create(
        '/kukeon',
        '/kukeon/main',
        '/kukeon/main/default',
        '/kukeon/main/default/blog',
        '/kukeon/main/other',
      );
      const seen = await cgroup.observe('/kukeon/main/default', { isAbove: true });
      expect(seen.map(({ path }) => path)).toEqual([
        '/kukeon',
        '/kukeon/main',
        '/kukeon/main/default',
        '/kukeon/main/default/blog',
      ]);
      expect(seen.every(({ ours }) => ours)).toBe(true);
      const missing = await cgroup.observe('/kukeon/main/gone/blog', { isAbove: true });
      expect(missing.map(({ path }) => path)).toEqual(['/kukeon', '/kukeon/main']);
    });

    test('creates twice, with the same result', async () => {
      await create('/kukeon', '/kukeon/main', '/kukeon');
      expect(await observed('/kukeon')).toEqual(['/kukeon', '/kukeon/main']);
    });

    test('creates many at once, and one many times at once', async () => {
      await create('/kukeon');
      await Promise.all(Array.from({ length: 12 }, (_, i) => create(`/kukeon/r${i % 6}`)));
      expect((await observed('/kukeon')).sort()).toEqual([
        '/kukeon',
        ...Array.from({ length: 6 }, (_, i) => `/kukeon/r${i}`),
      ]);
    });

    test('needs the parent', async () => {
      await failure(create('/kukeon/main/default'), 'CgroupFailed');
      expect(await t.groups('/kukeon')).toEqual([]);
    });

    test('leaves a group alone that is not ours', async () => {
      await create('/kukeon');
      await t.foreign('/kukeon/main');
      await failure(create('/kukeon/main'), 'Conflict');
      await remove('/kukeon/main');
      expect(await t.groups('/kukeon/main')).toEqual(['/kukeon/main']);
      expect((await cgroup.observe('/kukeon/main')).map(({ path, ours }) => ({ path, ours }))).toEqual([
        { path: '/kukeon/main', ours: false },
      ]);
    });

    test('does not remove what somebody else made among ours', async () => {
      await create('/kukeon', '/kukeon/main', '/kukeon/main/default', '/kukeon/main/default/blog');
      for (const path of ['/kukeon/main/foreign', '/kukeon/main/default/blog/foreign']) {
        await t.foreign(path);
        for (const above of ['/kukeon', '/kukeon/main']) await failure(remove(above), 'Conflict');
        expect(await t.groups(path)).toEqual([path]);
      }
      await failure(remove('/kukeon/main/default/blog'), 'Conflict');
    });

    test('of a group with known leaves, removes these and no others', async () => {
      const web = '/kukeon/main/default/blog/web';
      await create('/kukeon', '/kukeon/main', '/kukeon/main/default', '/kukeon/main/default/blog', web);
      await t.foreign(`${web}/mine`);
      const leaves = ['web_root', 'side'];
      await failure(cgroup.remove({ path: web, leaves }, context()), 'Conflict');
      expect(await t.groups(`${web}/mine`)).toEqual([`${web}/mine`]);
      await cgroup.remove({ path: web, leaves: [...leaves, 'mine'] }, context());
      expect(await t.groups(web)).toEqual([]);
    });

    test('does not remove a foreign /kukeon', async () => {
      await t.foreign('/kukeon');
      await remove('/kukeon');
      expect(await t.groups('/kukeon')).toEqual(['/kukeon']);
    });

    test('removes a subtree and nothing beside it', async () => {
      await create('/kukeon', '/kukeon/main', '/kukeon/main/a', '/kukeon/main/a/b', '/kukeon/main2', '/kukeon/main-2');
      await remove('/kukeon/main');
      expect((await observed('/kukeon')).sort()).toEqual(['/kukeon', '/kukeon/main-2', '/kukeon/main2']);
      expect((await t.groups('/kukeon')).sort()).toEqual(['/kukeon', '/kukeon/main-2', '/kukeon/main2']);
    });

    test('removes twice, and what was never there', async () => {
      await create('/kukeon', '/kukeon/main');
      await remove('/kukeon/main');
      await remove('/kukeon/main');
      await remove('/kukeon/other/deep');
      await remove('/kukeon');
      expect(await t.groups('/kukeon')).toEqual([]);
      await remove('/kukeon');
      await create('/kukeon', '/kukeon/main');
      expect(await observed('/kukeon')).toEqual(['/kukeon', '/kukeon/main']);
    });

    test('kills what runs below', async () => {
      const levels = ['/default', '/blog', '/web'].map((_, i, names) => names.slice(0, i + 1).join(''));
      const [web, lab] = ['/kukeon/main/default/blog/web', '/kukeon/lab/default/blog/web'];
      for (const realm of ['/kukeon/main', '/kukeon/lab']) {
        await create('/kukeon', realm, ...levels.map(level => realm + level));
      }
      const inside = await t.occupied(`${web}/web_root`);
      const beside = await t.occupied(`${lab}/web_root`);
      const populated = (await cgroup.observe('/kukeon')).filter(group => group.populated).map(group => group.path);
      expect(populated.sort()).toEqual([
        '/kukeon',
        ...['/kukeon/lab', '/kukeon/main'].flatMap(realm => [
          realm,
          ...levels.map(level => realm + level),
          `${realm}/default/blog/web/web_root`,
        ]),
      ]);
      expect((await cgroup.observe(`${lab}/web_root`)).map(group => group.ours)).toEqual([false]);
      await remove('/kukeon/main');
      expect(await inside.alive()).toBe(false);
      expect(await beside.alive()).toBe(true);
      expect(await t.groups('/kukeon/main')).toEqual([]);
    });

    test('removes many at once, and one many times at once', async () => {
      const paths = Array.from({ length: 4 }, (_, i) => `/kukeon/r${i}`);
      await create('/kukeon', ...paths, ...paths.map(path => `${path}/a`));
      await Promise.all([...paths, ...paths].map(remove));
      expect(await t.groups('/kukeon')).toEqual(['/kukeon']);
    });

    test.each([
      '',
      '/',
      'kukeon',
      '/kukeon/',
      '/kukeon//a',
      '/kukeon/../escape',
      '/kukeon/.',
      '/kukeon/a\0b',
      '/other',
    ])('refuses the hostile path %j', async path => {
      await create('/kukeon');
      await failure(create(path));
      await failure(remove(path));
      expect(await t.groups('/kukeon')).toEqual(['/kukeon']);
      expect(await t.groups('/escape')).toEqual([]);
    });

    test('does nothing when cancelled before', async () => {
      await failure(cgroup.create({ path: '/kukeon' }, cancelled()), 'Cancelled');
      expect(await t.groups('/kukeon')).toEqual([]);
      await create('/kukeon');
      await failure(cgroup.remove({ path: '/kukeon' }, cancelled()), 'Cancelled');
      expect(await t.groups('/kukeon')).toEqual(['/kukeon']);
    });

    test('says what is there before it is created', async () => {
      await create('/kukeon');
      const group = { path: '/kukeon/main' };
      const isThere = () => cgroup.isThere('create', group);
      await saysWhatIsThere(
        isThere,
        () => create(group.path),
        () => remove(group.path),
      );
      await t.foreign(group.path);
      expect(await isThere()).toBe(false);
      expect(await cgroup.isThere('remove', group)).toBe(false);
    });

    test('explains its actions', () => {
      for (const path of ['/kukeon/main', `/kukeon/${HOSTILE}`]) {
        expectCommand(cgroup.explain('create', { path }));
        expectCommand(cgroup.explain('remove', { path }));
        expect(cgroup.explain('create', { path })).toContain('/kukeon/');
      }
    });
  });
}
