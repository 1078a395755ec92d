import { beforeEach, describe, expect, test } from 'bun:test';
import * as v from 'valibot';
import type { Outcome } from '../../../src/kernel/apply.ts';
import { KukeError } from '../../../src/kernel/errors.ts';
import { definePlugin, type KindDefinition } from '../../../src/plugin.ts';
import { addImage } from '../../fakes/index.ts';
import { cellRef, cellYaml, kernelOnFakes, type TestKernel } from './kernel-on-fakes.ts';

const results = (outcomes: Outcome[]) => outcomes.map(({ result, error }) => (error ? error.summary : result));
const space = (fields: string) =>
  `{ apiVersion: v1beta1, kind: Space, metadata: { name: default }, spec: { ${fields} } }`;

async function ready(options: Parameters<typeof kernelOnFakes>[0] = {}): Promise<TestKernel> {
  const made = await kernelOnFakes(options);
  await made.init();
  const namespace = made.host.runtime.namespaces.get('kukeon-main');
  if (namespace === undefined) throw new Error('no namespace');
  addImage(namespace, { name: 'busybox', cmd: ['sleep', '1000'] });
  return made;
}

/** A bridge comes with the first cell, and goes with the space. */
const left = (): string[] => kuke.host.inventory().map(line => line.replace(/ with bridge$/, ''));

let kuke: TestKernel;
let empty: string[];
beforeEach(async () => {
  kuke = await ready();
  empty = left();
});

describe('fifty cells at once', () => {
  test('come up, each with an address of its own, a few at a time, and go without a trace', async () => {
    const names = Array.from({ length: 50 }, (_, index) => `cell${index}`);
    let most = 0;
    kuke.kernel.hooks.tap('test', 'step:before', () => {
      const running = kuke.host.calls.filter(({ state, action }) => state === 'running' && action === 'network.open');
      most = Math.max(most, running.length);
    });
    const outcomes = await kuke.apply(names.map(name => cellYaml(name)).join('---'));
    expect(new Set(results(outcomes))).toEqual(new Set(['created']));
    expect(outcomes.map(({ ref }) => ref.path.at(-1) ?? '')).toEqual(names);
    expect(most).toBeLessThanOrEqual(4);
    const addresses = [...kuke.host.attachments.values()].flatMap(one => one.addresses);
    expect(new Set(addresses).size).toBe(50);
    expect(new Set(results(await kuke.remove(names.map(cellRef))))).toEqual(new Set(['deleted']));
    expect(left()).toEqual(empty);
  });

  test('one that fails is undone, and the others come up', async () => {
    const names = Array.from({ length: 10 }, (_, index) => `cell${index}`);
    kuke.host.faults.fail('runtime.start', new Error('no start'), { nth: 5 });
    const outcomes = await kuke.apply(names.map(name => cellYaml(name)).join('---'));
    expect(outcomes.filter(({ result }) => result === 'created')).toHaveLength(9);
    expect(kuke.host.attachments.size).toBe(9);
  });
});

describe('a second kuke', () => {
  /** A first one that is held in the middle of its work. */
  async function busy() {
    kuke.host.store.noticeMs = 5;
    const pause = kuke.host.faults.pause('runtime.start');
    const first = kuke.apply(cellYaml('first'));
    await pause.reached;
    return { first, resume: pause.resume, second: await kuke.another() };
  }

  test('waits, says for whom, and goes on where the first one has ended', async () => {
    const { first, second, resume } = await busy();
    const told = Promise.withResolvers<string>();
    second.engine.notice = told.resolve;
    const outcomes = second.apply(cellYaml('second'));
    expect(await told.promise).toBe('waiting for another kuke to end: pid 4711, kuke test');
    expect(second.host.store.manifests.has('cell:main/default/default/second')).toBe(false);
    resume();
    expect(results(await first)).toEqual(['created']);
    expect(results(await outcomes)).toEqual(['created']);
  });

  test('tells who it waits for whoever wants to know that, and not the person', async () => {
    const { first, second, resume } = await busy();
    const told = Promise.withResolvers<number | undefined>();
    second.engine.waits = holder => told.resolve(holder?.pid);
    const outcomes = second.apply(cellYaml('second'));
    expect(await told.promise).toBe(4711);
    resume();
    await first;
    expect(results(await outcomes)).toEqual(['created']);
    expect(second.notices).toEqual([]);
  });

  test('waits for one that it knows nothing of, and says no more', async () => {
    const { first, second, resume } = await busy();
    Object.assign(kuke.host.store.holder ?? {}, { isUnknown: true });
    const told = Promise.withResolvers<string>();
    second.engine.notice = told.resolve;
    const outcomes = second.apply(cellYaml('second'));
    expect(await told.promise).toBe('waiting for another kuke to end');
    resume();
    expect(results(await first)).toEqual(['created']);
    expect(results(await outcomes)).toEqual(['created']);
  });

  test('gives up at its time limit, and has changed nothing', async () => {
    const { first, second, resume } = await busy();
    second.engine.lockTimeoutMs = 20;
    const thrown: unknown = await second.apply(cellYaml('second')).catch(error => error);
    expect(thrown).toBeInstanceOf(KukeError);
    expect(thrown).toMatchObject({ code: 'Locked', exitCode: 6 });
    expect(String((thrown as KukeError).summary)).toMatch(/kuke test.*pid 4711.*--lock-timeout/);
    resume();
    expect(results(await first)).toEqual(['created']);
    expect(kuke.host.store.manifests.has('cell:main/default/default/second')).toBe(false);
  });

  test('can be cancelled while it waits', async () => {
    const { first, second, resume } = await busy();
    const controller = new AbortController();
    second.engine.signal = controller.signal;
    const waiting = second.apply(cellYaml('second'));
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'Cancelled' });
    resume();
    await first;
  });

  test('changes what the first one has left, not what was there before it', async () => {
    await kuke.apply(cellYaml('web'));
    const pause = kuke.host.faults.pause('store.write');
    const first = kuke.apply(cellYaml('web', '[{ id: web, image: busybox, root: true, env: [V=2] }]'));
    await pause.reached;
    const stop = { verb: 'stop', stopTimeoutMs: 1000 } as const;
    const stopping = (await kuke.another()).change(
      cellRef('web'),
      spec => ({ ...spec, desiredState: 'stopped' }),
      stop,
    );
    pause.resume();
    expect(results(await first)).toEqual(['updated']);
    expect(results(await stopping)).toEqual(['updated']);
    const { spec, status } = (await kuke.get('Cell', ...cellRef('web').path)).manifest;
    expect(spec).toMatchObject({ desiredState: 'stopped', containers: [{ env: ['V=2'] }] });
    expect(status?.state).toBe('Stopped');
  });

  test('that has nothing to change does not wait, unless the first one has still to end', async () => {
    await kuke.apply(cellYaml('web'));
    kuke.host.store.holder = { pid: 1, command: 'kuke image load' };
    const second = await kuke.another();
    expect(results(await second.apply(cellYaml('web')))).toEqual(['unchanged']);
    second.engine.lockTimeoutMs = 10;
    await expect(second.apply(cellYaml('other'))).rejects.toMatchObject({ code: 'Locked' });
  });
});

describe('Ctrl-C', () => {
  test('at any step leaves nothing of what was being created', async () => {
    const steps: string[] = [];
    let stopAt = Number.POSITIVE_INFINITY;
    let controller = new AbortController();
    kuke.kernel.hooks.tap('test', 'step:before', ({ type }) => {
      if (steps.push(type) === stopAt) controller.abort(new KukeError('Cancelled', 'cancelled by SIGINT'));
    });
    const attempt = async () => {
      controller = new AbortController();
      kuke.engine.signal = controller.signal;
      steps.length = 0;
      return await kuke.apply(cellYaml('web'));
    };
    expect(results(await attempt())).toEqual(['created']);
    const all = steps.length;
    await kuke.remove([cellRef('web')]);
    expect(all).toBeGreaterThan(8);
    for (stopAt = 1; stopAt <= all; stopAt++) {
      const [outcome] = await attempt();
      expect([stopAt, outcome?.error?.code]).toEqual([stopAt, 'Cancelled']);
      expect([stopAt, ...left()]).toEqual([stopAt, ...empty]);
    }
    stopAt = Number.POSITIVE_INFINITY;
    expect(results(await attempt())).toEqual(['created']);
  });
});

describe('a kuke that dies', () => {
  test('at any action of an apply, before or after its effect: the next one’s apply makes it whole', async () => {
    const before = kuke.host.calls.length;
    await kuke.apply(cellYaml('web'));
    const actions = kuke.host.calls.slice(before).map(({ action }) => action);
    await kuke.remove([cellRef('web')]);
    const moments = actions.map((action, index) => ({
      action,
      nth: actions.slice(0, index + 1).filter(one => one === action).length,
    }));
    for (const { action, nth } of moments) {
      for (const after of [false, true]) {
        void kuke.apply(cellYaml('web'));
        await kuke.host.faults.crash(action, { nth, after });
        const next = await kuke.another();
        const moment = `${after ? 'after' : 'before'} ${action} ${nth}`;
        const [outcome] = await next.apply(cellYaml('web'));
        expect([moment, outcome?.error?.summary]).toEqual([moment, undefined]);
        const { status } = (await next.get('Cell', ...cellRef('web').path)).manifest;
        expect([moment, status?.state]).toEqual([moment, 'Ready']);
        expect(next.host.store.manifests.get('cell:main/default/default/web')?.manifest.status?.state).toBe('Ready');
        expect(results(await next.remove([cellRef('web')]))).toEqual(['deleted']);
        expect([moment, ...left()]).toEqual([moment, ...empty]);
        kuke = next;
      }
    }
  });

  test('between a space’s network and its status: the next command records it', async () => {
    const stored = () => kuke.host.store.manifests.get('space:main/default')?.manifest;
    const { status: _, ...without } = stored() ?? { status: {} };
    const entry = kuke.host.store.manifests.get('space:main/default');
    if (entry) Object.assign(entry, { manifest: without });
    expect(results(await kuke.apply(cellYaml('web')))).toEqual(['created']);
    expect(stored()?.status).toMatchObject({ network: { name: 'main-default' } });
  });

  test('as it begins a delete: an apply that changes nothing does not overlook it', async () => {
    await kuke.apply(cellYaml('web'));
    void kuke.remove([cellRef('web')]);
    await kuke.host.faults.crash('runtime.stop');
    const next = await kuke.another();
    expect(results(await next.apply(cellYaml('web')))).toEqual(['created']);
    expect(next.notices.join('\n')).toContain('an earlier command that did not end has been finished: kuke test');
    expect(results(await (await next.another()).apply(cellYaml('web')))).toEqual(['unchanged']);
  });
});

describe('fields that are fixed at creation', () => {
  test('may be spelt out later as what they are anyway', async () => {
    expect(results(await kuke.apply(space('realmId: main, cniConfigPath: /etc/cni/net.d')))).toEqual(['updated']);
    const realm = '{ apiVersion: v1beta1, kind: Realm, metadata: { name: main }, spec: { namespace: kukeon-main } }';
    expect(results(await kuke.apply(realm))).toEqual(['updated']);
    expect(results(await kuke.apply(realm))).toEqual(['unchanged']);
  });

  test.each([
    ['cniConfigPath: /srv/cni', 'spec.cniConfigPath cannot be changed (it is "/etc/cni/net.d")'],
    ['network: { subnet: 10.99.0.0/16 }', 'spec.network.subnet cannot be changed (it is not set)'],
  ])('%s is a conflict', async (fields, why) => {
    const before = kuke.host.inventory();
    const [outcome] = await kuke.apply(space(`realmId: main, ${fields}`));
    expect(outcome?.error).toMatchObject({ exitCode: 4, details: { resource: 'space main/default' } });
    expect(outcome?.error?.message).toBe(why);
    expect(kuke.host.inventory()).toEqual(before);
  });
});

describe('names that differ only in case', () => {
  test('of a resource that is there are a conflict', async () => {
    await kuke.apply(cellYaml('web'));
    const [outcome] = await kuke.apply(cellYaml('WEB'));
    expect(outcome?.error).toMatchObject({ exitCode: 4 });
    expect(outcome?.error?.message).toContain('cell main/default/default/web exists');
  });

  test('of a parent are a conflict as well', async () => {
    const [outcome] = await kuke.apply(cellYaml('web').replace('realmId: main', 'realmId: Main'));
    expect(outcome?.error).toMatchObject({ exitCode: 4 });
    expect(outcome?.error?.message).toContain('realm main exists');
    expect(left()).toEqual(empty);
  });

  test('in one set of documents: nothing is applied', async () => {
    await expect(kuke.apply(`${cellYaml('web')}---${cellYaml('Web')}`)).rejects.toMatchObject({
      exitCode: 2,
      message: 'is there as cell main/default/default/Web too',
    });
    await expect(kuke.apply(`${cellYaml('web')}---${cellYaml('web')}`)).rejects.toThrow('is there twice');
    expect(left()).toEqual(empty);
  });
});

describe('another kind with the same parent', () => {
  const greeting: KindDefinition = {
    kind: 'Greeting',
    plural: 'greetings',
    aliases: [],
    parent: 'Realm',
    description: 'for a test',
    spec: v.strictObject({ realmId: v.exactOptional(v.string()) }),
    columns: [],
    lifecycle: { plan: async () => {}, planDelete: async () => {}, observe: async () => ({ state: 'Ready' }) },
  };
  const plugin = definePlugin({
    name: 'greeting',
    version: '1.0.0',
    requires: ['kind:Realm'],
    provides: { kinds: ['Greeting'] },
    setup: kernel => kernel.kind(greeting),
  });

  test('may have a namesake, and takes nothing of it along', async () => {
    kuke = await ready({ plugins: [plugin] });
    await kuke.apply(cellYaml('web'));
    const before = kuke.host.inventory();
    const ref = { kind: 'Greeting', path: ['main', 'default'] };
    const yaml = '{ apiVersion: v1beta1, kind: Greeting, metadata: { name: default } }';
    expect(results(await kuke.apply(yaml))).toEqual(['created']);
    expect(results(await kuke.remove([ref], false))).toEqual(['deleted']);
    expect(results(await kuke.apply(yaml))).toEqual(['created']);
    expect(results(await kuke.remove([ref]))).toEqual(['deleted']);
    expect(kuke.host.inventory()).toEqual(before);
    await kuke.apply(yaml);
    const realm = await kuke.remove([{ kind: 'Realm', path: ['main'] }], false);
    expect(realm[0]?.error?.message).toContain('greeting main/default, space main/default');
  });
});
