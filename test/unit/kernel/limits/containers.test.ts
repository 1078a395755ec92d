/** Limits of containers, on the leaf that each runs in. */
import { beforeEach, describe, expect, test } from 'bun:test';
import { cellRef } from '../kernel-on-fakes.ts';
import {
  type Fields,
  type Limited,
  leaf,
  limited,
  MI,
  main,
  memory,
  of,
  realm,
  START,
  STOP,
  STRICT,
  side,
  stack,
  to,
  told,
  web,
} from './limited.ts';

let kuke: Limited;
beforeEach(async () => {
  kuke = await limited();
});

const taken = (from: number) =>
  kuke.host.calls.slice(from).map(({ action, params }) => {
    const { path, id = path } = params as { id?: string; path?: string };
    return `${action} ${String(id).split('/').at(-1)}`;
  });
const pids = () => kuke.pids();
const contained = (id: string) => kuke.contained(id);

test('are in force before a container starts, and shown in its status', async () => {
  const from = kuke.host.calls.length;
  await kuke.put(web, of(main(memory('64Mi')), side()));
  const seen = taken(from);
  expect(seen.indexOf('cgroup.leaf web_root')).toBeLessThan(seen.indexOf('runtime.start default_default_web_root'));
  expect(seen.indexOf('cgroup.leaf side')).toBeLessThan(seen.indexOf('runtime.start default_default_web_side'));
  expect(seen.indexOf('cgroup.leaf web_root')).toBeGreaterThan(seen.indexOf('cgroup.create web'));
  expect(kuke.values(leaf())).toEqual({ 'memory.limit': 64 * MI });
  expect(kuke.values(leaf('side'))).toEqual({});
  expect((await contained('main')).resources).toEqual([{ field: 'memory.limit', value: '64Mi', from: 'spec' }]);
  expect(await contained('side')).not.toHaveProperty('resources');
  const { manifest } = await kuke.get('Cell', ...web.path);
  const [one] =
    kuke.kernel.kinds.get('Container').embedded?.({ ...(await kuke.get('Cell', ...web.path)), manifest }) ?? [];
  expect(one?.manifest.status?.resources).toEqual([{ field: 'memory.limit', value: '64Mi', from: 'spec' }]);
});

test('change in place: the same processes, other limits; unchanged says so', async () => {
  await kuke.put(web, of(main(memory('64Mi')), side()));
  const before = pids();
  const changed = await kuke.put(web, of(main(memory('128Mi')), side({ resources: { pids: { limit: 10 } } })));
  expect([told(changed), changed.steps]).toEqual(['updated', ['cgroup.limit', 'cgroup.limit']]);
  expect([kuke.values(leaf()), kuke.values(leaf('side'))]).toEqual([
    { 'memory.limit': 128 * MI },
    { 'pids.limit': 10 },
  ]);
  expect(told(await kuke.put(web, of(main(memory('128Mi')), side({ resources: { pids: { limit: 10 } } }))))).toBe(
    'unchanged',
  );
  await kuke.put(web, of(main(), side()));
  expect([kuke.values(leaf()), kuke.values(leaf('side'))]).toEqual([{}, {}]);
  expect(pids()).toEqual(before);
});

test('come anew with each start, for an ended task takes its group along', async () => {
  await kuke.put(web, of(main(memory('64Mi')), side(memory('32Mi'))));
  for (const how of ['stop', 'exit', 'reboot'] as const) {
    if (how === 'stop') await kuke.change(cellRef('web'), to('stopped'), STOP);
    if (how === 'exit')
      for (const id of ['root', 'side']) kuke.host.exit('kukeon-main', `default_default_web_${id}`, 1);
    if (how === 'reboot') {
      kuke.host.reboot();
      kuke = await limited(await kuke.another());
    }
    await kuke.change(cellRef('web'), to('running'), START);
    expect([kuke.values(leaf()), kuke.values(leaf('side'))]).toEqual([
      { 'memory.limit': 64 * MI },
      { 'memory.limit': 32 * MI },
    ]);
    expect((await kuke.status(web)).state).toBe('Ready');
  }
});

test('a container that is made anew, and one that runs beside it', async () => {
  await kuke.put(web, of(main(), side(memory('32Mi'))));
  const [root] = pids();
  await kuke.put(web, of(main(memory('64Mi')), side({ ...memory('16Mi'), env: ['A=1'] })));
  expect(pids()[0]).toBe(root);
  expect([kuke.values(leaf()), kuke.values(leaf('side'))]).toEqual([
    { 'memory.limit': 64 * MI },
    { 'memory.limit': 16 * MI },
  ]);
});

test.each([
  [of(main(), side({ resources: { cpu: { limit: 8192 } } })), 'spec.containers[side].resources.cpu.limit'],
  [of(main({ resources: { memory: { limit: '4Pi' } } })), 'spec.containers[main].resources.memory.limit'],
  [
    { ...of(main(memory('64Mi'))), resources: { pids: { limit: 5 }, cpu: { limit: 8192 } } },
    'spec.resources.cpu.limit',
  ],
  [
    { ...of(main({ resources: { cpu: { cpuset: '1' } } })), resources: { cpu: { cpuset: '0' } } },
    'spec.containers[main].resources.cpu.cpuset',
  ],
])('%j is refused, and all stays as it was', async (spec, field) => {
  await kuke.put(web, of(main(memory('32Mi')), side()));
  const before = [kuke.host.inventory(), kuke.values(leaf()), kuke.values(web.group), pids()];
  const refused = await kuke.put(web, spec);
  expect(refused.error).toMatchObject({ code: 'InvalidManifest', details: { field } });
  expect([kuke.host.inventory(), kuke.values(leaf()), kuke.values(web.group), pids()]).toEqual(before);
});

test('a stopped cell is refused the same, and shows what its containers will have', async () => {
  await kuke.put(web, { ...of(main(memory('32Mi'))), desiredState: 'stopped' });
  expect((await contained('main')).resources).toEqual([{ field: 'memory.limit', value: '32Mi', from: 'spec' }]);
  expect((await kuke.put(web, of(main(memory('4Pi'))))).error?.code).toBe('InvalidManifest');
});

test('a cell and its container move to other CPUs together', async () => {
  const on = (cpuset: string, ofCell = cpuset) => ({
    ...of(main({ resources: { cpu: { cpuset } } })),
    resources: { cpu: { cpuset: ofCell } },
  });
  await kuke.put(web, on('0'));
  expect(told(await kuke.put(web, on('1')))).toBe('updated');
  expect([kuke.values(web.group), kuke.values(leaf())]).toEqual([{ 'cpu.cpuset': '1' }, { 'cpu.cpuset': '1' }]);
  expect((await kuke.put(web, on('0', '1'))).error?.details.field).toBe('spec.containers[main].resources.cpu.cpuset');
});

test('what the host cannot enforce is said by its field, and refused with --strict', async () => {
  kuke.host.controllers.clear();
  const spec = of(main(memory('64Mi')), side(memory('64Mi')));
  const calls = kuke.host.calls.length;
  expect((await kuke.put(web, spec, STRICT)).error).toMatchObject({
    code: 'HostNotReady',
    details: { field: 'spec.containers[main].resources.memory.limit' },
  });
  expect(kuke.host.calls.slice(calls)).toEqual([]);
  expect((await kuke.put(web, spec)).notes).toEqual([
    'spec.containers[main].resources.memory.limit is not enforced: no cgroup controller memory',
    'spec.containers[side].resources.memory.limit is not enforced: no cgroup controller memory',
  ]);
  expect((await kuke.status(web)).state).toBe('Ready');
  const [{ notEnforced } = {}] = (await contained('main')).resources as Fields[];
  expect(notEnforced).toBe('no cgroup controller memory');
  await kuke.change(cellRef('web'), to('stopped'), STOP);
  const [refused] = await kuke.change(cellRef('web'), to('running'), { ...START, strict: true });
  expect(refused?.error?.code).toBe('HostNotReady');
});

test('a container that asks for more than its cell or stack has is told of both', async () => {
  await kuke.put(stack, memory('100Mi'));
  const { notes } = await kuke.put(web, { ...memory('50Mi'), ...of(main(memory('200Mi'))) });
  expect(notes).toEqual([
    'spec.containers[main].resources.memory.limit asks for 200Mi, which is more than it can have in cell main/default/default/web (memory.limit 50Mi) and stack main/default/default (memory.limit 100Mi)',
  ]);
});

test('what an administrator wrote for a container stays while it runs', async () => {
  await kuke.put(web, of(main(memory('64Mi'))));
  kuke.write(leaf(), 'memory.limit', 48 * MI);
  expect(told(await kuke.put(web, of(main(memory('64Mi')))))).toBe('unchanged');
  expect((await contained('main')).resources).toEqual([
    { field: 'memory.limit', value: '48Mi', from: 'manual', asked: '64Mi' },
  ]);
});

test('what an administrator wrote for a container goes with its next start, which says so', async () => {
  await kuke.put(web, of(main(memory('64Mi')), side()));
  kuke.write(leaf(), 'memory.limit', 48 * MI);
  await kuke.change(cellRef('web'), to('stopped'), STOP);
  const [started] = await kuke.change(cellRef('web'), to('running'), START);
  expect(started?.notes).toEqual(['`main` starts with the limits of its manifest: memory.limit was 48Mi by hand']);
  expect(kuke.values(leaf())).toEqual({ 'memory.limit': 64 * MI });
});

test('CPUs that are not to be had are refused before anything changes, whatever else of the cell does', async () => {
  await kuke.put(realm, { resources: { cpu: { cpuset: '0-2' } } });
  const all = (limit: string, cpuset?: string, ofCell?: string) => ({
    ...of(main({ resources: { cpu: { ...(cpuset && { cpuset }) } } })),
    resources: { memory: { limit }, ...(ofCell && { cpu: { cpuset: ofCell } }) },
  });
  await kuke.put(web, all('128Mi', '0', '0'));
  const before = [kuke.values(web.group), kuke.values(leaf())];
  const calls = kuke.host.calls.length;
  // The machine's, the realm's, with the cell's lifted or not, and what somebody gave the cell by hand.
  for (const given of [all('64Mi', '9', '0'), all('64Mi', '9'), all('64Mi', '3'), all('64Mi', '1', '0')])
    expect((await kuke.put(web, given)).error).toMatchObject({
      code: 'InvalidManifest',
      details: { field: 'spec.containers[main].resources.cpu.cpuset' },
    });
  expect([kuke.values(web.group), kuke.values(leaf())]).toEqual(before);
  expect(kuke.host.calls.slice(calls)).toEqual([]);
  expect(told(await kuke.put(web, all('64Mi', '1-2')))).toBe('updated');
  expect(kuke.values(leaf())).toEqual({ 'cpu.cpuset': '1-2' });
  kuke.write(web.group, 'cpu.cpuset', '1');
  expect((await kuke.put(web, all('32Mi', '2'))).error?.code).toBe('InvalidManifest');
});

describe('what a plan changed that failed', () => {
  const io = { devices: [{ path: '/dev/vda', readBps: '1Mi' }] };
  const before = { ...of(main()), resources: { memory: { limit: '64Mi' }, io } };
  const after = { ...of(main(), side()), resources: { memory: { limit: '32Mi' } } };
  const held = { 'memory.limit': 16 * MI, 'io.devices./dev/vda.readBps': MI };
  beforeEach(async () => {
    await kuke.put(web, before);
    kuke.write(web.group, 'memory.limit', 16 * MI);
  });

  test('is as before, what an administrator wrote too', async () => {
    kuke.host.faults.fail('runtime.start', new Error('no'));
    expect(told(await kuke.put(web, after))).toContain('no');
    expect(kuke.values(web.group)).toEqual(held);
    // Nobody reads of a value that is not there any more.
    expect(kuke.notices.join()).toContain('set by hand: 16Mi; that has been undone');
    expect(told(await kuke.put(web, before))).toBe('unchanged');
    expect((await kuke.status(web)).resources).toMatchObject([{ value: '16Mi', from: 'manual', asked: '64Mi' }, {}]);
  });

  test('is as before when the next kuke takes it back, though the host has no such disk any more', async () => {
    void kuke.put(web, after);
    await kuke.host.faults.crash('runtime.start');
    expect(kuke.values(web.group)).toEqual({ 'memory.limit': 32 * MI });
    kuke.host.machine.disks.clear();
    kuke = await limited(await kuke.another());
    await kuke.put(stack);
    expect(kuke.values(web.group)).toEqual(held);
    expect(kuke.notices.join()).not.toContain('is not there');
  });
});

test.each(['side', 'the root'])(
  'a limit that the kernel refuses leaves all as it was, also where %s was to be made anew',
  async who => {
    const spec = (limit: string, more: Fields = {}) => ({
      ...memory(limit),
      ...of(
        main({ ...memory(limit), ...(who !== 'side' && more) }),
        side({ ...memory(limit), ...(who === 'side' && more) }),
      ),
    });
    await kuke.put(web, spec('64Mi'));
    const state = () => [web.group, leaf(), leaf('side')].map(group => kuke.values(group));
    const before = [kuke.host.inventory(), state(), pids()];
    // The others of a new root begin anew with it, and get their limits with their leaves.
    for (const nth of who === 'side' ? [1, 2] : [1]) {
      kuke.host.faults.fail('cgroup.limit', new Error('EBUSY'), { nth });
      expect(told(await kuke.put(web, spec('32Mi', { env: ['A=1'] })))).toContain('cgroup.limit: EBUSY');
      expect([kuke.host.inventory(), state(), pids()]).toEqual(before);
      expect(told(await kuke.put(web, spec('64Mi')))).toBe('unchanged');
    }
    expect(told(await kuke.put(web, spec('32Mi', { env: ['A=1'] })))).toBe('updated');
  },
);

describe('nothing stays of a leaf', () => {
  const leaves = () => [...kuke.host.cgroups.keys()].filter(path => path.startsWith(`${web.group}/`));

  test.each([
    ['cgroup.leaf', false],
    ['cgroup.leaf', true],
    ['runtime.start', false],
    ['runtime.start', true],
  ] as const)('whose %s fails (after its effect: %p)', async (action, after) => {
    const before = kuke.host.inventory();
    kuke.host.faults.fail(action, new Error('no'), { after });
    expect(told(await kuke.put(web, of(main(memory('64Mi')), side())))).toContain('no');
    expect(kuke.host.inventory().filter(line => !line.startsWith('network'))).toEqual(
      before.filter(line => !line.startsWith('network')),
    );
  });

  test('when a start fails of a plan that is gone on with: the next command takes it away', async () => {
    await kuke.put(web, of(main()));
    kuke.host.faults.fail('runtime.start', new Error('no'), { nth: 'every' });
    // A new container takes the old one away, so this is not undone.
    expect(told(await kuke.put(web, of(main({ env: ['A=1'] }))))).toContain('no');
    expect(leaves()).toEqual([leaf()]);
    await kuke.apply('{ apiVersion: v1beta1, kind: Realm, metadata: { name: other } }');
    expect(leaves()).toEqual([]);
  });

  test('of a container that is taken out, and of a cell that is deleted', async () => {
    await kuke.put(web, of(main(), side()));
    expect(leaves().sort()).toEqual([leaf('side'), leaf()]);
    await kuke.put(web, of(main()));
    expect(leaves()).toEqual([leaf()]);
    await kuke.remove([cellRef('web')]);
    expect(leaves()).toEqual([]);
  });

  test('and that of a task stays with it: of what runs, and of what has ended', async () => {
    await kuke.put(web, of(main(), side()));
    kuke.host.exit('kukeon-main', 'default_default_web_side', 3);
    await kuke.apply('{ apiVersion: v1beta1, kind: Realm, metadata: { name: other } }');
    expect(leaves().sort()).toEqual([leaf('side'), leaf()]);
  });
});

test('a container whose group the runtime has made gets its limits all the same, whoever comes next', async () => {
  await kuke.put(web, of(main(memory('64Mi'))));
  kuke.host.cgroups.set(leaf(), { ours: false });
  await kuke.apply('{ apiVersion: v1beta1, kind: Realm, metadata: { name: other } }');
  expect(kuke.values(leaf())).toEqual({ 'memory.limit': 64 * MI });
});
