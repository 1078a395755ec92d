/** Limits of realm, space, stack and cell alike: asked for, changed, refused, lifted, and what an administrator wrote. */
import { beforeEach, describe, expect, test } from 'bun:test';
import type { PlanOptions } from '../../../../src/kernel/planning.ts';
import { cellRef } from '../kernel-on-fakes.ts';
import {
  type Limited,
  levels,
  limited,
  MI,
  main,
  memory,
  realm,
  START,
  STOP,
  STRICT,
  space,
  stack,
  to,
  told,
  web,
} from './limited.ts';

const GI = 2 ** 30;

let kuke: Limited;
beforeEach(async () => {
  kuke = await limited();
});

describe.each(levels)('%s', (_, level) => {
  test('has the limits of its manifest, and says so', async () => {
    const resources = {
      cpu: { limit: 1.5, weight: 200, cpuset: '0-1' },
      memory: { limit: '512Mi', high: '400Mi', reservation: '64Mi', swap: 0 },
      io: { weight: 50, devices: [{ path: '/dev/vda', readBps: '1Mi' }] },
      pids: { limit: 100 },
      hugepages: { '2Mi': '64Mi' },
    };
    expect(told(await kuke.put(level, { resources }))).toBe(level === web ? 'created' : 'updated');
    expect(kuke.values(level.group)).toEqual({
      'cpu.limit': 1.5,
      'cpu.weight': 200,
      'cpu.cpuset': '0-1',
      'memory.limit': 512 * MI,
      'memory.high': 400 * MI,
      'memory.reservation': 64 * MI,
      'memory.swap': 0,
      'io.weight': 50,
      'io.devices./dev/vda.readBps': MI,
      'pids.limit': 100,
      'hugepages.2Mi': 64 * MI,
    });
    const { resources: shown = [] } = await kuke.status(level);
    expect(shown.map(({ field, value, from }) => `${field}=${value} ${from}`)).toEqual([
      'cpu.limit=1.5 spec',
      'cpu.weight=200 spec',
      'cpu.cpuset=0-1 spec',
      'memory.limit=512Mi spec',
      'memory.high=400Mi spec',
      'memory.reservation=64Mi spec',
      'memory.swap=0 spec',
      'io.weight=50 spec',
      'pids.limit=100 spec',
      'io.devices./dev/vda.readBps=1Mi spec',
      'hugepages.2Mi=64Mi spec',
    ]);
    expect(told(await kuke.put(level, { resources }))).toBe('unchanged');
  });

  test('gets others in place, loses those that are taken out, and has none in its status then', async () => {
    await kuke.put(level, { resources: { memory: { limit: '512Mi' }, pids: { limit: 5 } } });
    const changed = await kuke.put(level, memory('1Gi'));
    expect([told(changed), changed.steps]).toEqual(['updated', ['cgroup.limit']]);
    expect(kuke.values(level.group)).toEqual({ 'memory.limit': GI });
    await kuke.put(level);
    expect(kuke.values(level.group)).toEqual({});
    expect(await kuke.status(level)).not.toHaveProperty('resources');
    expect(told(await kuke.put(level))).toBe('unchanged');
  });

  test.each([
    [{ cpu: { limit: 8192 } }, 'spec.resources.cpu.limit', 'CPUs'],
    [{ memory: { limit: '4Pi' } }, 'spec.resources.memory.limit', 'of memory'],
    [{ memory: { high: '4Pi' } }, 'spec.resources.memory.high', 'of memory'],
    [{ cpu: { cpuset: '0,8000' } }, 'spec.resources.cpu.cpuset', 'the CPUs here'],
    [{ io: { devices: [{ path: '/dev/none', readBps: 4 }] } }, 'spec.resources.io.devices[0]', 'is not there'],
    [{ hugepages: { '16Ki': 0 } }, 'spec.resources.hugepages.16Ki', 'no pages'],
  ])('is refused %j by its field, and keeps what it had', async (more, field, why) => {
    await kuke.put(level, memory('512Mi'));
    const before = [kuke.values(level.group), kuke.host.inventory()];
    const calls = kuke.host.calls.length;
    const refused = await kuke.put(level, { resources: { pids: { limit: 7 }, ...more } });
    expect(refused.error).toMatchObject({ code: 'InvalidManifest', exitCode: 2, details: { field } });
    expect(told(refused)).toStartWith(`${level.kind.toLowerCase()} ${level.path.join('/')}: ${field}: `);
    expect(told(refused)).toContain(why);
    expect([kuke.values(level.group), kuke.host.inventory()]).toEqual(before);
    expect(kuke.host.calls.slice(calls)).toEqual([]);
    expect(told(await kuke.put(level, memory('512Mi')))).toBe('unchanged');
  });

  test('where the kernel refuses one, has all as before, and can be mended', async () => {
    await kuke.put(level, memory('512Mi'));
    kuke.host.faults.fail('cgroup.limit', new Error('EBUSY'));
    expect(told(await kuke.put(level, memory('1Gi')))).toContain('cgroup.limit: EBUSY');
    expect(kuke.values(level.group)).toEqual({ 'memory.limit': 512 * MI });
    expect(told(await kuke.put(level, memory('512Mi')))).toBe('unchanged');
    expect(told(await kuke.put(level, memory('1Gi')))).toBe('updated');
  });

  test('a kuke that dies before or after it writes leaves what the manifest says, or what it said before', async () => {
    await kuke.put(level, memory('512Mi'));
    for (const after of [false, true]) {
      void kuke.put(level, memory('1Gi'));
      await kuke.host.faults.crash('cgroup.limit', { after });
      const next = await limited(await kuke.another());
      expect(told(await next.put(level, memory('512Mi')))).toBe('unchanged');
      expect(next.values(level.group)).toEqual({ 'memory.limit': 512 * MI });
      kuke = next;
    }
  });

  test('what an administrator wrote stays and is shown, until the manifest asks for something else', async () => {
    await kuke.put(level, { resources: { memory: { limit: '512Mi' }, pids: { limit: 5 } } });
    kuke.write(level.group, 'memory.limit', 300 * MI);
    kuke.write(level.group, 'cpu.weight', 500);
    const same = { resources: { memory: { limit: '512Mi' }, pids: { limit: 5 } } };
    expect(told(await kuke.put(level, same))).toBe('unchanged');
    expect((await kuke.status(level)).resources).toEqual([
      { field: 'memory.limit', value: '300Mi', from: 'manual', asked: '512Mi' },
      { field: 'pids.limit', value: '5', from: 'spec' },
      { field: 'cpu.weight', value: '500', from: 'manual' },
    ]);
    // Another field is no reason to touch it.
    await kuke.put(level, { resources: { memory: { limit: '512Mi' }, pids: { limit: 6 } } });
    expect(kuke.values(level.group)).toEqual({ 'memory.limit': 300 * MI, 'pids.limit': 6, 'cpu.weight': 500 });
    await kuke.put(level, memory('1Gi'));
    expect(kuke.notices.at(-1)).toContain(`memory.max of ${level.group} was set by hand: 300Mi`);
    expect(kuke.values(level.group)).toEqual({ 'memory.limit': GI, 'cpu.weight': 500 });
  });

  test('a limit that an administrator has changed is not lifted with the manifest’s', async () => {
    await kuke.put(level, memory('512Mi'));
    kuke.write(level.group, 'memory.limit', 300 * MI);
    await kuke.put(level);
    expect(kuke.values(level.group)).toEqual({ 'memory.limit': 300 * MI });
    expect((await kuke.status(level)).resources).toEqual([{ field: 'memory.limit', value: '300Mi', from: 'manual' }]);
    kuke.write(level.group, 'memory.limit', undefined);
    expect(await kuke.status(level)).not.toHaveProperty('resources');
  });

  test('one that an administrator has taken away is shown as none', async () => {
    await kuke.put(level, memory('512Mi'));
    kuke.write(level.group, 'memory.limit', undefined);
    expect((await kuke.status(level)).resources).toEqual([
      { field: 'memory.limit', value: 'none', from: 'manual', asked: '512Mi' },
    ]);
  });

  test('what the host cannot enforce is said each time, shown with its reason, and refused with --strict', async () => {
    kuke.host.controllers = new Set(['pids']);
    const spec = { resources: { memory: { limit: '512Mi', high: '1Mi' }, cpu: { limit: 1 }, pids: { limit: 9 } } };
    const calls = kuke.host.calls.length;
    const strict = await kuke.put(level, spec, STRICT);
    expect(strict.error).toMatchObject({
      code: 'HostNotReady',
      exitCode: 5,
      details: { field: 'spec.resources.cpu.limit' },
    });
    expect(told(strict)).toContain('--strict');
    expect(kuke.host.calls.slice(calls)).toEqual([]);
    const outcome = await kuke.put(level, spec);
    const said = [
      'spec.resources.cpu.limit is not enforced: no cgroup controller cpu',
      'spec.resources.memory.limit, spec.resources.memory.high are not enforced: no cgroup controller memory',
    ];
    expect(outcome.notes).toEqual(said);
    const again = await kuke.put(level, spec);
    expect([told(again), again.notes]).toEqual(['unchanged', said]);
    expect(kuke.values(level.group)).toEqual({ 'pids.limit': 9 });
    expect((await kuke.status(level)).resources).toEqual([
      { field: 'cpu.limit', value: '1', from: 'spec', notEnforced: 'no cgroup controller cpu' },
      { field: 'memory.limit', value: '512Mi', from: 'spec', notEnforced: 'no cgroup controller memory' },
      { field: 'memory.high', value: '1Mi', from: 'spec', notEnforced: 'no cgroup controller memory' },
      { field: 'pids.limit', value: '9', from: 'spec' },
    ]);
    expect(told(await kuke.put(level, { resources: { pids: { limit: 9 } } }, STRICT))).toBe('updated');
  });

  test('a limit that the host has learnt to enforce meanwhile comes with the next apply', async () => {
    kuke.host.controllers.delete('memory');
    await kuke.put(level, memory('512Mi'));
    kuke.host.controllers.add('memory');
    expect((await kuke.status(level)).resources).toEqual([
      { field: 'memory.limit', value: '512Mi', from: 'spec', notEnforced: 'not written yet; apply it again' },
    ]);
    await kuke.put(level, memory('512Mi'));
    expect(kuke.values(level.group)).toEqual({ 'memory.limit': 512 * MI });
  });

  test('memory below what is in use is given back, and the person is told', async () => {
    await kuke.put(level);
    Object.assign(kuke.host.cgroups.get(level.group) ?? {}, { memory: GI });
    await kuke.put(level, memory('512Mi'));
    expect(kuke.notices.at(-1)).toBe(
      `${level.kind.toLowerCase()} ${level.path.join('/')}: memory.max of ${level.group} was below what it used: 512Mi were given back`,
    );
  });
});

test('a limit is there before anything comes into a group that is new', async () => {
  const calls = kuke.host.calls.length;
  await kuke.apply(`
apiVersion: v1beta1
kind: Realm
metadata: { name: lab }
spec: { resources: { memory: { limit: 1Gi } } }
---
apiVersion: v1beta1
kind: Space
metadata: { name: dmz }
spec: { realmId: lab, resources: { pids: { limit: 500 } } }
`);
  const seen = kuke.host.calls.slice(calls).filter(({ action }) => action.startsWith('cgroup.'));
  expect(seen.map(({ action, params }) => `${action} ${(params as { path: string }).path}`)).toEqual([
    'cgroup.create /kukeon/lab',
    'cgroup.limit /kukeon/lab',
    'cgroup.create /kukeon/lab/dmz',
    'cgroup.limit /kukeon/lab/dmz',
  ]);
});

test('after a reboot, whatever command comes first brings back the limits of realm, space and stack', async () => {
  for (const level of [realm, space, stack]) await kuke.put(level, memory('512Mi'));
  await kuke.put(web, memory('256Mi'));
  kuke.host.reboot();
  const next = await limited(await kuke.another());
  expect((await next.status(stack)).resources).toMatchObject([{ notEnforced: 'not written yet; apply it again' }]);
  await next.apply('{ apiVersion: v1beta1, kind: Realm, metadata: { name: other } }');
  for (const { group } of [realm, space, stack]) expect(next.values(group)).toEqual({ 'memory.limit': 512 * MI });
  expect(next.values(web.group)).toBeUndefined();
  const calls = next.host.calls.length;
  await next.put(web, memory('256Mi'));
  expect(next.values(web.group)).toEqual({ 'memory.limit': 256 * MI });
  const order = next.host.calls.slice(calls).map(({ action }) => action);
  expect(order.indexOf('cgroup.limit')).toBeLessThan(order.indexOf('runtime.start'));
});

test('a disk that is gone keeps no memory from being limited after a reboot, and is named when its level is applied', async () => {
  const io = { devices: [{ path: '/dev/vda', readBps: '1Mi' }] };
  const spec = { resources: { memory: { limit: '512Mi' }, io } };
  await kuke.put(stack, spec);
  kuke.host.reboot();
  kuke.host.machine.disks.clear();
  const next = await limited(await kuke.another());
  await next.put(web);
  expect(next.values(stack.group)).toEqual({ 'memory.limit': 512 * MI });
  expect((await next.status(stack)).resources).toEqual([
    { field: 'memory.limit', value: '512Mi', from: 'spec' },
    { field: 'io.devices./dev/vda.readBps', value: '1Mi', from: 'spec', notEnforced: '/dev/vda is not there' },
  ]);
  expect((await next.put(stack, spec)).error?.details.field).toBe('spec.resources.io.devices[0]');
  kuke.host.machine.disks.add('/dev/vda');
  await next.put(web, { containers: [main({ env: ['A=1'] })] });
  expect(next.values(stack.group)).toMatchObject({ 'io.devices./dev/vda.readBps': MI });
});

test('nothing starts below a level whose limits could not be brought back', async () => {
  await kuke.put(stack, memory('512Mi'));
  await kuke.put(web);
  kuke.host.reboot();
  kuke = await limited(await kuke.another());
  kuke.host.faults.fail('cgroup.limit', new Error('EBUSY'), { nth: 'every' });
  const refused = await kuke.put(web);
  expect(refused.error).toMatchObject({ code: 'HostNotReady', exitCode: 5 });
  expect(told(refused)).toContain('stack main/default/default has not got its memory.limit yet (apply stack main/');
  expect(kuke.notices.join()).toContain('stack main/default/default: cgroup.limit: EBUSY');
  expect((await kuke.status(web)).containers).toMatchObject([{ state: 'Exited' }]);
  kuke.host.faults.clear();
  expect(told(await kuke.put(web))).toBe('updated');
});

test('a cell whose limits make no sense any more can be stopped, and its level stays limited', async () => {
  const io = { devices: [{ path: '/dev/vda', readBps: '1Mi' }] };
  const spec = { resources: { io, pids: { limit: 50 } }, containers: [main({ resources: { io } })] };
  await kuke.put(web, spec);
  kuke.host.machine.disks.clear();
  const change = (state: string, options: PlanOptions) => kuke.change(cellRef('web'), to(state), options);
  expect((await change('stopped', STOP)).map(told)).toEqual(['updated']);
  expect((await kuke.status(web)).state).toBe('Stopped');
  const [refused] = await change('running', START);
  expect(refused?.error?.details.field).toBe('spec.resources.io.devices[0]');
  expect((await kuke.status(web)).resources).toMatchObject([
    { field: 'pids.limit', value: '50', from: 'spec' },
    { notEnforced: '/dev/vda is not there' },
  ]);
});

describe('a child that asks for more than is above it', () => {
  test('is told by whom it is held, and of the values', async () => {
    await kuke.put(realm, memory('4Gi'));
    await kuke.put(stack, { resources: { memory: { limit: '512Mi' }, cpu: { limit: 1 } } });
    const cell = await kuke.put(web, {
      resources: { memory: { limit: '1Gi', reservation: '600Mi' }, cpu: { limit: 1 } },
    });
    expect(cell.notes).toEqual([
      'spec.resources.memory.limit asks for 1Gi, which is more than it can have in stack main/default/default (memory.limit 512Mi)',
      'spec.resources.memory.reservation asks for 600Mi, which is more than it can have in stack main/default/default (memory.limit 512Mi)',
    ]);
    expect(told(cell)).toBe('created');
  });

  test('is told of nothing where both ask for the same, whatever the kernel makes of it', async () => {
    await kuke.put(stack, memory('100M'));
    expect(kuke.values(stack.group)).not.toEqual({ 'memory.limit': 1e8 });
    expect((await kuke.put(web, memory('100M'))).notes).toEqual([]);
    expect((await kuke.put(web, memory('100000001'))).notes).toHaveLength(1);
  });

  test('is told of all who hold it, also by an administrator’s hand', async () => {
    await kuke.put(realm, { resources: { pids: { limit: 100 } } });
    kuke.write(space.group, 'pids.limit', 50);
    expect((await kuke.put(stack, { resources: { pids: { limit: 200 } } })).notes).toEqual([
      'spec.resources.pids.limit asks for 200, which is more than it can have in space main/default (pids.limit 50) and realm main (pids.limit 100)',
    ]);
  });

  test('of a disk’s rates each counts for itself, and a weight is nobody’s business', async () => {
    const disk = (rates: object) => ({ resources: { io: { weight: 900, devices: [{ path: '/dev/vda', ...rates }] } } });
    await kuke.put(stack, disk({ readBps: '1Mi' }));
    expect((await kuke.put(web, disk({ writeBps: '9Gi', readBps: 5 }))).notes).toEqual([]);
    expect((await kuke.put(web, disk({ writeBps: '9Gi', readBps: '2Mi' }))).notes).toHaveLength(1);
  });

  test('is named when the one above is lowered', async () => {
    await kuke.put(stack, memory('400Mi'));
    await kuke.put(web, {
      resources: { memory: { limit: '300Mi' } },
      containers: [main({ resources: { memory: { limit: '200Mi' } } })],
    });
    const lowered = await kuke.put(space, memory('250Mi'));
    expect(lowered.notes).toEqual([
      'with memory.limit 250Mi here, these ask for a memory.limit that they cannot have: stack main/default/default (400Mi), cell main/default/default/web (300Mi)',
    ]);
    expect((await kuke.put(space, memory('250Mi'))).notes).toEqual([]);
    expect((await kuke.put(space, memory('100Mi'))).notes[0]).toEndWith(
      'stack main/default/default (400Mi), cell main/default/default/web (300Mi), container main of cell main/default/default/web (200Mi)',
    );
  });

  test('of CPUs that the one above has not is refused', async () => {
    await kuke.put(realm, { resources: { cpu: { cpuset: '0-1' } } });
    const refused = await kuke.put(stack, { resources: { cpu: { cpuset: '1-2' } } });
    expect(refused.error?.details.field).toBe('spec.resources.cpu.cpuset');
    expect(told(refused)).toContain('0-1');
  });
});

test('what is written by hand while nothing is asked for costs an apply nothing', async () => {
  kuke.write(stack.group, 'memory.limit', 5 * MI);
  expect(told(await kuke.put(stack))).toBe('unchanged');
  expect(kuke.values(stack.group)).toEqual({ 'memory.limit': 5 * MI });
});

test('what is more than its own limit is not in force, and is refused with --strict', async () => {
  const over = { resources: { memory: { limit: '64Mi', high: '80Mi', reservation: '128Mi' } } };
  const why = 'it is more than memory.limit 64Mi, which holds before it';
  expect((await kuke.put(web, over)).notes).toEqual([
    `spec.resources.memory.high, spec.resources.memory.reservation are not enforced: ${why}`,
  ]);
  expect((await kuke.status(web)).resources?.map(({ field, notEnforced }) => [field, notEnforced])).toEqual([
    ['memory.limit', undefined],
    ['memory.high', why],
    ['memory.reservation', why],
  ]);
  expect((await kuke.put(web, over, STRICT)).error?.code).toBe('HostNotReady');
  const equal = { resources: { memory: { limit: '64Mi', high: '64Mi', reservation: '64Mi' } } };
  expect((await kuke.put(web, equal, STRICT)).notes).toEqual([]);
});
