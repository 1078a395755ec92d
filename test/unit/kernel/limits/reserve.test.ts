/** What `kuke init` keeps of the host: limits of `/kukeon`. */
import { beforeEach, expect, test } from 'bun:test';
import { cpus, totalmem } from 'node:os';
import { init } from '../../../../src/kernel/host.ts';
import { makeJournal } from '../../../../src/kernel/journal.ts';
import { changedReserve, type Reserve, readReserve } from '../../../../src/kernel/reserve.ts';
import { kernelOnFakes } from '../kernel-on-fakes.ts';
import { type Limited, limited, MI, realm, told, web } from './limited.ts';

const ALL = totalmem();
const CPUS = cpus().length;

let kuke: Limited;
beforeEach(async () => {
  kuke = await limited();
});

const keep = async (reserve: Reserve, on: Pick<Limited, 'kernel' | 'engine'> = kuke) => {
  const resources = await kuke.read('{ apiVersion: v1beta1, kind: Realm, metadata: { name: main } }');
  return init(on.kernel, makeJournal(`${kuke.kernel.settings.runPath}`), [...resources], {}, on.engine, reserve);
};
const whole = (bytes: number) => bytes - (bytes % MI);

test('is kept from all that kuke runs, and told apart by what is named', async () => {
  await keep({ memory: 64 * MI, cpus: 0.5 });
  expect(kuke.values('/kukeon')).toEqual({ 'memory.limit': whole(ALL - 64 * MI), 'cpu.limit': CPUS - 0.5 });
  await keep({ memory: 128 * MI });
  expect(kuke.values('/kukeon')).toEqual({ 'memory.limit': whole(ALL - 128 * MI), 'cpu.limit': CPUS - 0.5 });
  expect(await readReserve(kuke.kernel.use)).toEqual({ memory: 128 * MI, cpus: 0.5 });
  await keep({});
  await keep({ memory: 0 });
  expect(kuke.values('/kukeon')).toEqual({ 'cpu.limit': CPUS - 0.5 });
  await keep({ cpus: 0 });
  expect(kuke.values('/kukeon')).toEqual({});
});

test('is there before anything else when the host is new', async () => {
  const { host, kernel, engine } = await kernelOnFakes();
  await keep({ memory: 64 * MI }, { kernel, engine });
  const seen = host.calls.filter(({ action }) => action.startsWith('cgroup.'));
  expect(seen.map(({ action, params }) => `${action} ${(params as { path: string }).path}`)).toEqual([
    'cgroup.create /kukeon',
    'cgroup.limit /kukeon',
    'cgroup.create /kukeon/main',
  ]);
});

test('is written again after a reboot, and where the group has been lost', async () => {
  await keep({ memory: 64 * MI });
  kuke.host.reboot();
  kuke = await limited(await kuke.another());
  await kuke.put(web);
  expect(kuke.values('/kukeon')).toEqual({ 'memory.limit': whole(ALL - 64 * MI) });
  const file = kuke.host.store.files.get('reserve.json') ?? '';
  kuke.host.store.files.set('reserve.json', file.replace(`${64 * MI}`, `${32 * MI}`));
  await kuke.put(web);
  expect(kuke.values('/kukeon')).toEqual({ 'memory.limit': whole(ALL - 32 * MI) });
});

test('what an administrator wrote there stays', async () => {
  await keep({ memory: 64 * MI });
  kuke.write('/kukeon', 'memory.limit', 5 * MI);
  expect(told(await kuke.put(realm))).toBe('unchanged');
  expect(kuke.values('/kukeon')).toEqual({ 'memory.limit': 5 * MI });
});

test('holds for all below, who are told', async () => {
  await keep({ memory: ALL - 64 * MI });
  const { notes } = await kuke.put(realm, { resources: { memory: { limit: '128Mi' } } });
  expect(notes).toEqual([
    'spec.resources.memory.limit asks for 128Mi, which is more than it can have in all that kuke runs (memory.limit 64Mi)',
  ]);
});

test.each([
  [{ memory: ALL }, 'of memory'],
  [{ memory: -1 }, 'cannot be kept'],
  [{ cpus: CPUS }, `this host has ${CPUS} CPUs`],
  [{ cpus: -0.5 }, 'cannot be kept'],
  // The kernel gives a group no less than a hundredth of a CPU.
  [
    { cpus: CPUS - 0.005 },
    `this host has ${CPUS} CPUs, so that kuke would have 0.005 of a CPU, and 0.01 of a CPU is the least`,
  ],
  [{ memory: ALL - 15 * 1024 }, 'so that kuke would have 15Ki, and 1Mi is the least'],
])('%j is refused, and what was kept stays', async (given, why) => {
  await keep({ memory: 64 * MI });
  await expect(keep(given)).rejects.toMatchObject({ code: 'Usage', message: expect.stringContaining(why) });
  expect(await readReserve(kuke.kernel.use)).toEqual({ memory: 64 * MI });
  expect(kuke.values('/kukeon')).toEqual({ 'memory.limit': whole(ALL - 64 * MI) });
});

test('leaves whole MiB, whatever part of one it was said in', async () => {
  await keep({ memory: 64 * MI + 0.4 });
  expect(kuke.values('/kukeon')).toEqual({ 'memory.limit': whole(ALL - 64 * MI - 0.4) });
});

test('that the kernel refuses is not kept', async () => {
  await keep({ memory: 64 * MI });
  kuke.host.faults.fail('cgroup.limit', new Error('EBUSY'));
  await expect(keep({ memory: 32 * MI })).rejects.toThrow('EBUSY');
  expect(await readReserve(kuke.kernel.use)).toEqual({ memory: 64 * MI });
  expect(kuke.values('/kukeon')).toEqual({ 'memory.limit': whole(ALL - 64 * MI) });
});

test('where the host enforces none of it, the person is told', async () => {
  kuke.host.controllers.clear();
  await keep({ memory: 64 * MI, cpus: 0.5 });
  expect(kuke.notices).toContain('warning: --reserve-memory is not enforced: no cgroup controller memory');
  expect(kuke.notices).toContain('warning: --reserve-cpu is not enforced: no cgroup controller cpu');
});

test('a first init that fails, and an uninstall, leave nothing of it', async () => {
  const first = await kernelOnFakes();
  first.host.faults.fail('runtime.createNamespace', new Error('no'));
  const [outcome] = await keep({ memory: 64 * MI }, first);
  expect(outcome?.error?.message).toBe('no');
  expect(first.host.inventory()).toEqual([]);
  await keep({ memory: 64 * MI });
  await kuke.uninstall();
  expect(kuke.host.inventory()).toEqual([]);
});

test('a file that somebody else has written is named', async () => {
  kuke.host.store.files.set('reserve.json', '{"memory": "all"}');
  expect((await kuke.put(realm)).error).toMatchObject({ code: 'MetadataCorrupt' });
  expect(changedReserve({ memory: 1 }, {})).toEqual({ memory: 1 });
});
