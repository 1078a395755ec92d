/** Limits of several resources in one command: refused whole, with all reasons, and told of as they are to be in the end. */
import { beforeEach, describe, expect, test } from 'bun:test';
import {
  cell,
  defaults,
  type Fields,
  type Level,
  type Limited,
  leaf,
  limited,
  MI,
  main,
  memory,
  of,
  realm,
  STRICT,
  side,
  space,
  stack,
  told,
  web,
} from './limited.ts';

let kuke: Limited;
beforeEach(async () => {
  kuke = await limited();
});

const cpuset = (list: string) => ({ resources: { cpu: { cpuset: list } } });
const lab = { ...realm, path: ['lab'], group: '/kukeon/lab' } satisfies Level;
const results = (outcomes: Awaited<ReturnType<Limited['putAll']>>) => outcomes.map(({ result }) => result);
const reasons = (outcomes: Awaited<ReturnType<Limited['putAll']>>) =>
  outcomes.flatMap(({ error }) => (error === undefined ? [] : [error, ...error.also])).map(one => one.details.field);

describe('nothing is applied of what one fault is in', () => {
  const device = { io: { devices: [{ path: '/dev/none', readBps: 4, writeBps: 4 }] } };
  test.each<[string, [Level, Fields][], (string | undefined)[]]>([
    [
      'a cell beside it',
      [
        [cell('two'), {}],
        [web, { resources: device }],
      ],
      ['spec.resources.io.devices[0]'],
    ],
    [
      'a realm above it',
      [
        [lab, {}],
        [realm, memory('1Gi')],
        [web, memory('4Pi')],
      ],
      ['spec.resources.memory.limit'],
    ],
    [
      'each with several of its own',
      [
        [stack, { resources: { cpu: { limit: 8192 }, ...device } }],
        [web, { ...memory('4Pi'), ...of(main(cpuset('77')), side({ resources: { memory: { high: '4Pi' } } })) }],
      ],
      [
        'spec.resources.cpu.limit',
        'spec.resources.io.devices[0]',
        'spec.resources.memory.limit',
        'spec.containers[main].resources.cpu.cpuset',
        'spec.containers[side].resources.memory.high',
      ],
    ],
    [
      'what a space gives',
      [
        [stack, {}],
        [space, defaults(memory('4Pi'))],
      ],
      ['spec.defaults.container.resources.memory.limit'],
    ],
    // A level of the same file is narrower than what lies in it.
    [
      'CPUs of a level',
      [
        [stack, cpuset('0')],
        [web, of(main(cpuset('1')))],
      ],
      ['spec.containers[main].resources.cpu.cpuset'],
    ],
    [
      'CPUs of what a space gives',
      [
        [space, defaults(cpuset('1'))],
        [web, cpuset('0')],
      ],
      ['spec.defaults.container.resources.cpu.cpuset'],
    ],
  ])('%s', async (_, resources, fields) => {
    await kuke.put(web, of(main(memory('32Mi'))));
    const before = [kuke.host.inventory(), kuke.values(leaf())];
    const calls = kuke.host.calls.length;
    const outcomes = await kuke.putAll(resources);
    expect(results(outcomes).sort()).toEqual(outcomes.map(({ error }) => (error ? 'failed' : 'not applied')).sort());
    expect(reasons(outcomes)).toEqual(fields);
    for (const { error } of outcomes) if (error !== undefined) expect(error.exitCode).toBe(2);
    expect([kuke.host.inventory(), kuke.values(leaf())]).toEqual(before);
    expect(kuke.host.calls.slice(calls)).toEqual([]);
  });

  test('and with --strict of what the host cannot enforce; all reasons are named', async () => {
    kuke.host.controllers = new Set(['pids']);
    const wanted: [Level, Fields][] = [
      [stack, memory('64Mi')],
      [cell('two'), {}],
      [web, { resources: { cpu: { limit: 1 }, pids: { limit: 9 } }, ...of(main(memory('1Mi')), side(cpuset('0'))) }],
    ];
    const calls = kuke.host.calls.length;
    const outcomes = await kuke.putAll(wanted, STRICT);
    expect(results(outcomes)).toEqual(['failed', 'not applied', 'failed']);
    expect(outcomes.map(({ error }) => error?.exitCode)).toEqual([5, undefined, 5]);
    expect(reasons(outcomes)).toEqual([
      'spec.resources.memory.limit',
      'spec.resources.cpu.limit',
      'spec.containers[main].resources.memory.limit',
      'spec.containers[side].resources.cpu.cpuset',
    ]);
    expect(kuke.host.calls.slice(calls)).toEqual([]);
    expect(results(await kuke.putAll(wanted))).toEqual(['updated', 'created', 'created']);
  });
});

test('a level and what lies in it move to other CPUs together', async () => {
  await kuke.putAll([
    [space, cpuset('0')],
    [web, of(main(cpuset('0')))],
  ]);
  const moved: [Level, Fields][] = [
    [space, cpuset('1')],
    [web, of(main(cpuset('1')))],
  ];
  expect(results(await kuke.putAll(moved))).toEqual(['updated', 'updated']);
  expect([kuke.values(space.group), kuke.values(leaf())]).toEqual([{ 'cpu.cpuset': '1' }, { 'cpu.cpuset': '1' }]);
});

test('CPUs that are missing are those of the level that lacks them, not of one below it', async () => {
  await kuke.put(realm, cpuset('0-1'));
  const refused = await kuke.put(web, cpuset('2'));
  expect(refused.error?.message).toBe('spec.resources.cpu.cpuset: realm main has the CPUs 0-1, not 2');
});

describe('nobody is told of an excess that the same command takes away', () => {
  test('of a cell and its container', async () => {
    await kuke.put(web, { ...memory('64Mi'), ...of(main(memory('48Mi'))) });
    const lowered = await kuke.put(web, { ...memory('32Mi'), ...of(main(memory('16Mi'))) });
    expect([told(lowered), lowered.notes]).toEqual(['updated', []]);
    const raised = await kuke.put(web, { ...memory('96Mi'), ...of(main(memory('80Mi'))) });
    expect([told(raised), raised.notes]).toEqual(['updated', []]);
  });

  test('of a space and its cell, lowered and raised', async () => {
    for (const limit of ['64Mi', '32Mi', '128Mi']) {
      const outcomes = await kuke.putAll([
        [space, memory(limit)],
        [web, memory(limit)],
      ]);
      expect(outcomes.flatMap(({ notes }) => notes)).toEqual([]);
    }
  });

  test('and of one that stays he is', async () => {
    await kuke.put(web, { ...memory('64Mi'), ...of(main(memory('48Mi'))) });
    const lowered = await kuke.put(web, { ...memory('32Mi'), ...of(main(memory('48Mi'))) });
    expect(lowered.notes.join()).toContain('spec.containers[main].resources.memory.limit asks for 48Mi');
  });
});

test('what a space gives that is more than a cell in it has is told with the space', async () => {
  await kuke.put(web, memory('32Mi'));
  await kuke.put(cell('two'), { ...memory('16Mi'), ...of(main(memory('8Mi'))) });
  const { notes } = await kuke.put(space, defaults(memory('64Mi')));
  expect(notes).toEqual([
    'spec.defaults.container.resources.memory.limit asks for 64Mi, which is more than a container can have in cell main/default/default/web (memory.limit 32Mi)',
  ]);
  expect(kuke.values(leaf())).toEqual({ 'memory.limit': 64 * MI });
});

test('CPUs that the host has lost meanwhile are not taken from a group for another reason', async () => {
  const both = { resources: { cpu: { cpuset: '2' }, io: { devices: [{ path: '/dev/vda', readBps: '1Mi' }] } } };
  await kuke.put(stack, both);
  kuke.host.machine.cpus = 2;
  const lost = kuke.host.cgroups.get(stack.group)?.record?.get('io.devices./dev/vda.readBps');
  // As a kuke that died while it wrote leaves it: the rate is due.
  if (lost) lost.isDone = false;
  await kuke.put(realm);
  expect(kuke.values(stack.group)).toEqual({ 'cpu.cpuset': '2', 'io.devices./dev/vda.readBps': MI });
  expect((await kuke.status(stack)).resources).toMatchObject([{ notEnforced: 'the CPUs here are 0-1' }, {}]);
  expect(kuke.host.cgroups.get(stack.group)?.record?.get('io.devices./dev/vda.readBps')?.isDone).toBe(true);
});

describe('what a space gives and nobody can have', () => {
  const four = (resources: Fields): [Level, Fields][] => [
    [web, of(main(), side())],
    [cell('two'), {}],
    [space, defaults(resources)],
  ];

  test('is told once, of the space', async () => {
    const outcomes = await kuke.putAll(four(memory('4Pi')));
    expect(results(outcomes)).toEqual(['not applied', 'not applied', 'failed']);
    expect(reasons(outcomes)).toEqual(['spec.defaults.container.resources.memory.limit']);
  });

  test('also with --strict', async () => {
    kuke.host.controllers.delete('memory');
    const outcomes = await kuke.putAll(four(memory('4Mi')), STRICT);
    expect(results(outcomes)).toEqual(['not applied', 'not applied', 'failed']);
    expect(reasons(outcomes)).toEqual(['spec.defaults.container.resources.memory.limit']);
  });
});
