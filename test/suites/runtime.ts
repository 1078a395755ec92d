/** What every Runtime backend must do. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import type { ContainerConfig, ContainerObservation, RuntimeBackend } from '../../src/kernel/backends/index.ts';
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

/** The configuration of the image that the suite runs containers of; the programs are busybox's. */
export const suiteImage = {
  entrypoint: ['/bin/sh', '-c'],
  cmd: ['echo from the image'],
  env: ['PATH=/bin', 'A=image', 'B=image', 'C=image'],
  stopSignal: 'SIGUSR1',
};

export interface RuntimeUnderTest extends UnderTest {
  backend: RuntimeBackend;
  /** One of ours, made by `createNamespace`, with an image of `suiteImage`'s configuration. */
  namespace: string;
  /** Normalised name of that image. */
  image: string;
  /** Of a namespace that is not there; removed in `cleanup` if the suite makes it. */
  otherNamespace: string;
  /** Parent group of the containers' leaves, made. */
  cgroup: string;
  logFolder: string;
  /** Makes a namespace with a container that is not ours. */
  foreignNamespace(namespace: string): Promise<void>;
  /** Makes a container that is not ours. */
  foreignContainer(namespace: string, id: string): Promise<void>;
  hasContainer(namespace: string, id: string): Promise<boolean>;
  /** What is at the path of a log; undefined: nothing. */
  readLog(path: string): Promise<string | undefined>;
  /** A backend for a runtime that does not answer. */
  unavailable(): RuntimeBackend;
}

const RUNS = ['/bin/sh', '-c', 'trap "exit 0" TERM; trap "exit 10" USR1; echo ready; sleep 1000 & wait'];

export function runtimeSuite(name: string, make: () => Promise<RuntimeUnderTest>): void {
  describe(name, () => {
    let t: RuntimeUnderTest;
    let runtime: RuntimeBackend;
    beforeEach(async () => {
      t = await make();
      runtime = t.backend;
    });
    afterEach(() => t.cleanup());

    const config = (id: string, options: Partial<ContainerConfig> = {}): ContainerConfig => ({
      namespace: t.namespace,
      id,
      image: t.image,
      labels: { 'suite.kukeon.io/test': 'yes' },
      group: 'suite',
      hostname: 'suite',
      command: RUNS,
      defaultEnv: [],
      env: [],
      mounts: [],
      devices: [],
      capabilities: { add: [], drop: [] },
      privileged: false,
      readOnlyRootFilesystem: false,
      securityOpts: [],
      cgroup: `${t.cgroup}/${id}`,
      logPath: `${t.logFolder}/${id}.log`,
      ...options,
    });
    const the = (id: string) => ({ namespace: t.namespace, id });
    const create = (id: string, options?: Partial<ContainerConfig>) => runtime.create(config(id, options), context());
    const start = (id: string) => runtime.start(the(id), context());
    const stop = (id: string, timeoutMs = 20_000, signal?: string) =>
      runtime.stop({ ...the(id), timeoutMs, ...(signal !== undefined && { signal }) }, context());
    const clear = (id: string) => runtime.clear(the(id), context());
    const remove = (id: string) => runtime.remove(the(id), context());
    const observe = () => runtime.observe({ namespace: t.namespace });
    const observed = async (id: string) => (await observe()).find(container => container.id === id);
    const inState = (id: string, state: ContainerObservation['state']) =>
      eventually(async () => {
        const container = await observed(id);
        return container?.state === state ? container : undefined;
      });
    const log = async (id: string) => (await t.readLog(`${t.logFolder}/${id}.log`)) ?? '';
    const written = (id: string, text: string) =>
      eventually(async () => ((await log(id)).includes(text) ? true : undefined));
    /** Creates and starts it, and waits until its traps are set. */
    const running = async (id: string, options?: Partial<ContainerConfig>) => {
      await create(id, options);
      const { pid } = await start(id);
      await written(id, 'ready');
      return pid;
    };
    const output = async (id: string, options: Partial<ContainerConfig>) => {
      await create(id, options);
      await start(id);
      await inState(id, 'stopped');
      return await log(id);
    };

    test('answers with its name and version', async () => {
      expect(await runtime.ping()).toEqual({ name: expect.stringMatching(/./), version: expect.stringMatching(/^\d/) });
    });

    describe('namespaces', () => {
      const createNamespace = (namespace: string) => runtime.createNamespace({ namespace }, context());
      const removeNamespace = (namespace: string) => runtime.removeNamespace({ namespace }, context());
      const found = async (namespace: string) =>
        (await runtime.namespaces()).filter(one => one.namespace === namespace);

      test('are created and removed, each twice', async () => {
        const namespace = t.otherNamespace;
        await createNamespace(namespace);
        await createNamespace(namespace);
        expect(await found(namespace)).toEqual([{ namespace, ours: true }]);
        await removeNamespace(namespace);
        await removeNamespace(namespace);
        expect(await found(namespace)).toEqual([]);
      });

      test('go with their images', async () => {
        await removeNamespace(t.namespace);
        expect(await found(t.namespace)).toEqual([]);
        await createNamespace(t.namespace);
        await failure(create('a'), 'ImageNotFound');
      });

      test('of others are left alone', async () => {
        const namespace = t.otherNamespace;
        await t.foreignNamespace(namespace);
        await failure(createNamespace(namespace), 'Conflict');
        await removeNamespace(namespace).catch(() => {});
        expect(await found(namespace)).toEqual([{ namespace, ours: false }]);
        expect(await runtime.observe({ namespace })).toEqual([]);
      });

      test('of ours that hold what is not are not removed', async () => {
        await t.foreignContainer(t.namespace, 'theirs');
        const { message } = await failure(removeNamespace(t.namespace), 'Conflict');
        expect(message).toContain('theirs');
        expect(await t.hasContainer(t.namespace, 'theirs')).toBe(true);
        expect(await found(t.namespace)).toEqual([{ namespace: t.namespace, ours: true }]);
      });

      test('are not created when cancelled before', async () => {
        await failure(runtime.createNamespace({ namespace: t.otherNamespace }, cancelled()), 'Cancelled');
        expect(await found(t.otherNamespace)).toEqual([]);
      });

      test('that are not there hold nothing', async () => {
        expect(await runtime.observe({ namespace: t.otherNamespace })).toEqual([]);
      });
    });

    describe('create', () => {
      test('makes a container that does not run', async () => {
        await create('a', { labels: { 'suite.kukeon.io/one': '1', 'suite.kukeon.io/two': 'a b' } });
        expect(await observe()).toEqual([
          {
            namespace: t.namespace,
            id: 'a',
            image: t.image,
            labels: expect.objectContaining({ 'suite.kukeon.io/one': '1', 'suite.kukeon.io/two': 'a b' }),
            state: 'created',
          },
        ]);
      });

      test('twice is once', async () => {
        await create('a');
        await create('a');
        expect((await observe()).map(({ id, state }) => ({ id, state }))).toEqual([{ id: 'a', state: 'created' }]);
        await running('a');
      });

      test('fails without the image, and leaves nothing', async () => {
        await failure(create('a', { image: 'docker.io/library/no-such-image:1' }), 'ImageNotFound');
        expect(await observe()).toEqual([]);
        expect(await t.hasContainer(t.namespace, 'a')).toBe(false);
        await remove('a');
        await create('a');
      });

      test('fails without the namespace, and does not make it', async () => {
        await failure(create('a', { namespace: t.otherNamespace }));
        expect((await runtime.namespaces()).map(one => one.namespace)).not.toContain(t.otherNamespace);
      });

      test('leaves a container alone that is not ours', async () => {
        await t.foreignContainer(t.namespace, 'a');
        await failure(create('a'), 'Conflict');
        expect(await observe()).toEqual([]);
        await remove('a');
        expect(await t.hasContainer(t.namespace, 'a')).toBe(true);
      });

      test('does nothing when cancelled before', async () => {
        await failure(runtime.create(config('a'), cancelled()), 'Cancelled');
        expect(await observe()).toEqual([]);
      });
    });

    describe('what runs', () => {
      test.each([
        ['the image', {}, 'from the image'],
        ['args', { args: ['echo from args'] }, 'from args'],
        ['command', { command: ['/bin/sh', '-c', 'echo from command'] }, 'from command'],
        ['command and args', { command: ['/bin/sh', '-c'], args: ['echo from both'] }, 'from both'],
      ])('comes from %s', async (_, options, expected) => {
        const { command: __, ...rest } = config('a');
        await runtime.create({ ...rest, ...options }, context());
        await start('a');
        await inState('a', 'stopped');
        expect(await log('a')).toBe(`${expected}\n`);
      });

      test('has the environment of image, defaults and manifest, the later winning', async () => {
        const options = {
          command: ['/bin/sh', '-c', 'echo "$A $B $C $D"'],
          defaultEnv: ['B=default', 'C=default'],
          env: ['C=user', 'D=a=b'],
        };
        expect(await output('a', options)).toBe('image default user a=b\n');
      });
    });

    describe('start', () => {
      test('runs it', async () => {
        const pid = await running('a');
        expect(pid).toBeGreaterThan(0);
        const container = await observed('a');
        expect(container).toMatchObject({ id: 'a', state: 'running', pid });
        expect(container?.exitCode).toBeUndefined();
        expect(Date.parse(container?.startedAt ?? '')).not.toBeNaN();
      });

      test('twice is once', async () => {
        const pid = await running('a');
        expect(await start('a')).toEqual({ pid });
        expect(await observed('a')).toMatchObject({ state: 'running', pid });
      });

      test('of an ended one runs it anew, and its log goes on', async () => {
        await create('a', { command: ['/bin/sh', '-c', 'echo once; exit 3'] });
        for (const times of [1, 2]) {
          await start('a');
          const ended = await eventually(async () => {
            const container = await observed('a');
            return container?.state === 'stopped' && (await log('a')) === 'once\n'.repeat(times)
              ? container
              : undefined;
          });
          expect(ended).toMatchObject({ state: 'stopped', exitCode: 3 });
          expect(Date.parse(ended.finishedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(ended.startedAt ?? ''));
        }
      });

      test('fails on a command that is not in the image, and leaves no task', async () => {
        await create('a', { command: ['/bin/no-such-program'] });
        const { message } = await failure(start('a'), 'CommandNotFound');
        expect(message).toContain('/bin/no-such-program');
        expect((await observed('a'))?.state).toBe('created');
        await remove('a');
        expect(await observe()).toEqual([]);
      });

      test('fails on what was never created', async () => {
        await failure(start('a'), 'NotFound');
        expect(await observe()).toEqual([]);
      });

      test('does not run what is not ours', async () => {
        await t.foreignContainer(t.namespace, 'a');
        await failure(start('a'), 'NotFound', 'Conflict');
      });

      test('does nothing when cancelled before', async () => {
        await create('a');
        await failure(runtime.start(the('a'), cancelled()), 'Cancelled');
        expect((await observed('a'))?.state).toBe('created');
      });

      test('many at once, in one group', async () => {
        const ids = ['a', 'b', 'c', 'd'];
        await Promise.all(ids.map(id => create(id)));
        const pids = await Promise.all(ids.map(id => start(id)));
        expect(new Set(pids.map(({ pid }) => pid)).size).toBe(4);
        expect((await observe()).map(({ id, state }) => `${id} ${state}`).sort()).toEqual(
          ids.map(id => `${id} running`),
        );
        await Promise.all(ids.map(remove));
        expect(await observe()).toEqual([]);
      });
    });

    describe('stop', () => {
      test('sends the signal that is asked for, and reports the exit code', async () => {
        const pid = await running('a');
        expect(await stop('a', 20_000, 'SIGTERM')).toEqual({ exitCode: 0 });
        const container = await observed('a');
        expect(container).toMatchObject({ state: 'stopped', exitCode: 0 });
        expect(Date.parse(container?.finishedAt ?? '')).not.toBeNaN();
        expect((await start('a')).pid).not.toBe(pid);
      });

      test("sends the image's STOPSIGNAL", async () => {
        await running('a');
        expect(await stop('a')).toEqual({ exitCode: 10 });
      });

      test('kills what does not end in time', async () => {
        await running('a', {
          command: ['/bin/sh', '-c', 'trap "" TERM; trap "" USR1; echo ready; while :; do sleep 1000; done'],
        });
        expect(await stop('a', 100)).toEqual({ exitCode: 137 });
        expect(await observed('a')).toMatchObject({ state: 'stopped', exitCode: 137 });
      });

      test('kills at once with no time to end', async () => {
        await running('a');
        expect(await stop('a', 0)).toEqual({ exitCode: 137 });
      });

      test('twice, and of what does not run', async () => {
        await running('a');
        await stop('a');
        expect(await stop('a')).toEqual({ exitCode: 10 });
        await create('b');
        expect(await stop('b')).toEqual({});
        expect(await stop('never')).toEqual({});
        expect((await observed('b'))?.state).toBe('created');
      });

      test('can be cancelled while it waits', async () => {
        await running('a', { command: ['/bin/sh', '-c', 'trap "" USR1; echo ready; while :; do sleep 1000; done'] });
        const abort = new AbortController();
        const stopping = failure(runtime.stop({ ...the('a'), timeoutMs: 60_000 }, context(abort.signal)), 'Cancelled');
        await Bun.sleep(50);
        abort.abort();
        await stopping;
        await remove('a');
        expect(await observe()).toEqual([]);
      });
    });

    test('clears an ended task away, with its exit code, and nothing else', async () => {
      const pid = await running('a');
      await clear('a');
      expect(await observed('a')).toMatchObject({ state: 'running', pid });
      await stop('a');
      await failure(runtime.clear(the('a'), cancelled()), 'Cancelled');
      for (const exitCode of [10, undefined, undefined]) {
        expect([(await observed('a'))?.id, (await observed('a'))?.exitCode]).toEqual(['a', exitCode]);
        await clear('a');
      }
      expect((await start('a')).pid).toBeGreaterThan(0);
      await create('b');
      await t.foreignContainer(t.namespace, 'foreign');
      for (const id of ['b', 'never', 'foreign']) await clear(id);
      expect((await observed('b'))?.state).toBe('created');
    });

    describe('remove', () => {
      test.each(['created', 'running', 'stopped'] as const)('leaves nothing of a container that is %s', async state => {
        if (state === 'created') await create('a');
        else await running('a');
        if (state === 'stopped') await stop('a');
        expect((await observed('a'))?.state).toBe(state);
        await remove('a');
        await remove('a');
        expect(await observe()).toEqual([]);
        expect(await t.hasContainer(t.namespace, 'a')).toBe(false);
        await running('a');
      });

      test('of what was never there', async () => {
        await remove('never');
        await runtime.remove({ namespace: t.otherNamespace, id: 'never' }, context());
        expect(await observe()).toEqual([]);
      });

      test('leaves the others of its group', async () => {
        await running('a');
        await running('b');
        await remove('a');
        expect((await observe()).map(({ id, state }) => ({ id, state }))).toEqual([{ id: 'b', state: 'running' }]);
      });
    });

    test('says when the runtime does not answer', async () => {
      const gone = t.unavailable();
      await failure(gone.ping(), 'RuntimeUnavailable');
      await failure(gone.namespaces(), 'RuntimeUnavailable');
      await failure(gone.observe({ namespace: t.namespace }), 'RuntimeUnavailable');
      await failure(gone.create(config('a'), context()), 'RuntimeUnavailable');
      await failure(gone.remove(the('a'), context()), 'RuntimeUnavailable');
    });

    test('says what is there before it is created or started', async () => {
      const namespace = { namespace: t.otherNamespace };
      const hasNamespace = () => runtime.isThere('createNamespace', namespace);
      const removeNamespace = () => runtime.removeNamespace(namespace, context());
      await saysWhatIsThere(hasNamespace, () => runtime.createNamespace(namespace, context()), removeNamespace);
      const isCreated = () => runtime.isThere('create', config('a'));
      await saysWhatIsThere(
        isCreated,
        () => create('a'),
        () => remove('a'),
      );
      await create('a');
      const runs = () => runtime.isThere('start', the('a'));
      await saysWhatIsThere(
        runs,
        () => start('a'),
        () => stop('a', 0),
      );
      await t.foreignContainer(t.namespace, 'foreign');
      expect(await runtime.isThere('create', config('foreign'))).toBe(false);
      expect(await runtime.isThere('remove', the('a'))).toBe(false);
    });

    test('explains its actions', () => {
      const hostile = {
        env: [`X=${HOSTILE}`],
        args: [HOSTILE],
        labels: { x: HOSTILE },
        hostname: HOSTILE,
        logPath: `/${HOSTILE}`,
      };
      for (const one of [config('a'), config('a', hostile)]) expectCommand(runtime.explain('create', one));
      expectCommand(runtime.explain('createNamespace', { namespace: t.namespace }));
      expectCommand(runtime.explain('removeNamespace', { namespace: t.namespace }));
      expectCommand(runtime.explain('clear', the('a')));
      expectCommand(runtime.explain('start', the('a')));
      expectCommand(runtime.explain('stop', { ...the('a'), timeoutMs: 10_000 }));
      expectCommand(runtime.explain('stop', { ...the('a'), timeoutMs: 0 }));
      expectCommand(runtime.explain('remove', the('a')));
    });
  });
}
