/** Memory that is reserved: what each level above is given for it, as those below come, change, stop and go. */
import { beforeEach, describe, expect, test } from 'bun:test';
import { reservedIn } from '../../../../src/kernel/limits/reserved.ts';
import { cellRef } from '../kernel-on-fakes.ts';
import {
  cell,
  defaults,
  type Fields,
  type Limited,
  limited,
  MI,
  main,
  realm,
  START,
  STOP,
  STRICT,
  side,
  space,
  stack,
  to,
  told,
  web,
} from './limited.ts';

const reserving = (reservation: string | number) => ({ resources: { memory: { reservation } } });
const db = cell('db');

let kuke: Limited;
beforeEach(async () => {
  kuke = await limited();
});

/** Mebibytes of `/kukeon`, realm, space, stack and the cells `web` and `db`; 0: none. */
const lows = (...names: string[]) =>
  ['/kukeon', realm.group, space.group, stack.group, ...['web', 'db', ...names].map(name => cell(name).group)].map(
    group => Number(kuke.values(group)?.['memory.reservation'] ?? 0) / MI,
  );
const reservation = async (level: typeof web) => {
  const { resources = [] } = await kuke.status(level);
  return resources.map(({ field, value, from, notEnforced }) => [field, value, from, notEnforced ?? 'enforced']);
};

test('is summed up from below, as far as nobody on the way says it otherwise', () => {
  const group = (path: string, bytes?: number, more: Fields = {}) => ({
    path,
    field: '',
    ...(bytes !== undefined && { resources: { memory: { reservation: bytes } } }),
    ...more,
  });
  const groups = [
    group('/kukeon/a'),
    group('/kukeon/a/b', 5),
    group('/kukeon/a/b/c', 7),
    group('/kukeon/a/b/d'),
    group('/kukeon/a/b/d/e', 1),
    group('/kukeon/a/b/d/f', 2),
    group('/kukeon/a/b/idle', 100, { isIdle: true }),
    group('/kukeon/g', 0),
    group('/kukeon/g/h', 50),
    group('/kukeon/i/j', 11), // of whose level nothing is known
    group('/kukeon/k/l/first', 4, { comesFirst: true }),
    group('/kukeon/k/l/then', 3),
    group('/kukeon/k/m/first', 2, { comesFirst: true }),
    group('/kukeon/k/m/before', 1, { comesFirst: true }),
    group('/kukeon/k/m/then', 3),
  ];
  expect(Object.fromEntries(reservedIn(groups))).toEqual({
    '/kukeon': 23,
    '/kukeon/a': 5,
    '/kukeon/a/b': 10,
    '/kukeon/a/b/d': 3,
    '/kukeon/g': 50,
    '/kukeon/i': 11,
    '/kukeon/k': 7,
    '/kukeon/k/l': 4,
    '/kukeon/k/m': 3,
  });
});

describe('each level above has as much', () => {
  test('as cells come, change, stop, start and go', async () => {
    const made = await kuke.put(web, reserving('64Mi'), STRICT);
    expect([told(made), made.notes]).toEqual(['created', []]);
    expect(lows()).toEqual([64, 64, 64, 64, 64, 0]);
    await kuke.put(db, { containers: [main(reserving('8Mi')), side(reserving('4Mi'))] }, STRICT);
    expect(lows()).toEqual([76, 76, 76, 76, 64, 12]);
    for (const level of [web, db])
      for (const [, , , enforced] of await reservation(level)) expect(enforced).toBe('enforced');
    expect((await kuke.contained('main')).resources).toBeUndefined();
    expect(await reservation(stack)).toEqual([['memory.reservation', '76Mi', 'what is reserved in it', 'enforced']]);
    expect((await kuke.status(realm)).sharedResources).toEqual([
      { field: 'memory.reservation', value: '76Mi', from: 'what is reserved in it' },
    ]);
    await kuke.put(web, reserving('32Mi'), STRICT);
    expect(lows()).toEqual([44, 44, 44, 44, 32, 12]);
    await kuke.change(cellRef('db'), to('stopped'), STOP);
    expect(lows().slice(0, 4)).toEqual([32, 32, 32, 32]);
    expect(told(await kuke.put(db, { containers: [main(reserving('8Mi')), side(reserving('4Mi'))] }))).toBe(
      'unchanged',
    );
    await kuke.change(cellRef('db'), to('running'), START);
    expect(lows()).toEqual([44, 44, 44, 44, 32, 12]);
    await kuke.remove([cellRef('web')]);
    expect(lows()).toEqual([12, 12, 12, 12, 0, 12]);
    await kuke.remove([cellRef('db')]);
    expect(lows()).toEqual([0, 0, 0, 0, 0, 0]);
    expect(await kuke.status(stack)).not.toHaveProperty('resources');
    expect(await kuke.status(realm)).not.toHaveProperty('sharedResources');
  });

  test('also where all are made at once, and what a space gives counts', async () => {
    const lab = { ...space, path: ['main', 'lab'], group: '/kukeon/main/lab' };
    const outcomes = await kuke.putAll(
      [
        [lab, defaults(reserving('16Mi'))],
        [{ ...stack, path: ['main', 'lab', 'default'], scope: { realmId: 'main', spaceId: 'lab' } }, {}],
        [{ ...web, path: ['main', 'lab', 'default', 'web'], scope: { ...web.scope, spaceId: 'lab' } }, {}],
      ],
      STRICT,
    );
    expect(outcomes.map(one => [told(one), one.notes])).toEqual(Array(3).fill(['created', []]));
    for (const group of ['/kukeon', '/kukeon/main', lab.group, `${lab.group}/default`, `${lab.group}/default/web`])
      expect([group, kuke.values(group)]).toEqual([group, { 'memory.reservation': 16 * MI }]);
  });

  test('whatever the kernel makes of an amount that is not of whole pages', async () => {
    expect((await kuke.put(web, reserving('10M'), STRICT)).notes).toEqual([]);
    expect(lows()).toEqual(
      Array(5)
        .fill(9_998_336 / MI)
        .concat(0),
    );
    expect(await reservation(web)).toEqual([['memory.reservation', '10000000', 'spec', 'enforced']]);
  });

  test('but not for a cell that came to nothing', async () => {
    kuke.host.faults.fail('runtime.start', new Error('no'));
    expect(told(await kuke.put(web, reserving('64Mi')))).toContain('no');
    expect(lows().slice(0, 4)).toEqual([0, 0, 0, 0]);
  });

  test('also when a kuke died on the way: the next command, whatever it is about, sees to it', async () => {
    for (const nth of [1, 2, 3]) {
      void kuke.put(web, reserving(`${nth * 8}Mi`));
      await kuke.host.faults.crash('cgroup.limit', { nth, after: true });
      kuke = await limited(await kuke.another());
      await kuke.apply('{ apiVersion: v1beta1, kind: Realm, metadata: { name: other } }');
      const [own] = lows().slice(4);
      expect(lows()).toEqual([...Array(5).fill(own), 0]);
    }
  });

  test('and no more than the host has', async () => {
    const { memory } = kuke.host.machine;
    await kuke.put(web, reserving(memory));
    await kuke.put(db, reserving(memory));
    expect(lows()[0]).toBeLessThanOrEqual((await import('node:os')).totalmem() / MI);
  });

  test('save where the host does not count memory: there nothing is said of it but of who asked', async () => {
    kuke.host.controllers.delete('memory');
    const { notes } = await kuke.put(web, reserving('64Mi'));
    expect(notes).toEqual(['spec.resources.memory.reservation is not enforced: no cgroup controller memory']);
    expect(lows()).toEqual([0, 0, 0, 0, 0, 0]);
    for (const level of [stack, space, realm]) {
      expect((await kuke.put(level, {}, STRICT)).notes).toEqual([]);
      expect(await kuke.status(level)).not.toHaveProperty('resources');
    }
    kuke.host.controllers.add('memory');
    await kuke.put(web, reserving('64Mi'));
    expect(lows()).toEqual([64, 64, 64, 64, 64, 0]);
  });
});

describe('a level that has less', () => {
  const less = (...which: string[]) => `it counts only as far as all above reserve as much; less: ${which.join(', ')}`;

  test('by its manifest keeps it; those in it are told', async () => {
    await kuke.put(stack, reserving('32Mi'));
    const notEnforced = less('stack main/default/default (memory.reservation 32Mi)');
    expect((await kuke.put(web, reserving('64Mi'), STRICT)).error).toMatchObject({
      code: 'HostNotReady',
      message: `spec.resources.memory.reservation cannot be enforced: ${notEnforced}`,
    });
    const { notes } = await kuke.put(web, reserving('64Mi'));
    expect(notes).toEqual([`spec.resources.memory.reservation is not enforced: ${notEnforced}`]);
    expect(await reservation(web)).toEqual([['memory.reservation', '64Mi', 'spec', notEnforced]]);
    expect(lows()).toEqual([32, 32, 32, 32, 64, 0]);
    await kuke.put(stack, reserving('64Mi'));
    expect(lows()).toEqual([64, 64, 64, 64, 64, 0]);
    expect((await kuke.put(web, reserving('64Mi'), STRICT)).notes).toEqual([]);
    expect(await reservation(web)).toEqual([['memory.reservation', '64Mi', 'spec', 'enforced']]);
    expect((await kuke.put(web, reserving('0'), STRICT)).notes).toEqual([]);
    expect(lows().slice(0, 5)).toEqual([64, 64, 64, 64, 0]);
  });

  test('than all in it together is named', async () => {
    await kuke.put(stack, reserving('64Mi'));
    expect((await kuke.put(web, reserving('40Mi'))).notes).toEqual([]);
    const shares = 'stack main/default/default reserves 64Mi of memory, which those in it share: they ask for 80Mi';
    expect((await kuke.put(db, reserving('40Mi'), STRICT)).notes).toEqual([shares]);
    expect((await kuke.put(stack, reserving('60Mi'))).notes).toEqual([shares.replace('64Mi', '60Mi')]);
  });

  test('by hand keeps it, whatever comes and goes below', async () => {
    await kuke.put(web, reserving('64Mi'));
    kuke.write(space.group, 'memory.reservation', 16 * MI);
    kuke.write('/kukeon', 'memory.reservation', undefined);
    const notEnforced = less(
      'space main/default (memory.reservation 16Mi)',
      'all that kuke runs (memory.reservation 0)',
    );
    expect(await reservation(web)).toEqual([['memory.reservation', '64Mi', 'spec', notEnforced]]);
    expect((await kuke.put(web, reserving('60Mi'))).notes).toEqual([
      `spec.resources.memory.reservation is not enforced: ${notEnforced}`,
    ]);
    expect(lows()).toEqual([0, 60, 16, 60, 60, 0]);
    expect(await reservation(space)).toEqual([['memory.reservation', '16Mi', 'manual', 'enforced']]);
    expect(told(await kuke.put(space))).toBe('unchanged');
    await kuke.put(db, reserving('8Mi'));
    expect(lows()).toEqual([0, 68, 16, 68, 60, 8]);
    await kuke.remove([cellRef('db'), cellRef('web')]);
    expect(lows()).toEqual([0, 0, 16, 0, 0, 0]);
    expect(kuke.notices).toEqual([]);
    // The manifest's own word is stronger.
    await kuke.put(space, reserving('24Mi'));
    expect(lows()).toEqual([24, 24, 24, 0, 0, 0]);
  });

  test('is no reason not to start what lies in it', async () => {
    await kuke.put(web, reserving('64Mi'));
    await kuke.change(cellRef('web'), to('stopped'), STOP);
    kuke.write(stack.group, 'memory.reservation', 16 * MI);
    expect((await kuke.change(cellRef('web'), to('running'), START)).map(told)).toEqual(['updated']);
    expect(lows().slice(2, 5)).toEqual([64, 16, 64]);
  });
});

test('uninstall leaves nothing', async () => {
  await kuke.put(web, reserving('64Mi'));
  await kuke.uninstall();
  expect([...kuke.host.cgroups.keys()]).toEqual([]);
  expect(kuke.notices).toEqual([]);
});
