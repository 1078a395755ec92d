/** Built-in plugins called in process by the runtime: how what they say arrives. The plugin is `static`, which touches nothing. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseNetworkConfig } from '../../../../src/cni/config.ts';
import { CniError } from '../../../../src/cni/errors.ts';
import type { InvokeRequest } from '../../../../src/cni/invoke.ts';
import { invokeNative, nativeInvoke } from '../../../../src/cni/plugins/native.ts';
import type { AttachmentCall } from '../../../../src/cni/plugins/plugin.ts';
import { createCniRuntime } from '../../../../src/cni/runtime.ts';
import { MADE, recordingPlugin } from './recording-plugin.ts';

let results: string;
beforeEach(() => {
  results = mkdtempSync(join(tmpdir(), 'native-'));
});
afterEach(() => rmSync(results, { recursive: true }));

const request = (more: Partial<InvokeRequest> = {}): InvokeRequest => ({
  command: 'ADD',
  plugin: 'static',
  network: 'net',
  containerId: 'c1',
  netns: '/run/netns/x',
  ifName: 'eth0',
  path: ['/opt/cni/bin'],
  config: { cniVersion: '1.0.0', name: 'net', type: 'static' },
  timeoutMs: 1000,
  ...more,
});

async function failure(call: Promise<unknown>): Promise<CniError> {
  const outcome = await call.catch((error: unknown) => error);
  if (!(outcome instanceof CniError)) throw new Error(`expected a CniError, got ${JSON.stringify(outcome)}`);
  return outcome;
}

describe('one call', () => {
  test('ADD answers what a program would print', async () => {
    const { plugin, calls } = recordingPlugin();
    const answer = await nativeInvoke(async () => plugin)(request({ args: 'A=1' }));
    expect(answer).toEqual({
      cniVersion: '1.0.0',
      interfaces: MADE.interfaces,
      ips: MADE.ips,
      routes: MADE.routes,
    });
    expect(calls).toMatchObject([{ containerId: 'c1', args: [['A', '1']], path: ['/opt/cni/bin'] }]);
  });

  test('an ADD that is over its time fails also where it never waited', async () => {
    const { plugin } = recordingPlugin();
    const slow = {
      ...plugin,
      add: async (call: AttachmentCall) => {
        Bun.sleepSync(30);
        return await plugin.add(call);
      },
    };
    const { reason, message } = await failure(nativeInvoke(async () => slow)(request({ timeoutMs: 10 })));
    expect({ reason, message }).toEqual({ reason: 'timed-out', message: expect.stringContaining('over 0.01 s') });
  });

  test('VERSION', async () => {
    expect(await invokeNative(request({ command: 'VERSION', config: { cniVersion: '1.1.0' } }))).toEqual({
      cniVersion: '1.1.0',
      supportedVersions: ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'],
    });
  });

  test('a type that is not built in', async () => {
    const { reason, message } = await failure(invokeNative(request({ plugin: 'macvlan' })));
    expect({ reason, message }).toEqual({ reason: 'not-found', message: expect.stringContaining('macvlan') });
  });

  test("a plugin's error keeps code, message and details", async () => {
    const config = { cniVersion: '1.0.0', name: 'net', type: 'static', prevResult: 7 };
    const { failure: told } = await failure(invokeNative(request({ config })));
    expect(told).toMatchObject({
      reason: 'plugin-error',
      command: 'ADD',
      network: 'net',
      plugin: 'static',
      code: 6,
      msg: 'prevResult: must be an object',
    });
  });

  test("the kernel's words", async () => {
    const { plugin } = recordingPlugin(() => readFileSync('/nowhere'));
    const { failure: told } = await failure(nativeInvoke(async () => plugin)(request()));
    expect(told).toMatchObject({
      reason: 'plugin-error',
      code: 5,
      msg: 'open /nowhere: No such file or directory (ENOENT)',
    });
  });
});

describe('called off', () => {
  test('before it began', async () => {
    const { plugin, calls } = recordingPlugin();
    const call = nativeInvoke(async () => plugin)(request({ signal: AbortSignal.abort('enough') }));
    expect((await failure(call)).reason).toBe('aborted');
    expect(calls).toEqual([]);
  });

  test.each([
    ['a plugin that notices', true],
    ['a plugin that is done by then', false],
  ])('%s', async (_, notices) => {
    const controller = new AbortController();
    const { plugin } = recordingPlugin(({ signal }) => {
      controller.abort(new Error('enough'));
      if (notices) signal?.throwIfAborted();
    });
    const call = nativeInvoke(async () => plugin)(request({ signal: controller.signal }));
    expect((await failure(call)).reason).toBe('aborted');
  });

  test('a plugin that waits is told of the time limit', async () => {
    const { plugin } = recordingPlugin(({ signal }) => {
      const { promise, reject } = Promise.withResolvers<void>();
      signal?.addEventListener('abort', () => reject(signal.reason));
      return promise;
    });
    const { reason, message } = await failure(nativeInvoke(async () => plugin)(request({ timeoutMs: 1 })));
    expect({ reason, message }).toEqual({ reason: 'timed-out', message: expect.stringContaining('over 0.001 s') });
  });
});

describe('in a runtime', () => {
  const network = parseNetworkConfig({ cniVersion: '1.1.0', name: 'net', plugins: [{ type: 'static' }] });
  const attachment = { containerId: 'c1', netns: '/run/netns/x', ifName: 'eth0' };
  const id = { network: 'net', containerId: 'c1', ifName: 'eth0' };
  const runtime = (recorded: ReturnType<typeof recordingPlugin>, served = 'kuke') =>
    createCniRuntime({
      path: ['/nowhere'],
      cacheFolder: results,
      invokers: { kuke: nativeInvoke(async () => recorded.plugin) },
      invokerFor: () => served,
    });

  test('all verbs, with no program anywhere', async () => {
    const recorded = recordingPlugin();
    const cni = runtime(recorded);
    expect(await cni.add(network, attachment)).toEqual(MADE);
    expect(JSON.parse(readFileSync(join(results, 'net-c1-eth0'), 'utf8')).invokers).toEqual(['kuke']);
    await cni.check(id);
    await cni.gc(network, [{ containerId: 'c1', ifName: 'eth0' }]);
    await cni.status(network);
    expect(await cni.del(id)).toEqual({ by: 'result' });
    expect(recorded.calls.map(({ command }) => command)).toEqual(['ADD', 'CHECK', 'GC', 'STATUS', 'DEL']);
    expect(recorded.calls[4]).toMatchObject({ prevResult: MADE });
    expect((await cni.version('static')).supportedVersions).toContain('1.1.0');
  });

  test('who did the ADD does the DEL, whatever is configured by then', async () => {
    const recorded = recordingPlugin();
    await runtime(recorded).add(network, attachment);
    await runtime(recorded, 'exec').del(id);
    expect(recorded.calls.map(({ command }) => command)).toEqual(['ADD', 'DEL']);
  });

  test('an ADD that is called off is undone', async () => {
    const controller = new AbortController();
    const recorded = recordingPlugin(({ command }) => {
      if (command === 'ADD') controller.abort(new Error('enough'));
    });
    expect((await failure(runtime(recorded).add(network, attachment, controller.signal))).reason).toBe('aborted');
    expect(recorded.calls.map(({ command }) => command)).toEqual(['ADD', 'DEL']);
  });
});
