/** A first `kuke init` that comes to nothing, and a `kuke start` that does: the host is as it was. */
import { beforeEach, describe, expect, test } from 'bun:test';
import { KukeError } from '../../../src/kernel/errors.ts';
import { definePlugin } from '../../../src/plugin.ts';
import { addImage } from '../../fakes/index.ts';
import { cellRef, cellYaml, kernelOnFakes, type TestKernel } from './kernel-on-fakes.ts';

let kuke: TestKernel;
beforeEach(async () => {
  kuke = await kernelOnFakes();
});

const failure = async (work: Promise<unknown>): Promise<KukeError> => {
  const thrown: unknown = await work.then(value => new Error(`no failure, but ${Bun.inspect(value)}`)).catch(e => e);
  if (thrown instanceof KukeError) return thrown;
  throw thrown;
};

describe('a first init', () => {
  test('that is interrupted while the host is made ready leaves nothing, and says why it ended', async () => {
    const controller = new AbortController();
    kuke.engine.signal = controller.signal;
    kuke.kernel.hooks.tap('test', 'host:init', () => controller.abort(new KukeError('Cancelled', 'by SIGINT')));
    kuke.kernel.hooks.tap('test', 'host:init', ({ plan }) => {
      plan.add({ kind: 'Host', path: [] }, 'cgroup.create', { path: '/kukeon' });
    });
    expect(await failure(kuke.init())).toMatchObject({ code: 'Cancelled', also: [] });
    expect(kuke.host.inventory()).toEqual([]);
  });

  test('that is interrupted as its id is written leaves nothing', async () => {
    const controller = new AbortController();
    kuke.engine.signal = controller.signal;
    const held = kuke.host.faults.pause('store.writeFile', { after: true });
    const ended = failure(kuke.init());
    await held.reached;
    controller.abort(new KukeError('Cancelled', 'by SIGINT'));
    held.resume();
    expect((await ended).code).toBe('Cancelled');
    expect(kuke.host.inventory()).toEqual([]);
  });

  test('whose host is not ready leaves nothing, and tells the cause', async () => {
    kuke.kernel.hooks.tap('test', 'host:init', () => {
      throw new KukeError('HostNotReady', 'no containerd');
    });
    expect(await failure(kuke.init())).toMatchObject({ code: 'HostNotReady', message: 'no containerd', also: [] });
    expect(kuke.host.inventory()).toEqual([]);
  });

  test('that can make nothing, for another installation’s is in the way, leaves nothing of its own', async () => {
    kuke.host.cgroups.set('/kukeon', { ours: false });
    const readied: string[] = [];
    kuke.kernel.hooks.tap('test', 'host:init', () => void readied.push('init'));
    kuke.kernel.hooks.tap('test', 'host:uninstall', () => void readied.push('uninstall'));
    const outcomes = await kuke.init();
    expect(outcomes.map(({ result }) => result)).toEqual(['failed', 'failed', 'failed']);
    expect(outcomes[0]?.error?.message).toContain('exists and is not kuke');
    expect(kuke.host.inventory()).toEqual(['cgroup /kukeon']);
    expect(readied).toEqual(['init', 'uninstall']);
  });

  test('that finds another one at work leaves what that has made, and waits for it once', async () => {
    kuke.host.store.holder = { pid: 1, command: 'kuke init' };
    kuke.engine.lockTimeoutMs = 20;
    const ended = failure(kuke.init());
    kuke.host.store.files.set('instance', 'theirs');
    expect(await ended).toMatchObject({ code: 'Locked', also: [] });
    expect(kuke.host.inventory()).toEqual(['file instance']);
  });

  test('that makes some of it keeps that', async () => {
    kuke.host.faults.fail('network.define', new Error('no network'));
    const outcomes = await kuke.init();
    expect(outcomes.map(({ result }) => result)).toEqual(['created', 'failed', 'failed']);
    expect(kuke.host.store.files.has('instance')).toBe(true);
    expect((await kuke.init()).map(({ result }) => result)).toEqual(['unchanged', 'created', 'created']);
  });

  test('in a folder that holds other things is refused, and nothing is written there', async () => {
    kuke.host.store.strangers = ['adjtime', 'apt', 'bash.bashrc', 'cron.d', 'default', 'fstab', 'passwd'];
    const error = await failure(kuke.init());
    expect(error).toMatchObject({ exitCode: 4, remedy: 'give a folder of its own: --run-path' });
    expect(error.message).toEndWith('adjtime, apt, bash.bashrc, cron.d, default, 2 more');
    expect(kuke.host.calls).toEqual([]);
  });

  test('an init that is none looks for no strangers', async () => {
    await kuke.init();
    kuke.host.store.strangers = ['notes.txt'];
    expect((await kuke.init()).map(({ result }) => result)).toEqual(['unchanged', 'unchanged', 'unchanged']);
  });
});

test('what an init changes of what is there is gone on with, and what it makes is undone', async () => {
  const plugin = definePlugin({
    name: 'changer',
    version: '1.0.0',
    setup(kernel) {
      kernel.hook('host:init', ({ plan, update }) => {
        plan.add({ kind: 'Host', path: [] }, 'store.writeFile', { path: 'made', content: 'x' });
        update.add({ kind: 'Host', path: [] }, 'store.writeFile', { path: 'changed', content: 'x' });
      });
    },
  });
  kuke = await kernelOnFakes({ plugins: [plugin] });
  kuke.host.store.files.set('instance', 'an-id');
  void kuke.init();
  await kuke.host.faults.crash('store.writeFile', { nth: 2 });
  const next = await kuke.another();
  await next.apply('{ apiVersion: v1beta1, kind: Realm, metadata: { name: main } }');
  expect(next.notices).toEqual(['an earlier command that did not end has been finished: kuke test']);
  expect(['made', 'changed'].map(path => kuke.host.store.files.get(path))).toEqual(['x', 'x']);
});

describe('a start that fails', () => {
  const start = { verb: 'start', stopTimeoutMs: 1000 } as const;
  const to = (desiredState: string) => (spec: Record<string, unknown>) => ({ ...spec, desiredState });
  let stopped: string[];
  /** An ended task goes just before the next one is started, and its cgroup with it. */
  const ended = () =>
    kuke.host
      .inventory()
      .filter(line => !/^cgroup .*\/web\/./.test(line))
      .map(line => line.replace(/^(container .*) (created|stopped)$/, '$1 ended'));

  beforeEach(async () => {
    await kuke.init();
    const namespace = kuke.host.runtime.namespaces.get('kukeon-main');
    if (namespace === undefined) throw new Error('no namespace');
    addImage(namespace, { name: 'busybox', cmd: ['sleep', '1000'] });
    await kuke.apply(cellYaml('web', '[{ id: web, image: busybox, root: true }, { id: side, image: busybox }]'));
    await kuke.change(cellRef('web'), to('stopped'), { ...start, verb: 'stop' });
    stopped = ended();
  });

  for (const [action, nth] of [
    ['network.attach', 1],
    ['runtime.start', 1],
    ['runtime.start', 2],
  ] as const) {
    test(`at ${action} ${nth} leaves the cell as it was, and says why it does not run; a kuke that dies there leaves it, too`, async () => {
      kuke.host.faults.fail(action, new Error('no'), { nth });
      const [outcome] = await kuke.change(cellRef('web'), to('running'), start);
      expect(outcome?.error?.message).toBe('no');
      expect(ended()).toEqual(stopped);
      const { spec, status } = (await kuke.get('Cell', ...cellRef('web').path)).manifest;
      expect([spec.desiredState, status?.state]).toEqual(['stopped', 'Failed']);
      expect(status?.message).toBe('it could not be started: no');
      void kuke.change(cellRef('web'), to('running'), start);
      await kuke.host.faults.crash(action, { nth, after: true });
      const next = await kuke.another();
      await next.apply('{ apiVersion: v1beta1, kind: Realm, metadata: { name: other } }');
      expect(ended().filter(line => !line.includes('other'))).toEqual(stopped);
    });
  }
});
