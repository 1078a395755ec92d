/** Executed plugins that are missing, fail, hang or talk nonsense, and ranges that are full: an error that says so, and nothing left behind. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { CniBridgeConfig } from '../../../plugins/cni-bridge/config.ts';
import type { AttachRequest, NetworkDefinition } from '../../../src/kernel/backends/index.ts';
import { context, failure } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';
import { processes } from '../observe/system.ts';
import { CONFIG_PATH, cleanHost, defined, testBackend } from './backend.ts';

const PLUGINS = '/opt/test-cni';
const { backend, runPath } = testBackend();
const exec: Partial<CniBridgeConfig> = { cniPlugins: 'exec', cniPath: [PLUGINS, '/usr/lib/cni'] };
const faulty = testBackend({ runPath, config: { ...exec, pluginTimeoutSeconds: 1 } });
let before: Inventory;
let network: NetworkDefinition;
let request: AttachRequest;
let serial = 0;

/** A program that stands before the real plugin of that name. */
function plugin(name: string, script: string): void {
  writeFileSync(`${PLUGINS}/${name}`, `#!/bin/bash\n${script}\n`);
  chmodSync(`${PLUGINS}/${name}`, 0o755);
}

const real = 'exec /usr/lib/cni/$(basename "$0")';

beforeAll(async () => {
  network = await defined(backend, 'default', '10.99.0.0/29');
  const netns = '/run/netns/kuke-cell';
  await backend.open({ path: netns }, context());
  const { name, configPath } = network;
  request = { name, configPath, netns, interface: 'eth0', attachmentId: 'first' };
  await backend.attach(request, context());
  await backend.detach(request, context());
  before = await inventory();
});
beforeEach(() => {
  request = { ...request, attachmentId: `cell-${++serial}` };
  rmSync(PLUGINS, { recursive: true, force: true });
  mkdirSync(PLUGINS);
});
afterAll(cleanHost);

const expectNothingLeft = async () => expect(difference(before, await inventory())).toEqual([]);

test('a plugin that is not on the path', async () => {
  const { backend: without } = testBackend({ runPath, config: { ...exec, cniPath: ['/nowhere', PLUGINS] } });
  const error = await failure(without.attach(request, context()), 'HostNotReady');
  expect(error.message).toContain('plugin bridge: there is no such plugin in /nowhere, /opt/test-cni');
  expect(error.details.step).toBe(`attach to network ${network.name}`);
  expect(error.remedy).toContain('containernetworking-plugins');
  await expectNothingLeft();
});

test('a plugin that is no program', async () => {
  writeFileSync(`${PLUGINS}/bridge`, 'not a program');
  const error = await failure(faulty.backend.attach(request, context()), 'HostNotReady');
  expect(error.message).toContain('EACCES');
  await expectNothingLeft();
});

test('a plugin that fails with a code of its own, at once or when all is made', async () => {
  const refusal = `echo '{"cniVersion":"1.0.0","code":123,"msg":"no more","details":"of this"}'; exit 1`;
  for (const script of [refusal, `[ $CNI_COMMAND = ADD ] || ${real}; /usr/lib/cni/bridge > /dev/null; ${refusal}`]) {
    plugin('bridge', script);
    const error = await failure(faulty.backend.attach(request, context()), 'NetworkFailed');
    expect(error.message).toContain(`network ${network.name}, plugin bridge: no more; of this (code 123`);
    await expectNothingLeft();
  }
});

test('a plugin that has made all and then hangs, also when it is to undo it', async () => {
  plugin('bridge', '/usr/lib/cni/bridge > /dev/null; sleep 100 & wait');
  const error = await failure(faulty.backend.attach(request, context()), 'TimedOut');
  expect(error.message).toContain('plugin bridge: it was killed: it took over 1 s');
  expect(error.remedy).toContain('pluginTimeoutSeconds');
  expect(processes().filter(({ command }) => command[0] === 'sleep')).toEqual([]);
  await expectNothingLeft();
});

test.each([
  ['nothing', ':'],
  ['garbage', 'echo hello'],
  ['more than it may', 'yes'],
  ['a result without an address', `echo '{"cniVersion":"1.0.0"}'`],
  ['an address that is none', `echo '{"cniVersion":"1.0.0","ips":[{"address":"here"}]}'`],
  ['only its death', 'kill -9 $$'],
])('a plugin that says %s', async (_, script) => {
  plugin('bridge', `[ $CNI_COMMAND = ADD ] || ${real}; /usr/lib/cni/bridge > /dev/null; ${script}`);
  await failure(faulty.backend.attach(request, context()), 'NetworkFailed');
  await expectNothingLeft();
});

test('an attachment that is called off while the plugin runs', async () => {
  plugin(
    'bridge',
    `[ $CNI_COMMAND = ADD ] || ${real}; /usr/lib/cni/bridge; kill -USR1 ${process.pid}; sleep 100 & wait`,
  );
  const calledOff = new AbortController();
  process.once('SIGUSR1', () => calledOff.abort());
  const patient = testBackend({ runPath, config: exec });
  await failure(patient.backend.attach(request, context(calledOff.signal)), 'Cancelled');
  await expectNothingLeft();
});

test('a DEL that fails or hangs: all is gone, and it is told', async () => {
  for (const script of ['exit 3', 'sleep 100 & wait']) {
    plugin('bridge', `[ $CNI_COMMAND = DEL ] || ${real}; ${script}`);
    faulty.warnings.length = 0;
    await faulty.backend.attach(request, context());
    await faulty.backend.detach(request, context());
    expect(faulty.warnings).toEqual([expect.stringContaining(`detach from network ${network.name}`)]);
    await expectNothingLeft();
  }
});

test('a full range says so; the next ADD goes well once there is room', async () => {
  const held = ['2', '3', '4', '5', '6'].map(last => `/var/lib/cni/networks/${network.name}/10.99.0.${last}`);
  for (const path of held) writeFileSync(path, 'somebody\r\neth0');
  await output('ip', 'link', 'delete', network.bridge); // as for the first cell ever
  const error = await failure(backend.attach(request, context()), 'NetworkFailed');
  expect(error.message).toContain('no IP addresses available in range set: 10.99.0.1-10.99.0.6');
  expect(error.remedy).toContain('larger range');
  for (const path of held) rmSync(path);
  expect((await backend.attach(request, context())).addresses).toHaveLength(1);
  await backend.detach(request, context());
  await expectNothingLeft();
});

test('a namespace that is gone, a network that is none, a conflist that nobody can read', async () => {
  const lost = await failure(backend.attach({ ...request, netns: '/run/netns/kuke-lost' }, context()), 'NetworkFailed');
  expect(lost.message).toContain('/run/netns/kuke-lost is no network namespace, or is gone');
  const none = await failure(backend.attach({ ...request, name: 'main-none' }, context()), 'NotFound');
  expect(none.message).toContain(`${CONFIG_PATH}/main-none.conflist`);
  writeFileSync(`${CONFIG_PATH}/main-torn.conflist`, '{\n  "name": "main-torn",\n');
  const torn = await failure(backend.attach({ ...request, name: 'main-torn' }, context()), 'MetadataCorrupt');
  expect(torn.message).toContain(`${CONFIG_PATH}/main-torn.conflist:`);
  const { problems } = await backend.observe({ configPaths: [CONFIG_PATH] });
  expect(problems).toMatchObject([{ path: `${CONFIG_PATH}/main-torn.conflist` }]);
  rmSync(`${CONFIG_PATH}/main-torn.conflist`);
  await expectNothingLeft();
});
