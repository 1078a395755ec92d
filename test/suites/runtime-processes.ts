/** What every Runtime backend must do with what runs in a container: add to it, tell it, and wait for its end. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecProcess, RuntimeBackend } from '../../src/kernel/backends/index.ts';
import { KukeError } from '../../src/kernel/errors.ts';
import { context, eventually, failure } from './contract.ts';
import type { RuntimeUnderTest } from './runtime.ts';

const RUNS = ['/bin/sh', '-c', 'trap "exit 0" TERM; trap "exit 10" USR1; echo ready; sleep 1000 & wait'];

export function runtimeProcessSuite(name: string, make: () => Promise<RuntimeUnderTest>): void {
  describe(`${name}: processes`, () => {
    let t: RuntimeUnderTest;
    let runtime: RuntimeBackend;
    let folder: string;
    beforeEach(async () => {
      t = await make();
      runtime = t.backend;
      folder = mkdtempSync(join(tmpdir(), 'kuke-exec-'));
    });
    afterEach(async () => {
      rmSync(folder, { recursive: true });
      await t.cleanup();
    });

    const the = (id: string) => ({ namespace: t.namespace, id });
    const path = (file: string) => join(folder, file);
    async function created(id: string): Promise<void> {
      const config = {
        ...the(id),
        image: t.image,
        labels: {},
        group: 'suite',
        hostname: 'suite',
        command: RUNS,
        defaultEnv: [],
        env: ['OF=container'],
        mounts: [],
        devices: [],
        capabilities: { add: [], drop: [] },
        privileged: false,
        readOnlyRootFilesystem: false,
        securityOpts: [],
        cgroup: `${t.cgroup}/${id}`,
        logPath: `${t.logFolder}/${id}.log`,
      };
      await runtime.create(config, context());
    }
    async function running(id: string): Promise<void> {
      await created(id);
      await runtime.start(the(id), context());
      await eventually(async () => (await t.readLog(`${t.logFolder}/${id}.log`))?.includes('ready') || undefined);
    }

    /** Its output goes to a file; `stdin` is what it reads. */
    async function exec<T>(
      command: string[],
      use: (started: ExecProcess) => Promise<T>,
      {
        stdin,
        env = [],
        signal = new AbortController().signal,
      }: { stdin?: string; env?: string[]; signal?: AbortSignal } = {},
    ): Promise<{ result: T; output: string }> {
      writeFileSync(path('in'), stdin ?? '');
      const [input, output, errors] = [
        openSync(path('in'), 'r'),
        openSync(path('out'), 'w'),
        openSync(path('err'), 'w'),
      ];
      try {
        const streams = { ...(stdin !== undefined && { stdin: input }), stdout: output, stderr: errors };
        const result = await use(await runtime.exec({ ...the('a'), command, env, ...streams }, signal));
        return { result, output: readFileSync(path('out'), 'utf8') };
      } finally {
        for (const fd of [input, output, errors]) closeSync(fd);
      }
    }
    const ended = (started: ExecProcess) => started.exited;
    const shell = (script: string) => ['/bin/sh', '-c', script];

    test('one more has the environment of the container and its own, writes to our descriptors, and ends with a code', async () => {
      await running('a');
      const { result, output } = await exec(shell('echo $OF; echo $B; exit 3'), ended, { env: ['B=asked'] });
      expect([result, output]).toEqual([3, 'container\nasked\n']);
      expect((await exec(shell('exit 0'), ended)).result).toBe(0);
    });

    test('it reads what it is given to its end, or nothing', async () => {
      await running('a');
      expect(await exec(['cat'], ended, { stdin: 'given\n' })).toEqual({ result: 0, output: 'given\n' });
      expect(await exec(['cat'], ended)).toEqual({ result: 0, output: '' });
    });

    test('it takes signals, also when it has ended', async () => {
      await running('a');
      const { result } = await exec(
        shell('trap "exit 5" USR1; echo ready; while :; do sleep 0.05; done'),
        async started => {
          await eventually(async () => readFileSync(path('out'), 'utf8') || undefined);
          await started.signal('SIGUSR1');
          const code = await started.exited;
          await started.signal('SIGTERM');
          return code;
        },
      );
      expect(result).toBe(5);
      const killed = async (started: ExecProcess) => {
        await started.signal('SIGKILL');
        return await started.exited;
      };
      expect((await exec(['sleep', '1000'], killed)).result).toBe(137);
    });

    test('a program that is not there, a container that does not run, and one that is not there', async () => {
      await created('a');
      await failure(exec(shell('exit 0'), ended), 'Conflict');
      await runtime.start(the('a'), context());
      await failure(exec(['/no-such'], ended), 'ProgramNotFound');
      await runtime.stop({ ...the('a'), timeoutMs: 20_000 }, context());
      await failure(exec(shell('exit 0'), ended), 'Conflict');
      await runtime.remove(the('a'), context());
      await failure(exec(shell('exit 0'), ended), 'NotFound');
    });

    test('its root file system is at hand while it runs', async () => {
      await created('a');
      await failure(runtime.openRoot(the('a')), 'Conflict');
      await runtime.start(the('a'), context());
      {
        using root = await runtime.openRoot(the('a'));
        expect(fstatSync(root.fd).isDirectory()).toBe(true);
      }
      await runtime.stop({ ...the('a'), timeoutMs: 20_000 }, context());
      await failure(runtime.openRoot(the('a')), 'Conflict');
      await failure(runtime.openRoot(the('b')), 'NotFound');
    });

    test('nothing goes in where no input is kept; who has no terminal says so', async () => {
      await created('a');
      await failure(runtime.attach(the('a')), 'Conflict');
      await runtime.start(the('a'), context());
      {
        using input = await runtime.attach(the('a'));
        expect([input.hasTerminal, input.stdin]).toEqual([false, undefined]);
        await input.fed();
      }
      await failure(runtime.attach(the('b')), 'NotFound');
    });

    test('called off before it is there, it does not run', async () => {
      await running('a');
      const controller = new AbortController();
      const started = exec(shell('echo ran; sleep 1000'), ended, { signal: controller.signal });
      controller.abort(new KukeError('Cancelled', 'called off'));
      expect((await failure(started, 'Cancelled')).message).toBe('called off');
      expect(readFileSync(path('out'), 'utf8')).toBe('');
    });

    test('the first one takes a signal, and its end can be waited for', async () => {
      await running('a');
      const signal = new AbortController();
      const waiting = runtime.wait(the('a'), signal.signal);
      await runtime.signal(the('a'), 'SIGUSR1');
      expect(await waiting).toEqual({ exitCode: 10 });
      expect(await runtime.wait(the('a'), signal.signal)).toEqual({ exitCode: 10 });
      await runtime.signal(the('a'), 'SIGUSR1');
      await runtime.signal(the('never'), 'SIGUSR1');
      expect(await runtime.wait(the('never'), signal.signal)).toEqual({});
    });

    test('the wait can be cancelled', async () => {
      await running('a');
      const abort = new AbortController();
      const waiting = failure(runtime.wait(the('a'), abort.signal), 'Cancelled');
      await Bun.sleep(20);
      abort.abort();
      await waiting;
    });
  });
}
