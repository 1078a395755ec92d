/** What `kuke doctor` cannot look at is neither well nor put right; and what it puts right, it does beside others. */
import { beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { diagnose, repair } from '../../../src/kernel/doctor.ts';
import { makeJournal } from '../../../src/kernel/journal.ts';
import { definePlugin, type Finding } from '../../../src/plugin.ts';
import { addImage, publish } from '../../fakes/index.ts';
import { cellRef, cellYaml, kernelOnFakes, type TestKernel } from './kernel-on-fakes.ts';

let kuke: TestKernel;
/** What the plugin does when it is asked the n-th time, from 1. */
let looked: (time: number, findings: Finding[]) => void;
let times: number;
const looking = definePlugin({
  name: 'looking',
  version: '1.0.0',
  setup: kernel => void kernel.hook('doctor', ({ findings }) => looked(++times, findings)),
});

const GROUP = '/kukeon/main/default/gone';
const DEFAULT = '/kukeon/main/default/default';
const namespace = () => {
  const found = kuke.host.runtime.namespaces.get('kukeon-main');
  if (found === undefined) throw new Error('no namespace');
  return found;
};

beforeEach(async () => {
  times = 0;
  looked = () => {};
  kuke = await kernelOnFakes({ plugins: [looking] });
  await kuke.init();
  addImage(namespace(), { name: 'busybox', cmd: ['sleep', '1000'] });
});

const journal = makeJournal('/none');
const doctor = () => diagnose(kuke.kernel, journal);
const fix = () => repair(kuke.kernel, journal, kuke.engine);
const short = (found: Awaited<ReturnType<typeof fix>>) =>
  found.map(({ code, resource, fixed }) => [code, resource, fixed]);

test('a journal that cannot be read is a finding', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kuke-doctor-'));
  symlinkSync('journal', join(folder, 'journal'));
  const found = await diagnose(kuke.kernel, makeJournal(join(folder, 'journal')));
  rmSync(folder, { recursive: true });
  expect(found).toMatchObject([{ level: 'error', code: 'Conflict', what: expect.stringContaining('ELOOP') }]);
});

test('a plugin that cannot look is a finding, and nobody takes what it named for put right', async () => {
  const orphan = { level: 'error', code: 'OrphanThing', what: 'thing 1 is of nobody', fix: async () => {} } as const;
  looked = (time, findings) => {
    if (time > 1) throw new Error('out of sight');
    findings.push(orphan);
  };
  expect(short(await fix())).toEqual([
    ['OrphanThing', undefined, false],
    ['PluginFailed', undefined, false],
  ]);
  expect(await doctor()).toEqual([
    {
      level: 'error',
      code: 'PluginFailed',
      what: 'hook doctor of plugin looking: out of sight',
      remedy: expect.any(String),
      fixable: false,
    },
  ]);
  expect(kuke.notices).toEqual([]);
});

test('nor is anything put right when the runtime stops answering meanwhile', async () => {
  kuke.host.cgroups.set(GROUP, { ours: true });
  // Asked by the first look, with the lock, and by the second look; by the last one it is away.
  kuke.host.faults.fail('runtime.ping', new Error('it is away'), { nth: 4 });
  expect(short(await fix())).toEqual([
    ['OrphanCgroup', undefined, false],
    ['RuntimeUnavailable', undefined, false],
  ]);
  expect(await doctor()).toEqual([]);
});

test('what is due of a resource is one finding, whatever of it has been done', async () => {
  await kuke.apply(cellYaml('web'));
  namespace().containers.clear();
  kuke.host.faults.fail('runtime.start', new Error('no start'), { nth: 'every' });
  looked = time => {
    if (time === 3) kuke.host.cgroups.delete(`${DEFAULT}/web`);
  };
  const found = await fix();
  expect(short(found)).toEqual([['NotAsApplied', 'cell main/default/default/web', false]]);
  expect(found[0]?.what).toContain('cgroup.create');
  expect(found[0]?.what).toContain('no start');
});

test.each([
  ['', 1],
  [', another command of the same process too', process.pid],
])(
  'a kuke that was at work when the host began to be looked at is named, though it has ended by then%s',
  async (_, pid) => {
    const store = await kuke.kernel.use('store');
    const holder = { pid, command: 'kuke apply -f x.yaml' };
    // Until plugins look.
    store.lockState = async () => ({ path: '/run/x.lock', ...(times === 0 && { heldBy: holder, writtenBy: holder }) });
    expect(await doctor()).toMatchObject([
      { code: 'Busy', what: expect.stringContaining(`pid ${pid}, kuke apply -f x.yaml`) },
    ]);
  },
);

test.each([1, 2, 3])(
  'what a kuke was at that began and ended while it was looked is told in no way, by look %d',
  async until => {
    const store = await kuke.kernel.use('store');
    store.lockState = async () => ({ path: '/run/x.lock', turn: `${Math.min(times, until)}` });
    looked = (time, findings) => {
      if (time <= until) findings.push({ level: 'error', code: 'OrphanThing', what: 'half-made' });
    };
    const found = await doctor();
    if (until < 3) expect(found).toEqual([]);
    else
      expect(found).toMatchObject([
        { code: 'OrphanThing' },
        { code: 'Busy', what: expect.stringContaining('all the while') },
      ]);
  },
);

test('a plan of a command that has ended by the second look was not left by anybody', async () => {
  const one = { path: '/none/1.jsonl', command: 'kuke create stack short', resources: [] };
  const other = { path: '/none/2.jsonl', command: 'kuke create stack left', resources: [] };
  const looks = [[one, other], [other]];
  const moving = { ...journal, look: () => ({ left: looks.shift() ?? [], unreadable: [], foreign: [] }) };
  expect(await diagnose(kuke.kernel, moving)).toMatchObject([
    { code: 'JournalLeft', what: 'an earlier command did not end: kuke create stack left' },
  ]);
});

test.each([
  ['space main/default', 'space:main/default', 'stack main/default/default', 'space default --realm main'],
  [
    'stack main/default/default',
    'stack:main/default/default',
    'cell main/default/default/web',
    'stack default --realm main --space default',
  ],
])('%s without its manifest is a finding, while something lies in it', async (resource, key, below, create) => {
  await kuke.apply(cellYaml('web'));
  const lost = kuke.host.store.manifests.get(key);
  kuke.host.store.manifests.delete(key);
  const found = await doctor();
  expect(found).toContainEqual({
    level: 'error',
    code: 'ParentMissing',
    resource,
    what: expect.stringContaining(below),
    remedy: `apply its manifest again, or \`sudo kuke create ${create}\`, which gives it none of its settings`,
    fixable: false,
  });
  if (lost) kuke.host.store.manifests.set(key, lost);
  expect(await doctor()).toEqual([]);
});

test('a group of nobody in which somebody runs something is not emptied unasked', async () => {
  kuke.host.cgroups.set(GROUP, { ours: true });
  kuke.host.strangers.push({ pid: 42, command: 'sleep 1000', path: GROUP });
  const found = await fix();
  expect(found).toMatchObject([
    {
      code: 'OrphanCgroup',
      fixed: false,
      what: expect.stringContaining('42 (sleep 1000) in /kukeon/main/default/gone'),
    },
  ]);
  expect(kuke.host.cgroups.has(GROUP)).toBe(true);
  kuke.host.strangers.splice(0);
  expect(short(await fix())).toEqual([['OrphanCgroup', undefined, true]]);
});

test('what has to be pulled is pulled while others have the lock', async () => {
  await kuke.apply(cellYaml('web'));
  namespace().containers.clear();
  namespace().images.clear();
  publish(kuke.host, { name: 'busybox', cmd: ['sleep', '1000'] });
  const pause = kuke.host.faults.pause('images.pull');
  const fixed = fix();
  await pause.reached;
  expect(kuke.host.store.holder).toBeUndefined();
  pause.resume();
  expect(short(await fixed)).toEqual([['NotAsApplied', 'cell main/default/default/web', true]]);
  expect((await kuke.get('Cell', ...cellRef('web').path)).manifest.status?.state).toBe('Ready');
});

test('a pull that fails is told of its cell', async () => {
  await kuke.apply(cellYaml('web'));
  namespace().containers.clear();
  namespace().images.clear();
  const found = await fix();
  expect(short(found)).toEqual([['NotAsApplied', 'cell main/default/default/web', false]]);
  expect(found[0]?.what).toContain('busybox');
});

test('a cell that was stopped has no group after a reboot, and is as it is to be', async () => {
  await kuke.apply(cellYaml('web'));
  const stopped = { verb: 'stop', stopTimeoutMs: undefined } as const;
  await kuke.change(cellRef('web'), spec => ({ ...spec, desiredState: 'stopped' }), stopped);
  kuke.host.reboot();
  kuke = await kuke.another();
  await fix();
  expect(kuke.host.cgroups.has(`${DEFAULT}/web`)).toBe(false);
  expect(await doctor()).toEqual([]);
  const started = { verb: 'start', stopTimeoutMs: undefined } as const;
  const outcomes = await kuke.change(cellRef('web'), spec => ({ ...spec, desiredState: 'running' }), started);
  expect(outcomes).toMatchObject([{ result: 'updated' }]);
  expect(kuke.host.inventory()).toContain(`cgroup ${DEFAULT}/web`);
});

test('a cell that had ended for good before a reboot has still ended as it did, and is not started again', async () => {
  const ended = { well: 0, bad: 4 };
  for (const [name, exitCode] of Object.entries(ended)) {
    await kuke.apply(cellYaml(name));
    kuke.host.exit('kukeon-main', `default_default_${name}_root`, exitCode);
  }
  await kuke.apply(cellYaml('cut'));
  kuke.host.reboot();
  kuke = await kuke.another();
  await fix();
  expect(await doctor()).toEqual([]);
  expect(await kuke.apply(cellYaml('well'))).toMatchObject([{ result: 'unchanged' }]);
  const statusOf = async (name: string) => (await kuke.get('Cell', 'main', 'default', 'default', name)).manifest.status;
  expect(await statusOf('well')).toMatchObject({
    state: 'Stopped',
    reason: 'Completed',
    containers: [{ exitCode: 0 }],
  });
  expect(await statusOf('bad')).toMatchObject({ state: 'Failed', reason: 'RootExited', containers: [{ exitCode: 4 }] });
  expect(await statusOf('cut')).toMatchObject({ state: 'Ready', containers: [{ state: 'Running' }] });
});
