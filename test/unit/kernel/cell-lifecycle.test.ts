import { beforeEach, describe, expect, test } from 'bun:test';
import type { KukeError } from '../../../src/kernel/errors.ts';
import { DEFAULT_STOP_TIMEOUT_MS, type PlanOptions, type Verb } from '../../../src/kernel/planning.ts';
import { addImage, publish } from '../../fakes/index.ts';
import { cellRef, cellYaml, kernelOnFakes, type TestKernel } from './kernel-on-fakes.ts';

const sleeper = '[{ id: web, image: busybox, root: true }, { id: side, image: busybox }]';
const verb = (name: Verb): PlanOptions => ({ verb: name, stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS });
const set = (desiredState: string) => (spec: Record<string, unknown>) => ({ ...spec, desiredState });

let kuke: TestKernel;
let empty: string[];

/** A bridge comes with the first cell, and goes with the space. */
const left = (): string[] => kuke.host.inventory().map(line => line.replace(/ with bridge$/, ''));

function withImages(on: TestKernel): void {
  const namespace = on.host.runtime.namespaces.get('kukeon-main');
  if (namespace === undefined) throw new Error('no namespace');
  addImage(namespace, { name: 'busybox', cmd: ['sleep', '1000'] });
  addImage(namespace, { name: 'other', cmd: ['sleep', '2000'] });
}

beforeEach(async () => {
  kuke = await kernelOnFakes();
  const outcomes = await kuke.init();
  expect(outcomes.map(({ result }) => result)).toEqual(['created', 'created', 'created']);
  withImages(kuke);
  empty = left();
});

interface Status {
  state: string;
  reason?: string;
  message?: string;
  attachments: { attachmentId: string }[];
  containers: { id: string; root?: true; state: string; pid: number }[];
}

const statusOf = async (on: TestKernel, name: string): Promise<Status> =>
  (await on.get('Cell', 'main', 'default', 'default', name)).manifest.status as unknown as Status;

const results = (outcomes: { result: string; error?: Error }[]) =>
  outcomes.map(({ result, error }) => (error ? `${result}: ${error.message}` : result));

describe('a cell', () => {
  test('whose hash is that of another one is refused, and takes nothing from that', async () => {
    await kuke.apply(cellYaml('cqxj'));
    const before = left();
    // SHA-256 of both places begins with 0b5a144b.
    expect(results(await kuke.apply(cellYaml('c403t')))).toEqual([
      expect.stringMatching(/^failed: .*0b5a144b, as cell main\/default\/default\/cqxj's is$/),
    ]);
    expect(left()).toEqual(before);
    await kuke.remove([cellRef('cqxj')]);
    expect(results(await kuke.apply(cellYaml('c403t')))).toEqual(['created']);
    expect(results(await kuke.apply(cellYaml('c403t')))).toEqual(['unchanged']);
  });

  test('comes up with one address, is unchanged when applied again, and leaves nothing', async () => {
    expect(results(await kuke.apply(cellYaml('web', sleeper)))).toEqual(['created']);
    const status = await statusOf(kuke, 'web');
    expect(status).toMatchObject({ state: 'Ready', containers: [{ state: 'Running' }, { state: 'Running' }] });
    expect(status.attachments.length).toBe(1);
    expect(status.containers.map(({ root }) => root)).toEqual([true, undefined]);
    expect(results(await kuke.apply(cellYaml('web', sleeper)))).toEqual(['unchanged']);
    expect(results(await kuke.remove([cellRef('web')]))).toEqual(['deleted']);
    expect(left()).toEqual(empty);
  });

  test('that loses its containers loses its network with them', async () => {
    await kuke.apply(cellYaml('web', sleeper));
    expect(results(await kuke.apply(cellYaml('web', '[]')))).toEqual(['updated']);
    expect(await statusOf(kuke, 'web')).toMatchObject({ state: 'Pending', attachments: [], containers: [] });
    expect(kuke.host.netns.size).toBe(0);
    expect(results(await kuke.apply(cellYaml('web', '[]')))).toEqual(['unchanged']);
    expect(results(await kuke.apply(cellYaml('web', sleeper)))).toEqual(['updated']);
    expect(await statusOf(kuke, 'web')).toMatchObject({ state: 'Ready' });
  });

  test('starts its root first, after its network is there', async () => {
    await kuke.apply(cellYaml('web', sleeper));
    const done = kuke.host.calls.filter(call => /attach|start/.test(call.action));
    expect(done.map(call => call.action)).toEqual(['network.attach', 'runtime.start', 'runtime.start']);
    expect(done[1]?.params).toMatchObject({ id: 'default_default_web_root' });
  });

  test('a changed image of a container recreates that one alone; the root’s, all of them', async () => {
    await kuke.apply(cellYaml('web', sleeper));
    const pids = async () => (await statusOf(kuke, 'web')).containers.map(one => one.pid);
    const [root, side] = await pids();
    const [outcome] = await kuke.apply(cellYaml('web', sleeper.replace('side, image: busybox', 'side, image: other')));
    expect(outcome).toMatchObject({
      result: 'updated',
      changes: [{ path: 'spec.containers[side].image', from: 'busybox', to: 'other' }],
    });
    const [sameRoot, newSide] = await pids();
    expect(sameRoot).toBe(root ?? 0);
    expect(newSide).not.toBe(side ?? 0);
    await kuke.apply(cellYaml('web', sleeper.replace('web, image: busybox', 'web, image: other')));
    const [newRoot, newerSide] = await pids();
    expect(newRoot).not.toBe(root ?? 0);
    expect(newerSide).not.toBe(newSide ?? 0);
  });

  test('a container that is taken out of the manifest goes, the others stay', async () => {
    await kuke.apply(cellYaml('web', sleeper));
    expect(results(await kuke.apply(cellYaml('web')))).toEqual(['updated']);
    expect(await statusOf(kuke, 'web')).toMatchObject({
      state: 'Ready',
      containers: [{ id: 'web', state: 'Running' }],
    });
    expect(kuke.host.inventory().filter(line => line.includes('web_side'))).toEqual([]);
  });

  test('stop tears the network down and start brings it back, with a new attachment', async () => {
    await kuke.apply(cellYaml('web', sleeper));
    const attachment = async () => (await statusOf(kuke, 'web')).attachments;
    const [first] = await attachment();
    await kuke.change(cellRef('web'), set('stopped'), verb('stop'));
    expect(await statusOf(kuke, 'web')).toMatchObject({
      state: 'Stopped',
      attachments: [],
    });
    expect(results(await kuke.apply(cellYaml('web', sleeper)))).toEqual(['unchanged']);
    await kuke.change(cellRef('web'), set('running'), verb('start'));
    const [second] = await attachment();
    expect(second?.attachmentId).not.toBe(first?.attachmentId);
    expect((await statusOf(kuke, 'web')).state).toBe('Ready');
  });

  test('after its root has ended it is Failed at once, apply leaves it, and the next change tears its network down', async () => {
    await kuke.apply(cellYaml('web', sleeper));
    kuke.host.exit('kukeon-main', 'default_default_web_root', 3);
    const failed = await statusOf(kuke, 'web');
    expect(failed).toMatchObject({ state: 'Failed', reason: 'RootExited' });
    expect(String(failed?.message)).toContain('exit code 3');
    await kuke.apply(cellYaml('other'));
    const settled = await statusOf(kuke, 'web');
    expect(settled).toMatchObject({
      state: 'Failed',
      attachments: [],
      containers: [{ exitCode: 3 }, { state: 'Exited' }],
    });
    expect(results(await kuke.apply(cellYaml('web', sleeper)))).toEqual(['unchanged']);
    await kuke.change(cellRef('web'), set('running'), verb('start'));
    expect((await statusOf(kuke, 'web')).state).toBe('Ready');
  });

  test('is Degraded while another container has failed, and Ready when that one ended well', async () => {
    await kuke.apply(cellYaml('web', sleeper));
    kuke.host.exit('kukeon-main', 'default_default_web_side', 1);
    expect((await statusOf(kuke, 'web')).state).toBe('Degraded');
    await kuke.apply(cellYaml('two', sleeper));
    kuke.host.exit('kukeon-main', 'default_default_two_side', 0);
    expect((await statusOf(kuke, 'two')).state).toBe('Ready');
  });

  test('after a reboot it is started again by apply, and stale reservations are not in its way', async () => {
    await kuke.apply(cellYaml('web', sleeper));
    kuke.host.reboot();
    const after = await kuke.another();
    expect((await statusOf(after, 'web')).state).toBe('Failed');
    expect(results(await after.apply(cellYaml('web', sleeper)))).toEqual(['updated']);
    expect(await statusOf(after, 'web')).toMatchObject({
      state: 'Ready',
    });
    expect((await statusOf(after, 'web')).attachments.length).toBe(1);
  });

  test('a missing image is refused before anything is made', async () => {
    const [outcome] = await kuke.apply(cellYaml('web', '[{ id: web, image: nope }]'));
    expect(outcome?.error?.code).toBe('ImageNotFound');
    expect(left()).toEqual(empty);
  });

  test('without containers it is Pending and cannot be started', async () => {
    await kuke.apply(cellYaml('web', '[]'));
    expect((await statusOf(kuke, 'web')).state).toBe('Pending');
    const [outcome] = await kuke.change(cellRef('web'), set('running'), verb('start'));
    expect(outcome?.error?.exitCode).toBe(4);
  });
});

describe('faults', () => {
  const actions = [
    'cgroup.create',
    'network.open',
    'network.attach',
    'runtime.create',
    'runtime.start',
    'store.writeFile',
  ];
  for (const action of actions) {
    test(`a create that fails at ${action} is undone, before and after the effect`, async () => {
      for (const after of [false, true]) {
        kuke.host.faults.fail(action, new Error('the kernel says no'), { after });
        const [outcome] = await kuke.apply(cellYaml('web', sleeper));
        expect(outcome?.error?.message).toContain('the kernel says no');
        expect(outcome?.error?.details.resource).toBe('cell main/default/default/web');
        expect(left()).toEqual(empty);
      }
      expect(results(await kuke.apply(cellYaml('web', sleeper)))).toEqual(['created']);
    });

    test(`a kuke that dies at ${action} is cleaned up after by the next one`, async () => {
      for (const after of [false, true]) {
        void kuke.apply(cellYaml('web', sleeper));
        await kuke.host.faults.crash(action, { after });
        kuke.host.restart();
        const next = await kuke.another();
        expect(results(await next.apply(cellYaml('web', sleeper)))).toEqual(['created']);
        expect(next.notices.join('\n')).toContain('undone');
        expect((await statusOf(next, 'web')).state).toBe('Ready');
        expect(results(await next.remove([cellRef('web')]))).toEqual(['deleted']);
        expect(left()).toEqual(empty);
        kuke = next;
      }
    });
  }

  test('undoing goes on after an error and reports all of them', async () => {
    kuke.host.faults.fail('runtime.start', new Error('no start'));
    kuke.host.faults.fail('network.detach', new Error('no detach'));
    kuke.host.faults.fail('cgroup.remove', new Error('no remove'));
    const [outcome] = await kuke.apply(cellYaml('web'));
    expect(outcome?.error?.message).toContain('no start');
    expect(outcome?.error?.also.map(error => error.message).sort()).toEqual(['no detach', 'no remove']);
    // The next command tries again what could not be undone.
    expect(results(await kuke.apply(cellYaml('web')))).toEqual(['created']);
    expect(results(await kuke.remove([cellRef('web')]))).toEqual(['deleted']);
    expect(left()).toEqual(empty);
  });

  test('a delete that dies half-way is finished by the next command', async () => {
    await kuke.apply(cellYaml('web', sleeper));
    void kuke.remove([cellRef('web')]);
    await kuke.host.faults.crash('network.detach');
    kuke.host.restart();
    const next = await kuke.another();
    await next.apply(cellYaml('other'));
    expect(next.notices.join('\n')).toContain('finished');
    await next.remove([cellRef('other')]);
    expect(left()).toEqual(empty);
  });

  test('a delete goes on past a failure, says it, keeps the metadata, and succeeds when repeated', async () => {
    await kuke.apply(cellYaml('web', sleeper));
    kuke.host.faults.fail('network.detach', new Error('busy'));
    const [outcome] = await kuke.remove([cellRef('web')]);
    expect(outcome).toMatchObject({ result: 'failed' });
    expect(outcome?.error?.message).toContain('busy');
    expect(results(await kuke.remove([cellRef('web')]))).toEqual(['deleted']);
    expect(left()).toEqual(empty);
  });

  test('a delete removes the containers while the network is taken down', async () => {
    await kuke.apply(cellYaml('web', sleeper));
    const detaching = kuke.host.faults.pause('network.detach');
    const removed = Promise.withResolvers<void>();
    kuke.kernel.hooks.tap('test', 'step:after', ({ type }) => {
      if (type === 'runtime.remove') removed.resolve();
    });
    const deletion = kuke.remove([cellRef('web')]);
    await detaching.reached;
    await removed.promise;
    detaching.resume();
    expect(results(await deletion)).toEqual(['deleted']);
    expect(left()).toEqual(empty);
  });

  test('in a frozen cgroup nothing is started, and it is named', async () => {
    await kuke.apply(cellYaml('web', sleeper));
    await kuke.change(cellRef('web'), set('stopped'), verb('stop'));
    kuke.host.frozen.add('/kukeon/main/default');
    const [outcome] = await kuke.change(cellRef('web'), set('running'), verb('start'));
    expect(outcome?.error?.code).toBe('Conflict');
    expect(outcome?.error?.message).toContain('/kukeon/main/default is frozen');
    kuke.host.frozen.clear();
    expect(results(await kuke.change(cellRef('web'), set('running'), verb('start')))).toEqual(['updated']);
  });

  test('without containerd a cell is Unknown, and a change exits 5', async () => {
    await kuke.apply(cellYaml('web', sleeper));
    kuke.host.runtime.up = false;
    const { state, containers } = await statusOf(kuke, 'web');
    expect([state, ...containers.map(one => one.state)]).toEqual(['Unknown', 'Unknown', 'Unknown']);
    const before = kuke.host.inventory();
    const stack = 'apiVersion: v1beta1\nkind: Stack\nmetadata: { name: more }\n';
    for (const change of [
      () => kuke.apply(cellYaml('two')),
      () => kuke.apply(stack),
      () => kuke.remove([cellRef('web')]),
    ]) {
      expect(await change().catch((error: KukeError) => error.exitCode)).toBe(5);
    }
    expect(kuke.host.inventory()).toEqual(before);
  });
});

describe('the whole host', () => {
  test('children are listed before anything is deleted', async () => {
    await kuke.apply(cellYaml('web'));
    const [cell] = await kuke.remove([cellRef('web')], false);
    expect(cell?.error).toMatchObject({ code: 'HasChildren' });
    expect(cell?.error?.message).toContain('container main/default/default/web/web');
    const [realm] = await kuke.remove([{ kind: 'Realm', path: ['main'] }], false);
    expect(realm?.error?.message).toContain('space main/default');
    expect(realm?.error?.exitCode).toBe(4);
  });

  test('several documents in any order; one without its parent fails alone', async () => {
    const yaml = `${cellYaml('a')}---${cellYaml('b').replace('spaceId: default', 'spaceId: none')}---${cellYaml('c')}`;
    const outcomes = await kuke.apply(yaml);
    expect(outcomes.map(({ result }) => result)).toEqual(['created', 'failed', 'created']);
    expect(outcomes[1]?.error).toMatchObject({ code: 'NotFound' });
  });

  test('uninstall removes every resource', async () => {
    await kuke.apply(cellYaml('web', sleeper));
    expect(new Set(results(await kuke.uninstall()))).toEqual(new Set(['deleted']));
    expect(kuke.host.inventory()).toEqual([]);
  });

  test('a manifest that cannot be read is neither overwritten nor removed, and the rest works', async () => {
    await kuke.apply(cellYaml('web', sleeper));
    const ref = cellRef('web');
    const key = [...kuke.host.store.manifests.keys()].find(one => one.endsWith('/web')) ?? '';
    kuke.host.store.manifests.delete(key);
    kuke.host.store.spoilt.set(key, { path: '/opt/kukeon/.../cell.yaml', message: 'line 3: what is this?', ref });
    const before = left();
    for (const outcomes of [
      await kuke.apply(cellYaml('web')),
      await kuke.remove([ref]),
      await kuke.remove([{ kind: 'Stack', path: ref.path.slice(0, 3) }]),
    ]) {
      expect(outcomes[0]?.error).toMatchObject({ code: 'MetadataCorrupt' });
      expect(outcomes[0]?.error?.message).toContain('line 3');
    }
    expect(kuke.uninstall()).rejects.toMatchObject({ code: 'MetadataCorrupt' });
    expect(left()).toEqual(before);
    expect(results(await kuke.apply(cellYaml('other')))).toEqual(['created']);
  });

  test('rules that somebody flushed are put back by the next change', async () => {
    await kuke.apply(cellYaml('web'));
    for (const network of kuke.host.networks.values()) network.enforced = false;
    expect((await kuke.get('Space', 'main', 'default')).manifest.status?.state).toBe('Failed');
    await kuke.apply(cellYaml('two'));
    expect((await kuke.get('Space', 'main', 'default')).manifest.status?.state).toBe('Ready');
  });
});

test('a realm whose containerd namespace has any name: what is kept of it is not taken for something else', async () => {
  const realm = '{ apiVersion: v1beta1, kind: Realm, metadata: { name: odd }, spec: { namespace: namespaces } }';
  const scope = 'realmId: odd';
  const space = `{ apiVersion: v1beta1, kind: Space, metadata: { name: default }, spec: { ${scope} } }`;
  const stack = `{ apiVersion: v1beta1, kind: Stack, metadata: { name: default }, spec: { ${scope}, spaceId: default } }`;
  publish(kuke.host, { name: 'busybox', cmd: ['sleep', '1000'] });
  const cell = cellYaml('web').replace('realmId: main', scope);
  const all = [realm, space, stack, cell].join('\n---\n');
  expect(results(await kuke.apply(all))).toEqual(['created', 'created', 'created', 'created']);
  expect(results(await kuke.apply(all))).toEqual(['unchanged', 'unchanged', 'unchanged', 'unchanged']);
});
