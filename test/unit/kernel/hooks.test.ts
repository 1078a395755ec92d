import { beforeEach, describe, expect, test } from 'bun:test';
import { KukeError } from '../../../src/kernel/errors.ts';
import type { Finding } from '../../../src/kernel/extensible.ts';
import { type Hooks, makeHooks, withTimeLimit } from '../../../src/kernel/hooks.ts';
import { makePlan } from '../../../src/kernel/plan.ts';
import { addImage } from '../../fakes/index.ts';
import { cellYaml, kernelOnFakes } from './kernel-on-fakes.ts';

let hooks: Hooks;
let warnings: string[];
beforeEach(() => {
  warnings = [];
  hooks = makeHooks({ timeLimitMs: 20, warn: message => void warnings.push(message) });
});

const plan = makePlan('undo');
const never = () => new Promise<void>(() => {});
const failing = (error: unknown) => () => {
  throw error;
};

describe('taps', () => {
  test('run one after another, in the order of registration', async () => {
    const order: string[] = [];
    hooks.tap('a', 'plan:made', async () => {
      await Bun.sleep(1);
      order.push('a');
    });
    hooks.tap('b', 'plan:made', () => void order.push('b'));
    hooks.tap('a', 'plan:made', () => void order.push('a again'));
    await hooks.call('plan:made', { plan });
    expect(order).toEqual(['a', 'b', 'a again']);
  });

  test('are taken out by what tap returns, which does no harm twice', async () => {
    const order: string[] = [];
    const remove = hooks.tap('a', 'shutdown', () => void order.push('a'));
    hooks.tap('b', 'shutdown', () => void order.push('b'));
    await hooks.call('shutdown');
    remove();
    remove();
    await hooks.call('shutdown');
    expect(order).toEqual(['a', 'b', 'b']);
  });

  test('get the event itself, and may change it', async () => {
    const issues: { path: string; message: string }[] = [];
    hooks.tap('a', 'manifest:validate', event => void event.issues.push({ path: 'kind', message: 'no' }));
    const manifest = { apiVersion: 'v1beta1', kind: 'Cell', metadata: { name: 'a' }, spec: {} } as const;
    await hooks.call('manifest:validate', { manifest, issues });
    expect(issues).toEqual([{ path: 'kind', message: 'no' }]);
  });

  test('a hook that nobody taps is nothing', async () => {
    await hooks.call('plan:made', { plan });
  });
});

describe('a tap before a change', () => {
  test('that throws fails it, named, and the taps behind it do not run', async () => {
    let ran = false;
    hooks.tap('greeting', 'plan:made', failing(new Error('not today')));
    hooks.tap('other', 'plan:made', () => {
      ran = true;
    });
    await expect(hooks.call('plan:made', { plan })).rejects.toMatchObject({
      code: 'PluginFailed',
      exitCode: 1,
      message: 'not today',
      details: { step: 'hook plan:made of plugin greeting' },
    });
    expect(ran).toBe(false);
  });

  test('that rejects, or throws what is no error, does so too', async () => {
    hooks.tap('a', 'plan:made', () => Promise.reject('no'));
    await expect(hooks.call('plan:made', { plan })).rejects.toMatchObject({ code: 'PluginFailed', message: 'no' });
  });

  test('may say of what kind its failure is', async () => {
    hooks.tap('policy', 'plan:made', failing(new KukeError('Conflict', 'two of them', { remedy: 'take one' })));
    await expect(hooks.call('plan:made', { plan })).rejects.toMatchObject({ exitCode: 4, remedy: 'take one' });
  });

  test('that hangs is ended by the time limit, named', async () => {
    hooks.tap('greeting', 'manifest:default', never);
    const manifest = { apiVersion: 'v1beta1', kind: 'Cell', metadata: { name: 'a' }, spec: {} } as const;
    await expect(hooks.call('manifest:default', { manifest })).rejects.toMatchObject({
      code: 'PluginFailed',
      message: 'no answer within 20 ms',
      details: { step: 'hook manifest:default of plugin greeting' },
    });
  });
});

describe('a tap that only observes', () => {
  test('is isolated: what it does wrong is a warning that names it, and the others run', async () => {
    let heard = 0;
    hooks.tap('greeting', 'event', failing(new Error('boom')));
    hooks.tap('slow', 'event', never);
    hooks.tap('other', 'event', () => {
      heard++;
    });
    await hooks.call('event', { resource: { kind: 'Cell', path: ['main'] }, what: 'exit' });
    expect(heard).toBe(1);
    expect(warnings).toEqual([
      'hook event of plugin greeting: boom',
      'hook event of plugin slow: no answer within 20 ms',
    ]);
  });
});

test('what a tap of doctor fails with is its caller’s to tell', async () => {
  hooks.tap('greeting', 'doctor', failing(new Error('boom')));
  hooks.tap('slow', 'doctor', never);
  hooks.tap('other', 'doctor', ({ findings }) => void findings.push({ level: 'ok', code: 'Well', what: 'well' }));
  const findings: Finding[] = [];
  const failures = await hooks.call('doctor', { findings });
  expect(failures.map(({ code, fault }) => [code, fault])).toEqual([
    ['PluginFailed', 'hook doctor of plugin greeting: boom'],
    ['PluginFailed', 'hook doctor of plugin slow: no answer within 20 ms'],
  ]);
  expect(findings.map(({ code }) => code)).toEqual(['Well']);
  expect(warnings).toEqual([]);
});

describe('withTimeLimit', () => {
  test('gives back what comes in time, also at once', async () => {
    expect(await withTimeLimit(() => 1, 1000)).toBe(1);
    expect(await withTimeLimit(async () => 2, 1000)).toBe(2);
    await expect(withTimeLimit(failing(new Error('no')), 1000)).rejects.toThrow('no');
  });
});

describe('in an apply', () => {
  async function setUp() {
    const kuke = await kernelOnFakes();
    await kuke.init();
    const namespace = kuke.host.runtime.namespaces.get('kukeon-main');
    if (namespace === undefined) throw new Error('no namespace');
    addImage(namespace, { name: 'busybox' });
    return { kuke, before: kuke.host.inventory() };
  }

  test.each(['plan:made', 'step:before'] as const)('a %s that throws leaves nothing', async name => {
    const { kuke, before } = await setUp();
    const remove = kuke.kernel.hooks.tap('policy', name, ({ plan, type }: { plan?: unknown; type?: string }) => {
      if (plan !== undefined || type === 'runtime.start') throw new Error('not allowed here');
    });
    const [outcome] = await kuke.apply(cellYaml('web'));
    expect(outcome?.error?.summary).toStartWith(
      `cell main/default/default/web: hook ${name} of plugin policy: not allowed here`,
    );
    expect(kuke.host.inventory().map(line => line.replace(' with bridge', ''))).toEqual(before);
    remove();
    expect((await kuke.apply(cellYaml('web')))[0]?.result).toBe('created');
  });

  test('a plan that is refused leaves an update’s manifest as it was', async () => {
    const { kuke } = await setUp();
    await kuke.apply(cellYaml('web'));
    const specOf = async () => (await kuke.get('Cell', 'main', 'default', 'default', 'web')).manifest.spec;
    const before = await specOf();
    kuke.kernel.hooks.tap('policy', 'plan:made', failing(new Error('frozen')));
    const [outcome] = await kuke.apply(cellYaml('web', '[{ id: web, image: busybox:latest }]'));
    expect(outcome?.error?.message).toBe('frozen');
    expect(await specOf()).toEqual(before);
  });

  test('a step:after that throws is a warning', async () => {
    const { kuke } = await setUp();
    const types: string[] = [];
    kuke.kernel.hooks.tap('audit', 'step:after', ({ type }) => {
      types.push(type);
      throw new Error('disk full');
    });
    expect((await kuke.apply(cellYaml('web')))[0]?.result).toBe('created');
    expect(types).toContain('runtime.start');
    expect(kuke.notices).toContain('hook step:after of plugin audit: disk full');
  });

  test('a plan:made may add steps of its own, which are undone with the others', async () => {
    const { kuke, before } = await setUp();
    kuke.kernel.hooks.tap('audit', 'plan:made', ({ plan }) => {
      if (plan.onFailure !== 'undo') return;
      plan.add({ kind: 'Cell', path: ['audit'] }, 'store.writeFile', { path: 'audit/last', content: 'x' });
    });
    kuke.host.faults.fail('runtime.start', new Error('no'));
    await kuke.apply(cellYaml('web'));
    expect(kuke.host.calls.map(({ action }) => action)).toContain('store.removeFile');
    expect(kuke.host.inventory().map(line => line.replace(' with bridge', ''))).toEqual(before);
    await kuke.apply(cellYaml('web'));
    expect(kuke.host.store.files.get('audit/last')).toBe('x');
  });
});
