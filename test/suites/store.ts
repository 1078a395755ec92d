/** What every Store backend must do. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import type { StoreBackend, StoreLock } from '../../src/kernel/backends/index.ts';
import type { Manifest, ResourceRef } from '../../src/kernel/resource.ts';
import {
  cancelled,
  context,
  eventually,
  expectCommand,
  failure,
  HOSTILE,
  saysWhatIsThere,
  type UnderTest,
} from './contract.ts';

export interface StoreUnderTest extends UnderTest {
  /** Empty. */
  backend: StoreBackend;
  /** Another one of the same data, as another process would have. */
  another(): StoreBackend;
  /** Makes what is stored of `ref` unreadable; returns the path that the problem names. */
  spoil(ref: ResourceRef): Promise<string>;
  /** A container of the resource writes something, as a runtime would log it. */
  log(ref: ResourceRef, name: string): Promise<void>;
  /** What is in a `StoredFile`; undefined: it is not there. */
  readFile(path: string): Promise<string | undefined>;
}

const ref = (kind: string, ...path: string[]): ResourceRef => ({ kind, path });
const realm = ref('Realm', 'main');
const space = ref('Space', 'main', 'default');
const stack = ref('Stack', 'main', 'default', 'blog');
const cell = ref('Cell', 'main', 'default', 'blog', 'web');

function manifest(of: ResourceRef, spec: Record<string, unknown> = {}): Manifest {
  return { apiVersion: 'v1beta1', kind: of.kind, metadata: { name: of.path.at(-1) ?? '' }, spec };
}

/** What YAML readers and writers are known to get wrong, in keys and in values. */
const awkward = {
  strings: [
    '0755',
    '1e3',
    '0x1F',
    '1_000',
    '.5',
    '-',
    '~',
    'null',
    'yes',
    'No',
    'on',
    'true',
    'NaN',
    '.inf',
    '',
    ' lead',
    'trail ',
  ],
  dates: ['2024-01-01', '2024-01-01T00:00:00Z', '12:30:45'],
  marks: [
    '# no comment',
    'a: b',
    '- item',
    '? key',
    '*alias',
    '&anchor',
    '!tag',
    '%',
    '@',
    '`',
    '{a',
    '[b',
    '|',
    '>',
    "'",
    '"',
    '\\',
    '---',
    '...',
  ],
  lines: ['one\ntwo', 'one\n\n two\n', '\n', 'tab\there', 'a\r\nb', `${'long '.repeat(60)}end`],
  unicode: ['äöü', '日本語', '🙂', '\u0085', '\u2028', '\ufeff', '\u0000', '\u0007', '\u001b[31m', '\u007f'],
  numbers: [0, -1, 0.1, 1e21, Number.MAX_SAFE_INTEGER, -1.5e-7],
  others: [true, false, null, [], {}, [[]], [{}], { a: { b: [] } }],
  keys: { '0755': 1, yes: 2, 'a: b': 3, '': 4, null: 5, '<<': 6, 'with space': 7, '- x': 8, '#': 9 },
};

export function storeSuite(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(name, () => {
    let t: StoreUnderTest;
    let store: StoreBackend;
    beforeEach(async () => {
      t = await make();
      store = t.backend;
    });
    afterEach(() => t.cleanup());

    const write = (of: ResourceRef, spec?: Record<string, unknown>) =>
      store.write({ ref: of, manifest: manifest(of, spec) }, context());
    const stored = async () =>
      (await store.list()).resources.map(({ ref: of }) => `${of.kind} ${of.path.join('/')}`).sort();
    const specOf = async (of: ResourceRef) =>
      (await store.list()).resources.find(found => found.ref.kind === of.kind)?.manifest.spec;

    test('is empty at first', async () => {
      expect(await store.list()).toEqual({ resources: [], problems: [] });
      expect(await store.instance()).toBeUndefined();
    });

    test('gives back what was written, to other processes too', async () => {
      const written = { ...manifest(cell, { containers: [{ id: 'a' }] }), status: { state: 'Ready' } };
      written.metadata = { name: 'web', labels: { app: 'x' }, annotations: { note: '# 1' } };
      await store.write({ ref: cell, manifest: written }, context());
      for (const one of [store, t.another()]) {
        expect(await one.list()).toEqual({ resources: [{ ref: cell, manifest: written }], problems: [] });
      }
    });

    test('keeps values as they are', async () => {
      await write(cell, awkward);
      expect(await store.list()).toEqual({
        resources: [{ ref: cell, manifest: manifest(cell, awkward) }],
        problems: [],
      });
    });

    test('writes the same twice, and replaces what stood there', async () => {
      await write(realm, { a: 1 });
      await write(realm, { a: 1 });
      expect(await specOf(realm)).toEqual({ a: 1 });
      await store.write(
        { ref: realm, manifest: manifest(realm, { b: 2 }), previous: manifest(realm, { a: 1 }) },
        context(),
      );
      expect(await specOf(realm)).toEqual({ b: 2 });
    });

    test('keeps resources of all kinds and depths, also two kinds of one name', async () => {
      for (const one of [realm, space, stack, cell, ref('Greeting', 'main'), ref('Greeting', 'main', 'default', 'hi')])
        await write(one);
      expect(await stored()).toEqual(
        [
          'Realm main',
          'Greeting main',
          'Space main/default',
          'Greeting main/default/hi',
          'Stack main/default/blog',
          'Cell main/default/blog/web',
        ].sort(),
      );
    });

    test('does not share what it is given or gives', async () => {
      const given = manifest(realm, { list: ['a'] });
      await store.write({ ref: realm, manifest: given }, context());
      given.spec.list = ['b'];
      const [got] = (await store.list()).resources;
      try {
        if (got !== undefined) got.manifest.spec.list = ['c'];
      } catch {} // what is given to others, too, is frozen
      expect(await specOf(realm)).toEqual({ list: ['a'] });
    });

    test('names that differ only in case are one', async () => {
      await write(ref('Realm', 'main'), { a: 1 });
      await write(ref('Realm', 'Main'), { a: 2 });
      expect((await store.list()).resources).toHaveLength(1);
      expect(await specOf(realm)).toEqual({ a: 2 });
      await write(ref('Space', 'MAIN', 'default'));
      await store.remove({ ref: ref('Space', 'main', 'Default') }, context());
      await store.remove({ ref: ref('Realm', 'mAIN') }, context());
      expect(await store.list()).toEqual({ resources: [], problems: [] });
    });

    test('removes one resource and no other', async () => {
      for (const one of [realm, space, stack, cell, ref('Stack', 'main', 'default', 'blog2')]) await write(one);
      await store.remove({ ref: stack }, context());
      await store.remove({ ref: stack }, context());
      expect(await stored()).toEqual([
        'Cell main/default/blog/web',
        'Realm main',
        'Space main/default',
        'Stack main/default/blog2',
      ]);
    });

    test('removes what was never there', async () => {
      await store.remove({ ref: cell }, context());
      await store.removeFile({ path: 'etc/never' }, context());
      expect(await store.list()).toEqual({ resources: [], problems: [] });
    });

    test('takes many writes at once, of many resources and of one', async () => {
      const cells = Array.from({ length: 20 }, (_, i) => ref('Cell', 'main', 'default', `s${i % 4}`, `c${i}`));
      await Promise.all(cells.map(one => write(one, { i: one.path })));
      await Promise.all(Array.from({ length: 10 }, (_, i) => write(realm, { i, text: `${i}`.repeat(2000) })));
      const { resources, problems } = await store.list();
      expect(problems).toEqual([]);
      expect(resources.filter(found => found.ref.kind === 'Cell')).toHaveLength(20);
      const { i, text } = (await specOf(realm)) ?? {};
      expect(text).toBe(`${i}`.repeat(2000));
      await Promise.all(cells.map(one => store.remove({ ref: one }, context())));
      expect(await stored()).toEqual(['Realm main']);
    });

    test('a resource that cannot be read is a problem, and the others are there', async () => {
      for (const one of [realm, space, cell]) await write(one);
      const path = await t.spoil(space);
      const { resources, problems } = await store.list();
      expect(resources.map(found => found.ref.kind).sort()).toEqual(['Cell', 'Realm']);
      expect(problems.map(problem => problem.path)).toEqual([path]);
      expect(problems[0]?.message).not.toBe('');
    });

    test('writing or removing a resource mends it', async () => {
      await write(realm);
      await t.spoil(realm);
      await write(realm, { a: 1 });
      expect(await store.list()).toEqual({
        resources: [{ ref: realm, manifest: manifest(realm, { a: 1 }) }],
        problems: [],
      });
      await t.spoil(realm);
      await store.remove({ ref: realm }, context());
      expect(await store.list()).toEqual({ resources: [], problems: [] });
    });

    test.each(
      [
        [],
        [''],
        ['.'],
        ['..', 'x'],
        ['a/b'],
        ['.kuke'],
        ['main', '../../x'],
        ['a\0b'],
        ['a\nb'],
        ['x'.repeat(300)],
      ].map(path => [path]),
    )('refuses the hostile path %j', async path => {
      const hostile = ref('Cell', ...path);
      await failure(store.write({ ref: hostile, manifest: manifest(hostile) }, context()), 'InvalidManifest');
      await failure(store.remove({ ref: hostile }, context()), 'InvalidManifest');
      expect(await store.list()).toEqual({ resources: [], problems: [] });
    });

    test.each(['../x', 'x/../y', '/Realm', '', 'a b', '.x', 'X\0'])('refuses the hostile kind %j', async kind => {
      const hostile = ref(kind, 'main');
      await failure(store.write({ ref: hostile, manifest: manifest(hostile) }, context()), 'InvalidManifest');
      expect(await store.list()).toEqual({ resources: [], problems: [] });
    });

    test('does nothing when cancelled before', async () => {
      await failure(store.write({ ref: realm, manifest: manifest(realm) }, cancelled()), 'Cancelled');
      await failure(store.writeFile({ path: 'instance', content: 'x' }, cancelled()), 'Cancelled');
      expect(await stored()).toEqual([]);
      expect(await t.readFile('instance')).toBeUndefined();
    });

    describe('files', () => {
      test.each([false, true])('are written, replaced and removed (in place: %p)', async inPlace => {
        const path = 'etc/main/default/blog/web/hosts';
        for (const content of [
          '127.0.0.1 localhost\n',
          '127.0.0.1 localhost\n',
          '',
          `${HOSTILE} 日本\n`.repeat(100),
          'short',
        ]) {
          await store.writeFile({ path, content, inPlace }, context());
          expect(await t.readFile(path)).toBe(content);
        }
        await store.removeFile({ path }, context());
        await store.removeFile({ path }, context());
        expect(await t.readFile(path)).toBeUndefined();
      });

      test('are removed with their folder', async () => {
        for (const path of ['etc/a/hosts', 'etc/a/deep/resolv.conf', 'etc/ab/hosts'])
          await store.writeFile({ path, content: path }, context());
        await store.removeFile({ path: 'etc/a' }, context());
        expect(await t.readFile('etc/a/hosts')).toBeUndefined();
        expect(await t.readFile('etc/a/deep/resolv.conf')).toBeUndefined();
        expect(await t.readFile('etc/ab/hosts')).toBe('etc/ab/hosts');
      });

      test('are no resources', async () => {
        await store.writeFile({ path: 'etc/realm.yaml', content: 'a: 1' }, context());
        expect(await store.list()).toEqual({ resources: [], problems: [] });
      });

      test('are read back', async () => {
        await store.writeFile({ path: 'etc/a/hosts', content: 'x\n' }, context());
        expect(await store.readFile('etc/a/hosts')).toBe('x\n');
        expect(await store.readFile('etc/b/hosts')).toBeUndefined();
      });

      test('have an absolute path', () => {
        expect(store.filePath('etc/a/hosts')).toMatch(/^\/.*\/etc\/a\/hosts$/);
      });

      test.each(['', '/', '/etc/passwd', '../x', 'a/../../x', 'a//b', './a', 'a/.', 'a\0b'])(
        'are refused outside: %j',
        async path => {
          await failure(store.writeFile({ path, content: 'x' }, context()));
          await failure(store.removeFile({ path }, context()));
          expect(() => store.filePath(path)).toThrow();
        },
      );

      test('hold the instance id', async () => {
        const id = crypto.randomUUID();
        await store.writeFile({ path: 'instance', content: `${id}\n` }, context());
        expect(await store.instance()).toBe(id);
        expect(await t.another().instance()).toBe(id);
      });
    });

    describe('lock', () => {
      const take = (from: StoreBackend, command: string, options: Partial<Parameters<StoreBackend['lock']>[0]> = {}) =>
        from.lock({ command, timeoutMs: 20_000, signal: new AbortController().signal, onWait: () => {}, ...options });

      test('is exclusive, and passed on', async () => {
        const order: string[] = [];
        const first = await take(store, 'kuke apply');
        const second = take(t.another(), 'kuke delete').then(async lock => {
          order.push('second has it');
          await lock.release();
        });
        expect(await eventually(async () => first.isAwaited() || undefined)).toBe(true);
        order.push('first releases');
        await first.release();
        await second;
        expect(order).toEqual(['first releases', 'second has it']);
      });

      test('is held by one at a time', async () => {
        let holders = 0;
        const hold = async (lock: StoreLock) => {
          expect(++holders).toBe(1);
          await Bun.sleep(5);
          holders--;
          await lock.release();
        };
        await Promise.all(
          Array.from({ length: 6 }, (_, i) => take(i % 2 ? store : t.another(), `kuke ${i}`).then(hold)),
        );
        await (await take(store, 'kuke last', { timeoutMs: 0 })).release();
      });

      test('says whom one waits for', async () => {
        const first = await take(store, 'kuke apply -f x.yaml');
        const told = Promise.withResolvers<{ pid: number; command: string }>();
        const second = take(t.another(), 'kuke delete', { onWait: told.resolve });
        const holder = await told.promise;
        expect(holder.command).toBe('kuke apply -f x.yaml');
        expect(holder.pid).toBeGreaterThan(0);
        await first.release();
        await (await second).release();
      });

      test('fails with Locked at the time limit, naming the holder', async () => {
        const first = await take(store, 'kuke apply -f x.yaml');
        for (const timeoutMs of [0, 100]) {
          const { message } = await failure(take(t.another(), 'kuke delete', { timeoutMs }), 'Locked');
          expect(message).toContain('kuke apply -f x.yaml');
          expect(message).toMatch(/\bpid \d+\b/);
        }
        await first.release();
        await (await take(t.another(), 'kuke delete', { timeoutMs: 0 })).release();
      });

      test('is not taken by one who gave up', async () => {
        const first = await take(store, 'kuke apply');
        const abort = new AbortController();
        const second = failure(take(t.another(), 'kuke delete', { signal: abort.signal }), 'Cancelled');
        await Bun.sleep(20);
        abort.abort();
        await second;
        await failure(take(store, 'kuke', { signal: AbortSignal.abort() }), 'Cancelled');
        await first.release();
        await (await take(store, 'kuke start', { timeoutMs: 0 })).release();
      });

      test('a second release does not take it from the next holder', async () => {
        const first = await take(store, 'kuke apply');
        await first.release();
        const second = await take(t.another(), 'kuke delete');
        await first.release();
        await failure(take(store, 'kuke', { timeoutMs: 0 }), 'Locked');
        await second.release();
      });
    });

    test('says what is there before it is written', async () => {
      const written = { ref: cell, manifest: manifest(cell) };
      const hasManifest = () => store.isThere('write', written);
      const removal = () => store.remove({ ref: cell }, context());
      await saysWhatIsThere(hasManifest, () => store.write(written, context()), removal);
      const file = { path: 'etc/x/hosts', content: '' };
      const hasFile = () => store.isThere('writeFile', file);
      const removeFile = () => store.removeFile(file, context());
      await saysWhatIsThere(hasFile, () => store.writeFile(file, context()), removeFile);
      expect(await store.isThere('remove', { ref: cell })).toBe(false);
    });

    test('knows of logs, and removes a manifest without those that it is to keep', async () => {
      expect(await store.logs(cell)).toEqual([]);
      await write(cell);
      for (const name of ['b.log', 'a.log']) await t.log(cell, name);
      expect([await store.logs(cell), await store.logs(stack)]).toEqual([['a.log', 'b.log'], []]);
      await store.remove({ ref: cell, keeps: ['b.log', 'c.log'] }, context());
      expect([await stored(), await store.logs(cell)]).toEqual([[], ['b.log']]);
      await store.remove({ ref: cell }, context());
      expect(await store.logs(cell)).toEqual([]);
    });

    test('nothing of its own is a stranger to it', async () => {
      expect(await store.strangers()).toEqual([]);
      await store.write({ ref: realm, manifest: manifest(realm) }, context());
      await store.writeFile({ path: 'instance', content: 'an-id' }, context());
      expect(await store.strangers()).toEqual([]);
    });

    test('explains its actions', () => {
      expectCommand(store.explain('write', { ref: cell, manifest: manifest(cell, { [HOSTILE]: HOSTILE }) }));
      expectCommand(store.explain('remove', { ref: cell }));
      expectCommand(store.explain('writeFile', { path: 'etc/hosts', content: `${HOSTILE}\nEOF\n` }));
      expectCommand(store.explain('removeFile', { path: 'etc/hosts' }));
    });
  });
}
