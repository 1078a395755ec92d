import { afterEach, beforeEach, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCached } from '../../../src/cni/cache.ts';
import { CniError } from '../../../src/cni/errors.ts';
import type { InvokeRequest } from '../../../src/cni/invoke.ts';
import { createCniRuntime, type RuntimeOptions } from '../../../src/cni/runtime.ts';
import { network, type PluginFolder, pluginFolder, RESULT, say } from './scripted-plugin.ts';

let folder: PluginFolder;
let cache: string;
beforeEach(() => {
  folder = pluginFolder();
  cache = join(folder.path, 'results');
});
afterEach(() => folder[Symbol.dispose]());

const runtime = (more: RuntimeOptions = {}) => createCniRuntime({ path: [folder.path], cacheFolder: cache, ...more });
const attachment = { containerId: 'c1', netns: '/run/netns/x', ifName: 'eth0' };
const id = { network: 'net', containerId: 'c1', ifName: 'eth0' };
const cached = () => (existsSync(cache) ? readdirSync(cache) : []);

async function failure(operation: Promise<unknown>): Promise<CniError> {
  const outcome = await operation.catch((error: unknown) => error);
  if (!(outcome instanceof CniError)) throw new Error(`expected a CniError, got ${JSON.stringify(outcome)}`);
  return outcome;
}

/** A plugin that answers ADD with its prevResult, as chained plugins do that add nothing to it. */
function passThrough(name: string): void {
  folder.plugin(name, `[ $CNI_COMMAND != ADD ] || sed 's/.*"prevResult"://; s/}$//' "$here/$me.ADD.stdin"`);
}

test('before each plugin others have their turn', async () => {
  folder.plugin('first', say(RESULT));
  passThrough('second');
  let pauses = 0;
  const pause = async () => void pauses++;
  await runtime({ pause }).add(network(['first', 'second']), attachment);
  expect(pauses).toBe(2);
  await runtime({ pause }).del(id);
  expect(pauses).toBe(4);
});

test('ADD runs the chain, each plugin gets the result of the one before; CHECK and DEL get the last', async () => {
  const later = { ...RESULT, dns: { nameservers: ['10.1.0.1'] } };
  folder.plugin('first', say(RESULT));
  folder.plugin('second', say(later));
  const net = network(['first', { type: 'second', own: { key: [1] } }]);

  expect(await runtime().add(net, attachment)).toMatchObject(later);
  expect(folder.stdin('first', 'ADD')).toEqual({ type: 'first', cniVersion: '1.0.0', name: 'net' });
  expect(folder.stdin('second', 'ADD')).toEqual({
    type: 'second',
    own: { key: [1] },
    cniVersion: '1.0.0',
    name: 'net',
    prevResult: RESULT,
  });
  expect(cached()).toEqual(['net-c1-eth0']);

  await runtime().check(id);
  expect(folder.stdin('first', 'CHECK')).toMatchObject({ prevResult: later });
  expect(folder.env('first', 'CHECK')).toMatchObject({
    CNI_NETNS: '/run/netns/x',
    CNI_IFNAME: 'eth0',
    CNI_CONTAINERID: 'c1',
  });

  expect(await runtime().del(id)).toEqual({ by: 'result' });
  expect(folder.stdin('first', 'DEL')).toMatchObject({ prevResult: later });
  expect(cached()).toEqual([]);
  const calls = ['first ADD', 'second ADD', 'first CHECK', 'second CHECK', 'second DEL', 'first DEL'];
  expect(folder.calls()).toEqual(calls);
});

test('a chained plugin can hand its prevResult on as it got it', async () => {
  folder.plugin('first', say(RESULT));
  passThrough('second');
  expect(await runtime().add(network(['first', 'second']), attachment)).toMatchObject(RESULT);
});

test('capability arguments go to the plugins that declare them, and reserved keys to none', async () => {
  folder.plugin('first', say(RESULT));
  folder.plugin('ports', say(RESULT));
  const ports = { type: 'ports', capabilities: { portMappings: true, mac: false, bandwidth: true }, 'cni.dev/x': 1 };
  const capabilityArgs = {
    portMappings: [{ hostPort: 80, containerPort: 8080, protocol: 'tcp' }],
    mac: '0e:00:00:00:00:02',
  };
  await runtime().add(network(['first', ports]), { ...attachment, capabilityArgs, args: [['K', 'V']] });
  const { portMappings } = capabilityArgs;
  const expected = { type: 'ports', cniVersion: '1.0.0', name: 'net', runtimeConfig: { portMappings } };
  expect(folder.stdin('ports', 'ADD')).toEqual({ ...expected, prevResult: RESULT });
  expect(folder.stdin('first', 'ADD')).not.toHaveProperty('runtimeConfig');

  await runtime().del(id);
  expect(folder.stdin('ports', 'DEL')).toEqual({ ...expected, prevResult: RESULT });
  expect(folder.env('ports', 'DEL')).toMatchObject({ CNI_ARGS: 'K=V' });
});

test('prevResult has the form of the network’s version; DEL gets none before 0.4.0, and CHECK is not supported', async () => {
  folder.plugin('first', say({ ...RESULT, cniVersion: undefined, ips: [{ version: '4', ...RESULT.ips[0] }] }));
  folder.plugin('second', say({ ...RESULT, cniVersion: '0.3.1' }));
  await runtime().add(network(['first', 'second'], { cniVersion: '0.3.1' }), attachment);
  expect(folder.stdin('second', 'ADD')).toMatchObject({ prevResult: { cniVersion: '0.3.1', ips: [{ version: '4' }] } });
  expect(await failure(runtime().check(id))).toMatchObject({
    reason: 'unsupported',
    message: expect.stringMatching(/0\.3\.1.*CHECK came with 0\.4\.0/),
  });
  await runtime().del(id);
  expect(folder.stdin('second', 'DEL')).not.toHaveProperty('prevResult');
});

test('a failed ADD is undone by the whole chain, with what is known, and leaves no result', async () => {
  folder.plugin('first', say(RESULT));
  folder.plugin('second', `[ $CNI_COMMAND = DEL ] || { ${say({ code: 100, msg: 'no luck' })}\nexit 1; }`);
  folder.plugin('third', say(RESULT));
  const error = await failure(runtime().add(network(['first', 'second', 'third']), attachment));
  expect(error).toMatchObject({ reason: 'plugin-error', code: 100, also: [] });
  expect(folder.calls()).toEqual(['first ADD', 'second ADD', 'third DEL', 'second DEL', 'first DEL']);
  expect(folder.stdin('first', 'DEL')).toMatchObject({ prevResult: RESULT });
  expect(cached()).toEqual([]);
});

test('an ADD and its undoing that both fail are both reported', async () => {
  folder.plugin(
    'first',
    `[ $CNI_COMMAND = ADD ] && { ${say(RESULT)}\nexit; }; ${say({ code: 101, msg: 'stuck' })}\nexit 1`,
  );
  folder.plugin('second', 'exit 4');
  const error = await failure(runtime().add(network(['first', 'second']), attachment));
  expect(error.reason).toBe('exit-status');
  expect(error.also.map(({ reason, failure }) => [failure.command, failure.plugin, reason])).toEqual([
    ['DEL', 'second', 'exit-status'],
    ['DEL', 'first', 'plugin-error'],
  ]);
  expect(error.message).toMatch(
    /^CNI ADD.*plugin second: .*also failed: CNI DEL.*plugin second.*also failed: CNI DEL.*plugin first: stuck/,
  );
});

test('a result that breaks the specification is undone too', async () => {
  folder.plugin('first', say({ cniVersion: '1.0.0', ips: [{ address: '10.1.0.5', interface: 3 }] }));
  const error = await failure(runtime().add(network(['first']), attachment));
  expect(error).toMatchObject({
    reason: 'bad-output',
    message: expect.stringMatching(/answer is not valid: ips\.0\.address: .*prefix length/),
  });
  expect(folder.calls()).toEqual(['first ADD', 'first DEL']);
});

test('a result that can not be written is undone; a cache that can not be read stops an ADD before anything ran', async () => {
  folder.plugin('first', say(RESULT));
  const error = await failure(runtime({ cacheFolder: '/proc/none/results' }).add(network(['first']), attachment));
  expect(error).toMatchObject({ reason: 'cache', message: expect.stringContaining('/proc/none/results') });
  expect(folder.calls()).toEqual(['first ADD', 'first DEL']);
  const notAFolder = join(folder.path, 'first', 'results');
  expect(await failure(runtime({ cacheFolder: notAFolder }).add(network(['first']), attachment))).toMatchObject({
    reason: 'cache',
  });
  expect(folder.calls()).toHaveLength(2);
});

test('called off in the middle of an ADD: undone all the same', async () => {
  folder.plugin('first', say(RESULT));
  folder.plugin('second', '[ $CNI_COMMAND = DEL ] || exec sleep 1000');
  const controller = new AbortController();
  const running = failure(runtime().add(network(['first', 'second']), attachment, controller.signal));
  while (!existsSync(join(folder.path, 'second.ADD.stdin'))) await Bun.sleep(5);
  controller.abort();
  expect(await running).toMatchObject({ reason: 'aborted', also: [] });
  expect(folder.calls()).toEqual(['first ADD', 'second ADD', 'second DEL', 'first DEL']);

  expect(await failure(runtime().add(network(['first']), attachment, controller.signal))).toMatchObject({
    reason: 'aborted',
  });
  expect(folder.calls()).toHaveLength(4);
});

test('a plugin that is missing, or an IPAM plugin that is, stops an ADD before anything ran', async () => {
  folder.plugin('first', say(RESULT));
  const missing = await failure(runtime().add(network(['first', 'gone']), attachment));
  expect(missing).toMatchObject({ reason: 'not-found', failure: { plugin: 'gone' } });
  const ipam = await failure(runtime().add(network([{ type: 'first', ipam: { type: 'host-local' } }]), attachment));
  expect(ipam).toMatchObject({ reason: 'not-found', failure: { plugin: 'host-local' } });
  expect(folder.calls()).toEqual([]);
});

test('DEL uses the configuration of the ADD, goes on after a failure, reports all and keeps the result until it succeeds', async () => {
  folder.plugin('first', say(RESULT));
  folder.plugin('second', say(RESULT));
  folder.plugin('third', say(RESULT));
  await runtime().add(network(['first', 'second', { type: 'third', since: 'add' }]), attachment);
  folder.plugin('first', 'exit 1');
  folder.plugin('third', 'exit 3');
  const error = await failure(runtime().del(id, { fallback: { network: network(['second']) } }));
  expect(error.failure.plugin).toBe('third');
  expect(error.also.map(one => one.failure.plugin)).toEqual(['first']);
  expect(folder.calls().slice(3)).toEqual(['third DEL', 'second DEL', 'first DEL']);
  expect(folder.stdin('third', 'DEL')).toMatchObject({ since: 'add' });
  expect(cached()).toEqual(['net-c1-eth0']);

  folder.plugin('first', '');
  folder.plugin('third', '');
  expect(await runtime().del(id, { netns: '' })).toEqual({ by: 'result' });
  expect(folder.env('first', 'DEL')).toMatchObject({ CNI_NETNS: '' });
  expect(cached()).toEqual([]);
});

test('DEL without a result goes by the fallback, or there is nothing to do', async () => {
  folder.plugin('first', '');
  mkdirSync(cache);
  writeFileSync(join(cache, 'net-c1-eth0'), ''); // what a power failure left
  expect(await runtime().del(id)).toEqual({ by: 'nothing' });
  expect(cached()).toEqual([]);
  expect(folder.calls()).toEqual([]);
  const net = network([{ type: 'first', capabilities: { mac: true } }]);
  const fallback = { network: net, capabilityArgs: { mac: '0e:00:00:00:00:02' } };
  expect(await runtime().del(id, { fallback, netns: '/run/netns/y' })).toEqual({ by: 'fallback' });
  expect(folder.env('first', 'DEL')).toMatchObject({ CNI_NETNS: '/run/netns/y' });
  expect(folder.stdin('first', 'DEL')).toMatchObject({ runtimeConfig: { mac: '0e:00:00:00:00:02' } });
});

test('a broken result: DEL reports it and goes by the fallback, then removes it; CHECK, ADD and DEL without fallback refuse', async () => {
  folder.plugin('first', say(RESULT));
  const net = network(['first']);
  await runtime().add(net, attachment);
  const path = join(cache, 'net-c1-eth0');
  writeFileSync(path, '{"kind":');
  expect(await failure(runtime().check(id))).toMatchObject({ reason: 'cache', message: expect.stringContaining(path) });
  expect(await failure(runtime().add(net, attachment))).toMatchObject({ reason: 'cache' });
  expect(await failure(runtime().del(id))).toMatchObject({ reason: 'cache' });
  const outcome = await runtime().del(id, { fallback: { network: net } });
  expect(outcome).toMatchObject({ by: 'fallback', broken: { path } });
  expect(folder.calls()).toEqual(['first ADD', 'first DEL']);
  expect(cached()).toEqual([]);
});

test('an attachment is added once', async () => {
  folder.plugin('first', say(RESULT));
  await runtime().add(network(['first']), attachment);
  const error = await failure(runtime().add(network(['first']), attachment));
  expect(error).toMatchObject({ reason: 'attached', remedy: expect.stringContaining('DEL') });
  expect(folder.calls()).toEqual(['first ADD']);
});

test('two attachments whose files have one name do not touch each other', async () => {
  folder.plugin('first', say(RESULT));
  await runtime().add(network(['first'], { name: 'a-b' }), { ...attachment, containerId: 'c' });
  const other = { network: 'a', containerId: 'b-c', ifName: 'eth0' };
  expect(
    await failure(runtime().add(network(['first'], { name: 'a' }), { ...attachment, containerId: 'b-c' })),
  ).toMatchObject({
    reason: 'attached',
    message: expect.stringContaining('c is attached to a-b'),
  });
  expect(await runtime().del(other)).toEqual({ by: 'nothing' });
  expect(await failure(runtime().check(other))).toMatchObject({ reason: 'not-attached' });
  expect(cached()).toEqual(['a-b-c-eth0']);
});

test('disableCheck: the plugins are not asked', async () => {
  folder.plugin('first', say(RESULT));
  await runtime().add(network(['first'], { disableCheck: true }), attachment);
  await runtime().check(id);
  expect(folder.calls()).toEqual(['first ADD']);
});

test('CHECK stops at the first plugin that says no; what is not attached can not be checked', async () => {
  folder.plugin('first', say(RESULT));
  folder.plugin('second', say(RESULT));
  expect(await failure(runtime().check(id))).toMatchObject({ reason: 'not-attached' });
  await runtime().add(network(['first', 'second']), attachment);
  folder.plugin('first', `${say({ code: 100, msg: 'address is gone' })}\nexit 1`);
  expect(await failure(runtime().check(id))).toMatchObject({ code: 100 });
  expect(folder.calls()).toEqual(['first ADD', 'second ADD', 'first CHECK']);
});

test('VERSION', async () => {
  folder.plugin('first', say({ cniVersion: '1.1.0', supportedVersions: ['0.4.0', '1.0.0'] }));
  expect(await runtime().version('first')).toEqual({ cniVersion: '1.1.0', supportedVersions: ['0.4.0', '1.0.0'] });
  expect(folder.stdin('first', 'VERSION')).toEqual({ cniVersion: '1.1.0' });
  folder.plugin('first', say({ cniVersion: '1.1.0' }));
  expect(await failure(runtime().version('first'))).toMatchObject({
    reason: 'bad-output',
    message: expect.stringMatching(/supportedVersions/),
  });
  expect(await failure(runtime().version('none'))).toMatchObject({ reason: 'not-found' });
});

test('GC and STATUS: not supported before 1.1.0', async () => {
  const net = network(['first']);
  expect(await failure(runtime().gc(net, []))).toMatchObject({
    reason: 'unsupported',
    message: expect.stringMatching(/1\.0\.0.*GC came with 1\.1\.0/),
  });
  expect(await failure(runtime().status(net))).toMatchObject({ reason: 'unsupported' });
});

test('GC tells every plugin what is valid and goes on after a failure', async () => {
  folder.plugin('first', `${say({ code: 102, msg: 'leak' })}\nexit 1`);
  folder.plugin('second', '');
  const net = network(['first', 'second'], { cniVersion: '1.1.0' });
  const error = await failure(runtime().gc(net, [{ containerId: 'c1', ifName: 'eth0' }]));
  expect(error).toMatchObject({ code: 102, also: [] });
  expect(folder.stdin('second', 'GC')).toMatchObject({
    'cni.dev/valid-attachments': [{ containerID: 'c1', ifname: 'eth0' }],
  });
  expect(folder.env('second', 'GC')).not.toHaveProperty('CNI_CONTAINERID');

  await runtime().gc(network(['first'], { cniVersion: '1.1.0', disableGC: true }), []);
  expect(folder.calls()).toEqual(['first GC', 'second GC']);
});

test('STATUS is the first plugin’s no', async () => {
  folder.plugin('first', '');
  folder.plugin('second', `${say({ code: 50, msg: 'no addresses left' })}\nexit 1`);
  const error = await failure(runtime().status(network(['first', 'second', 'second'], { cniVersion: '1.1.0' })));
  expect(error).toMatchObject({ code: 50, codeName: 'plugin not available' });
  expect(folder.calls()).toEqual(['first STATUS', 'second STATUS']);
});

test('another implementation serves an attachment from its ADD to its DEL, whatever is chosen since', async () => {
  const seen: InvokeRequest[] = [];
  const inside = async (request: InvokeRequest) => {
    seen.push(request);
    return RESULT;
  };
  folder.plugin('second', say(RESULT));
  const mixed = runtime({ invokers: { inside }, invokerFor: type => (type === 'first' ? 'inside' : 'exec') });
  await mixed.add(network(['first', 'second']), attachment);
  expect(readCached(cache, id)?.invokers).toEqual(['inside', 'exec']);

  expect(await failure(runtime().del(id))).toMatchObject({
    reason: 'not-found',
    message: expect.stringMatching(/implementation "inside"/),
  });
  await runtime({ invokers: { inside } }).del(id);
  expect(seen.map(request => [request.command, request.plugin, request.netns])).toEqual([
    ['ADD', 'first', '/run/netns/x'],
    ['DEL', 'first', '/run/netns/x'],
  ]);
  expect(seen[1]?.config).toMatchObject({ name: 'net', prevResult: RESULT });
  expect(folder.calls()).toEqual(['second ADD', 'second DEL', 'second DEL']);
});

test('whatever an implementation throws, the caller gets a CniError', async () => {
  const inside = async () => {
    throw new TypeError('x is undefined');
  };
  const error = await failure(runtime({ invokers: { inside }, invokerFor: () => 'inside' }).version('first'));
  expect(error).toMatchObject({ reason: 'plugin-error', failure: { plugin: 'first', msg: 'x is undefined' } });
});

test.each([
  ['a container id', { containerId: '../x' }, /"\.\.\/x" is no container id/],
  ['no container id', { containerId: '' }, /no container id/],
  ['an interface name', { ifName: 'kukeon-123456789' }, /at most 15 bytes/],
  ['a netns', { netns: 'x' }, /absolute path/],
  ['arguments', { args: [['a', 'b;c=d']] as const }, /CNI_ARGS/],
])('%s that breaks the specification is refused before anything runs', async (_, wrong, message) => {
  folder.plugin('first', say(RESULT));
  const error = await failure(runtime().add(network(['first']), { ...attachment, ...wrong }));
  expect(error).toMatchObject({ reason: 'bad-request', message: expect.stringMatching(message), also: [] });
  expect(folder.calls()).toEqual([]);
});

test('a relative folder in the CNI path is refused', async () => {
  expect(await failure(runtime({ path: ['bin'] }).version('first'))).toMatchObject({
    reason: 'bad-request',
    message: expect.stringMatching(/absolute/),
  });
  const error = await failure(runtime({ path: [folder.path, 'bin'] }).add(network(['first']), attachment));
  expect(error).toMatchObject({ reason: 'bad-request', also: [] });
});
