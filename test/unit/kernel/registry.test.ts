import { describe, expect, test } from 'bun:test';
import * as v from 'valibot';
import type { CgroupBackend } from '../../../src/kernel/backends/index.ts';
import { KukeError } from '../../../src/kernel/errors.ts';
import type { KindDefinition } from '../../../src/kernel/kinds.ts';
import type { PluginDefinition, PluginKernel } from '../../../src/kernel/plugin.ts';
import { type KernelOptions, loadKernel } from '../../../src/kernel/registry.ts';
import { fakes } from '../../fakes/index.ts';

const never = () => new Promise<void>(() => {});

const plugin = (name: string, rest: Partial<PluginDefinition> = {}): PluginDefinition => ({
  name,
  version: '1.2.3',
  setup: () => {},
  ...rest,
});

const kind = (name: string, rest: Partial<KindDefinition> = {}): KindDefinition => ({
  kind: name,
  plural: `${name.toLowerCase()}s`,
  aliases: [],
  description: 'for a test',
  spec: v.strictObject({}),
  columns: [],
  ...rest,
});

const kindPlugin = (name: string, definition: KindDefinition, rest: Partial<PluginDefinition> = {}) =>
  plugin(name, { provides: { kinds: [definition.kind] }, setup: kernel => kernel.kind(definition), ...rest });

interface Loading extends Partial<KernelOptions> {
  thirdParty?: string[];
}

async function load(plugins: PluginDefinition[], { thirdParty = [], ...options }: Loading = {}) {
  const warnings: string[] = [];
  const kernel = await loadKernel({
    settings: { runPath: '/opt/kukeon', containerdSocket: '/none' },
    pluginConfig: {},
    timeLimitMs: 50,
    warn: message => void warnings.push(message),
    sources: plugins.map(one => ({
      name: one.name,
      requires: one.requires ?? [],
      provides: one.provides ?? {},
      origin: thirdParty.includes(one.name) ? `/plugins/${one.name}` : 'built-in',
      load: async () => one,
    })),
    ...options,
  });
  return { kernel, warnings, names: kernel.plugins.map(({ name }) => name) };
}

const failure = async (plugins: PluginDefinition[], options: Loading = {}): Promise<KukeError> => {
  const thrown: unknown = await load(plugins, options).then(
    () => new Error('they were loaded'),
    error => error,
  );
  if (thrown instanceof KukeError) return thrown;
  throw thrown;
};

describe('the order of loading', () => {
  test('is that of what each requires: plugins, kinds and backends', async () => {
    const order: string[] = [];
    const noted = (name: string, rest: Partial<PluginDefinition> = {}) =>
      plugin(name, { ...rest, setup: () => void order.push(name) });
    const { plugin: backends } = fakes();
    const { names } = await load([
      noted('d', { requires: ['c', 'kind:B'] }),
      noted('c', { requires: ['backend:store'] }),
      kindPlugin('b', kind('B'), { requires: ['a'] }),
      noted('a'),
      backends,
    ]);
    expect(names).toEqual(['fakes', 'c', 'a', 'b', 'd']);
    expect(order).toEqual(['c', 'a', 'd']);
  });

  test('what no command needs is not even loaded', async () => {
    const loaded: string[] = [];
    const source = (name: string, requires: string[] = []) => ({
      name,
      requires,
      provides: {},
      origin: 'built-in',
      load: async () => {
        loaded.push(name);
        return plugin(name);
      },
    });
    const sources = [source('a'), source('b', ['a']), source('c')];
    const { names } = await load([], { sources, needs: ['b'] });
    expect(names).toEqual(['a', 'b']);
    expect(loaded).toEqual(['a', 'b']);
  });

  test('a circle is shown', async () => {
    const circle = [
      plugin('x', { requires: ['a'] }),
      plugin('a', { requires: ['b'] }),
      plugin('b', { requires: ['a'] }),
    ];
    const { message, exitCode } = await failure(circle);
    expect(message).toBe('plugins require each other: a → b → a');
    expect(exitCode).toBe(1);
    expect((await failure([plugin('a', { requires: ['a'] })])).message).toContain('a → a');
  });

  test('what is missing is named, with what might be meant', async () => {
    const { message, details } = await failure([
      plugin('a', { requires: ['kind:Cel'] }),
      kindPlugin('cell', kind('Cell')),
    ]);
    expect(message).toBe('a requires kind:Cel, which no plugin provides; did you mean `kind:Cell`?');
    expect(details.step).toBe('load plugin a (built-in)');
    expect((await failure([], { needs: ['backend:nope'] })).message).toStartWith('this command requires backend:nope');
  });
});

describe('configuration', () => {
  const config = v.strictObject({ greeting: v.optional(v.string(), 'hello'), times: v.exactOptional(v.number()) });
  const configured = (seen: unknown[]) =>
    plugin('greeting', { config, setup: kernel => void seen.push(kernel.config) });

  test('is checked by the plugin’s own schema, and has its defaults', async () => {
    const seen: unknown[] = [];
    await load([configured(seen)]);
    await load([configured(seen)], { pluginConfig: { greeting: { greeting: 'hi', times: 2 } } });
    expect(seen).toEqual([{ greeting: 'hello' }, { greeting: 'hi', times: 2 }]);
  });

  test.each<[unknown, string]>([
    [{ greting: 'x' }, 'configuration: plugins.greeting.greting: unknown field; did you mean `greeting`?'],
    [{ greeting: 5 }, 'configuration: plugins.greeting.greeting: must be a string, not 5'],
    ['hello', 'configuration: plugins.greeting: must be a map, not "hello"'],
  ])('%j is refused', async (given, message) => {
    const error = await failure([configured([])], { pluginConfig: { greeting: given } });
    expect(error.message).toBe(message);
    expect(error.exitCode).toBe(2);
  });

  test('a section for a plugin that takes none is refused', async () => {
    const error = await failure([plugin('a')], { pluginConfig: { a: {} } });
    expect(error.message).toBe('the configuration has plugins.a, which takes none');
  });
});

describe('a plugin that fails', () => {
  const broken = (setup: (kernel: PluginKernel) => void | Promise<void>) =>
    plugin('greeting', { provides: { kinds: ['Greeting'] }, setup });
  const lenient = { lenient: true, thirdParty: ['greeting', 'friend'] };

  test.each<[string, PluginDefinition, string]>([
    [
      'throws',
      broken(() => {
        throw new Error('boom');
      }),
      'boom',
    ],
    ['hangs', broken(never), 'no answer within 50 ms'],
    ['rejects', broken(() => Promise.reject(new Error('later'))), 'later'],
    [
      'requires what is missing',
      plugin('greeting', { requires: ['translator'] }),
      'greeting requires translator, which no plugin provides',
    ],
    [
      'registers nothing of what it provides',
      broken(() => {}),
      'what it `provides` is not what its setup registers: kind Greeting',
    ],
    [
      'registers what it does not provide',
      plugin('greeting', { setup: kernel => kernel.kind(kind('Greeting')) }),
      'what it `provides` is not what its setup registers: kind Greeting',
    ],
    [
      'has a kind in a kind that is not there',
      broken(kernel => kernel.kind(kind('Greeting', { parent: 'Planet' }))),
      'its kind Greeting lives in a Planet, a kind that no plugin provides',
    ],
  ])('%s: it is named, and stops a change', async (_, one, why) => {
    const error = await failure([one], { thirdParty: ['greeting'] });
    expect(error.summary).toStartWith(`load plugin greeting (/plugins/greeting): ${why}`);
    expect(error.exitCode).toBe(1);
    const { warnings, names } = await load([kindPlugin('realm', kind('Realm')), one], lenient);
    expect(names).toEqual(['realm']);
    expect(warnings).toEqual([error.summary]);
  });

  test('is taken back whole: kind, hooks, backends and operations', async () => {
    const backend = {} as CgroupBackend;
    let heard = 0;
    const one = broken(kernel => {
      kernel.kind(kind('Greeting', { aliases: ['gr'] }));
      kernel.hook('shutdown', () => void heard++);
      kernel.backend('cgroup', () => backend);
      throw new Error('boom');
    });
    const { kernel } = await load([one], lenient);
    await kernel.hooks.call('shutdown');
    expect(heard).toBe(0);
    expect(() => kernel.kinds.lookup('gr')).toThrow('there is no kind `gr`');
    await expect(kernel.use('cgroup')).rejects.toThrow('no plugin provides the backend cgroup');
  });

  test('and registers something after its time limit is not heard any more', async () => {
    const late = Promise.withResolvers<void>();
    const refused = Promise.withResolvers<unknown>();
    const one = broken(async kernel => {
      await late.promise;
      try {
        kernel.kind(kind('Greeting'));
        refused.resolve(undefined);
      } catch (thrown) {
        refused.resolve(thrown);
      }
    });
    const { kernel } = await load([one], lenient);
    late.resolve();
    expect(await refused.promise).toMatchObject({ message: 'too late: its setup has failed' });
    expect(kernel.kinds.all()).toEqual([]);
  });

  test('takes those along that require it', async () => {
    const friend = plugin('friend', { requires: ['greeting'] });
    const { warnings } = await load([friend, broken(never)], lenient);
    expect(warnings[1]).toContain('it requires greeting, which could not be loaded');
  });

  test('a built-in one is no warning, ever', async () => {
    expect((await failure([broken(never)], { lenient: true })).message).toBe('no answer within 50 ms');
  });

  test('one that has another’s name is refused, and the other stays', async () => {
    const { warnings, names } = await load([plugin('friend'), plugin('greeting'), plugin('friend')], lenient);
    expect(names).toEqual(['friend', 'greeting']);
    expect(warnings.join()).toContain('there is a plugin of that name already');
  });
});

describe('what plugins register', () => {
  test.each(['realms', 'R', 'realm'])('the word %s cannot be two kinds’', async word => {
    const error = await failure([
      kindPlugin('realm', kind('Realm', { aliases: ['r'] })),
      kindPlugin('ring', kind('Ring', { aliases: [word] })),
    ]);
    expect(error.message).toContain(`takes the word "${word.toLowerCase()}", which is Realm's`);
  });

  test('a backend is made when it is first used, and once', async () => {
    let made = 0;
    const backend = {} as CgroupBackend;
    const one = plugin('a', {
      provides: { backends: ['cgroup'] },
      setup: kernel =>
        kernel.backend('cgroup', () => {
          made++;
          return backend;
        }),
    });
    const { kernel } = await load([one]);
    expect(made).toBe(0);
    const [first, second] = await Promise.all([kernel.use('cgroup'), kernel.use('cgroup')]);
    expect(first).toBe(backend);
    expect(second).toBe(backend);
    expect(made).toBe(1);
    const again = await failure([one, { ...one, name: 'b' }]);
    expect(again.message).toBe('the backend cgroup is provided twice');
  });

  test('a backend that cannot be made is tried anew the next time: what it needs may have come', async () => {
    const backend = {} as CgroupBackend;
    let isThere = false;
    const make = (): CgroupBackend => {
      if (isThere) return backend;
      throw new Error('not yet');
    };
    const setup = (kernel: PluginKernel) => kernel.backend('cgroup', make);
    const { kernel } = await load([plugin('a', { provides: { backends: ['cgroup'] }, setup })]);
    await expect(kernel.use('cgroup')).rejects.toThrow('not yet');
    isThere = true;
    expect(await kernel.use('cgroup')).toBe(backend);
  });

  test('what each cost is told, finding it included', async () => {
    const source = {
      name: 'a',
      requires: [],
      provides: {},
      origin: '/plugins/a',
      foundInMs: 1000,
      load: async () => plugin('a'),
    };
    const { kernel } = await load([], { sources: [source] });
    expect(kernel.plugins).toMatchObject([{ name: 'a', version: '1.2.3', origin: '/plugins/a' }]);
    expect(kernel.plugins[0]?.ms).toBeGreaterThan(1000);
  });

  test('kinds are found by any of their words, and a misspelt one is nearly found', async () => {
    const { kernel } = await load([
      kindPlugin('realm', kind('Realm', { aliases: ['r'] })),
      kindPlugin('space', kind('Space', { parent: 'Realm' }), { requires: ['kind:Realm'] }),
    ]);
    for (const word of ['realm', 'Realm', 'REALMS', 'r']) expect(kernel.kinds.lookup(word).kind).toBe('Realm');
    expect(() => kernel.kinds.lookup('relam')).toThrow('there is no kind `relam`; did you mean `realm`?');
    for (const word of ['toString', '__proto__', ''])
      expect(() => kernel.kinds.lookup(word)).toThrow('there is no kind');
    expect(kernel.kinds.above('Space').map(one => one.kind)).toEqual(['Realm']);
  });
});
