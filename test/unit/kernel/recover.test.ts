/** What a kuke that died has left and the next one cannot undo or finish yet. */
import { beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Outcome } from '../../../src/kernel/apply.ts';
import { KukeError } from '../../../src/kernel/errors.ts';
import { supersede } from '../../../src/kernel/recover.ts';
import { addImage } from '../../fakes/index.ts';
import { descriptorsIn } from './descriptors.ts';
import { cellRef, cellYaml, kernelOnFakes, type TestKernel } from './kernel-on-fakes.ts';

let folder: string;
let kuke: TestKernel;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kuke-recover-'));
  kuke = await kernelOnFakes({ folder });
  await kuke.init();
  const namespace = kuke.host.runtime.namespaces.get('kukeon-main');
  if (namespace === undefined) throw new Error('no namespace');
  addImage(namespace, { name: 'busybox', cmd: ['sleep', '1000'] });
});

const results = (outcomes: Outcome[]) => outcomes.map(({ result, error }) => (error ? error.summary : result));
const journals = (): string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);
const left = (): string[] => kuke.host.inventory().map(line => line.replace(/ with bridge$/, ''));

/** A kuke that died as it began to do this; the next one. */
async function died(doing: Promise<unknown>, at: string): Promise<TestKernel> {
  void doing;
  await kuke.host.faults.crash(at);
  kuke = await kuke.another();
  return kuke;
}

test('what died when all was done but its status, which was from before, has it stored by whoever applies it again', async () => {
  await kuke.apply(cellYaml('web'));
  const stopped = cellYaml('web').replace('containers:', 'desiredState: stopped, containers:');
  void kuke.apply(stopped);
  // The first is the manifest's, the second the status's.
  await kuke.host.faults.crash('store.write', { nth: 2 });
  kuke = await kuke.another();
  expect(journals()).toEqual([]);
  expect(results(await kuke.apply(stopped))).toEqual(['unchanged']);
  expect(kuke.notices).toEqual([]);
  const stored = [...kuke.host.store.manifests.values()].find(({ ref }) => ref.path.at(-1) === 'web');
  expect(stored?.manifest.status).toMatchObject({ state: 'Stopped', observedAt: expect.any(String) });
});

describe('a delete that cannot be finished', () => {
  beforeEach(async () => {
    await kuke.apply(cellYaml('web'));
    await died(kuke.remove([cellRef('web')]), 'runtime.remove');
  });

  test('stays in the journal, is told of with the way out, and is finished as soon as that can be', async () => {
    kuke.host.faults.fail('runtime.remove', new Error('its plugin is away'), { nth: 'every' });
    const open = descriptorsIn(folder);
    for (let round = 1; round <= 2; round++) {
      kuke.notices.splice(0);
      expect(results(await kuke.apply(cellYaml(`other${round}`)))).toEqual(['created']);
      const [first, second, third] = kuke.notices;
      expect(first).toBe('an earlier command that did not end could not be finished whole: kuke test');
      expect(second).toContain('its plugin is away');
      expect(third).toBe(`  the next command tries again; to give it up, remove ${join(folder, journals()[0] ?? '')}`);
    }
    // A daemon takes it up again and again.
    expect(descriptorsIn(folder)).toEqual(open);
    kuke.host.faults.clear();
    await kuke.remove(['other1', 'other2'].map(cellRef));
    expect(journals()).toEqual([]);
    expect(left().filter(line => line.endsWith('/web') || line.includes('_web_'))).toEqual([]);
  });

  test('that takes its time is told of meanwhile', async () => {
    const held = kuke.host.faults.pause('runtime.remove');
    const applying = kuke.apply(cellYaml('other'));
    await held.reached;
    while (kuke.notices.length === 0) await Bun.sleep(20);
    expect(kuke.notices).toEqual(['an earlier command that did not end is being finished: kuke test']);
    held.resume();
    expect(results(await applying)).toEqual(['created']);
    expect(kuke.notices.at(-1)).toBe('an earlier command that did not end has been finished: kuke test');
  });

  test('nor while somebody presses Ctrl-C is it forgotten', async () => {
    const controller = new AbortController();
    kuke.engine.signal = controller.signal;
    const held = kuke.host.faults.pause('runtime.remove');
    const applying = kuke.apply(cellYaml('other'));
    await held.reached;
    controller.abort(new KukeError('Cancelled', 'cancelled by SIGINT'));
    held.resume();
    expect((await applying)[0]?.error?.code).toBe('Cancelled');
    expect(journals()).toHaveLength(1);
    const next = await kuke.another();
    await next.apply(cellYaml('other'));
    expect(next.notices).toEqual(['an earlier command that did not end has been finished: kuke test']);
    expect(left().filter(line => line.endsWith('/web') || line.includes('_web_'))).toEqual([]);
  });

  test('whose operation no plugin provides is kept until one does', async () => {
    const [name = ''] = journals();
    const text = readFileSync(join(folder, name), 'utf8');
    const strange = text.replaceAll('"runtime.remove"', '"stranger.remove"');
    expect(strange).not.toBe(text);
    writeFileSync(join(folder, name), strange);
    await kuke.apply(cellYaml('other'));
    expect(kuke.notices.join('\n')).toContain('no plugin provides the operation stranger.remove');
    expect(journals()).toEqual([name]);
    let ran = 0;
    kuke.kernel.operations.add({ type: 'stranger.remove', apply: async () => ran++, explain: () => '' });
    await kuke.apply(cellYaml('third'));
    expect(ran).toBe(1);
    expect(journals()).toEqual([]);
  });

  test('is not finished on what was made under that name since', async () => {
    kuke.host.faults.fail('runtime.remove', new Error('busy'));
    const start = { verb: 'start', stopTimeoutMs: 1000 } as const;
    const outcomes = await kuke.change(cellRef('web'), spec => ({ ...spec, desiredState: 'running' }), start);
    expect([...results(outcomes), kuke.notices.join()]).toEqual(['updated', expect.stringContaining('busy')]);
    expect(journals()).toEqual([]);
    const whole = left();
    await kuke.apply(cellYaml('other'));
    await kuke.remove([cellRef('other')]);
    expect(left()).toEqual(whole);
    expect((await kuke.get('Cell', ...cellRef('web').path)).manifest.status?.state).toBe('Ready');
  });
});

test('a delete that cannot be finished is not forgotten over what is due of itself', async () => {
  await kuke.apply(cellYaml('web'));
  await died(kuke.remove([cellRef('web')]), 'network.detach');
  for (const action of ['network.detach', 'runtime.remove']) kuke.host.faults.fail(action, new Error('busy'));
  const before = kuke.host.calls.length;
  expect(results(await kuke.apply(cellYaml('other')))).toEqual(['created']);
  // The cell's root has ended, so its network is taken down, just after the delete could not be finished.
  const detached = kuke.host.calls.slice(before).filter(({ action }) => action === 'network.detach');
  expect(detached.map(({ state }) => state)).toEqual(['failed', 'done']);
  expect(journals()).toHaveLength(1);
  await kuke.apply(cellYaml('third'));
  expect(left().filter(line => line.endsWith('/web') || line.includes('_web_'))).toEqual([]);
});

test('a create that could not be undone is not undone on what was made under that name since', async () => {
  await died(kuke.apply(cellYaml('web')), 'runtime.start');
  kuke.host.faults.fail('cgroup.remove', new Error('busy'));
  expect(results(await kuke.apply(cellYaml('web')))).toEqual(['created']);
  expect(kuke.notices.join('\n')).toContain('busy');
  const whole = left();
  await kuke.apply(cellYaml('other'));
  await kuke.remove([cellRef('other')]);
  expect(left()).toEqual(whole);
});

describe('a change that is called off before it has ended anything', () => {
  const changed = (memory: string, env: string) =>
    cellYaml('web', `[{ id: web, image: busybox, root: true, env: ['A=${env}'] }]`).replace(
      'containers:',
      `resources: { memory: { limit: ${memory} } }, containers:`,
    );
  const state = () => ({
    all: left(),
    limits: [...(kuke.host.cgroups.get('/kukeon/main/default/default/web')?.values ?? [])],
    env: [...kuke.host.store.manifests.values()].find(({ ref }) => ref.kind === 'Cell')?.manifest.spec,
    pids: [...(kuke.host.runtime.namespaces.get('kukeon-main')?.containers.values() ?? [])].map(
      ({ task }) => task?.pid,
    ),
  });
  let before: ReturnType<typeof state>;
  beforeEach(async () => {
    expect(results(await kuke.apply(changed('64Mi', 'b')))).toEqual(['created']);
    before = state();
    // Its first step that cannot be undone is refused.
    kuke.kernel.hooks.tap('test', 'step:before', ({ type }) => {
      if (kuke.kernel.operations.get(type).irreversible) throw new Error('not now');
    });
  });

  test.each(['store.write', 'cgroup.restore'])('and killed while being undone, in %s, is undone further', async at => {
    void kuke.apply(changed('128Mi', 'c'));
    // The first is the change's.
    await kuke.host.faults.crash(at, { nth: at === 'store.write' ? 2 : 1 });
    expect(state()).not.toEqual(before);
    kuke = await kuke.another();
    await kuke.apply('{ apiVersion: v1beta1, kind: Realm, metadata: { name: other } }');
    expect(kuke.notices).toEqual(['an earlier command that did not end has been undone: kuke test']);
    await kuke.remove([{ kind: 'Realm', path: ['other'] }]);
    expect(state()).toEqual(before);
    expect(journals()).toEqual([]);
  });

  test('and cannot be undone whole stays in the journal until it is', async () => {
    kuke.host.faults.fail('cgroup.restore', new Error('busy'));
    const open = descriptorsIn(folder);
    const [outcome] = await kuke.apply(changed('128Mi', 'c'));
    expect(outcome?.error?.also.map(({ message }) => message)).toEqual(['busy']);
    expect(journals()).toHaveLength(1);
    expect(descriptorsIn(folder)).toEqual(open);
    kuke = await kuke.another();
    await kuke.apply('{ apiVersion: v1beta1, kind: Realm, metadata: { name: other } }');
    await kuke.remove([{ kind: 'Realm', path: ['other'] }]);
    expect(state()).toEqual(before);
    expect(journals()).toEqual([]);
  });
});

test('a journal that cannot be read is told of by each command, and holds nobody up', async () => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, '0-x.jsonl'), 'garbage\n{"event":"start","step":"1"}\n');
  const path = join(folder, '0-x.unreadable');
  for (const name of ['a', 'b']) {
    expect(results(await kuke.apply(cellYaml(name)))).toEqual(['created']);
    expect(kuke.notices.splice(0)).toEqual([expect.stringContaining(`cannot be read: ${path}: `)]);
  }
  rmSync(path);
  await kuke.apply(cellYaml('c'));
  expect(kuke.notices).toEqual([]);
});

test('of what cannot be finished, only the part that another plan has seen to is dropped, and once', () => {
  const log: string[] = [];
  const journal = {
    start: () => {},
    done: () => {},
    undoing: () => {},
    reverted: () => {},
    dropped: (step: string) => void log.push(`dropped ${step}`),
    close: () => void log.push('closed'),
    leave: () => {},
  };
  const step = (id: string, resource: string) => ({
    id,
    type: 'cgroup.remove' as const,
    params: {},
    after: [],
    resource,
  });
  const steps = [step('1', 'cell a'), step('2', 'cell b')];
  const rest = { id: 'x', path: '/x', onFailure: 'goOn', command: 'kuke test', journal } as const;
  const plan = { ...rest, steps, started: new Map(), results: new Map() };
  const left = supersede([plan], new Set(['cell a']));
  expect([left, log.splice(0)]).toEqual([[plan], ['dropped 1']]);
  const single = { ...plan, steps: steps.slice(0, 1) };
  expect([supersede([single], new Set(['cell a'])), log]).toEqual([[], ['dropped 1', 'closed']]);
});
