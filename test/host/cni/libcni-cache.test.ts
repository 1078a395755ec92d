/** The result cache beside libcni's own: `ctr run --cni` attaches and detaches its containers with it. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cachePath, formatCached, listCached, readCached, writeCached } from '../../../src/cni/cache.ts';
import { readConflist } from '../../../src/cni/conflist.ts';
import { createCniRuntime } from '../../../src/cni/runtime.ts';
import { type Containerd, startContainerd } from '../containerd.ts';
import { output } from '../observe/command.ts';

const results = '/var/lib/cni/results';
const told = '/run/told';
const conflist = '/etc/cni/net.d/10-probe.conflist';
const id = { network: 'probe', containerId: 'default-c1', ifName: 'eth0' };

/** A plugin that gives every container the same result and writes down what it was told. */
const PROBE = `#!/bin/sh
(cat; echo) >> ${told}/$CNI_COMMAND
[ $CNI_COMMAND != ADD ] || echo '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"'$CNI_NETNS'"}],"ips":[{"address":"10.9.0.2/24","interface":0}]}'
`;

let containerd: Containerd;
beforeAll(async () => {
  containerd = await startContainerd();
  for (const folder of ['/etc/cni/net.d', '/opt/cni/bin', told, '/run/rootfs/bin'])
    mkdirSync(folder, { recursive: true });
  writeFileSync('/opt/cni/bin/probe', PROBE);
  chmodSync('/opt/cni/bin/probe', 0o755);
  writeFileSync(
    conflist,
    '{ "cniVersion": "1.0.0", "name": "probe", "plugins": [ { "type": "probe", "own": "<&>" } ] }',
  );
  cpSync('/bin/busybox', '/run/rootfs/bin/busybox');
});
afterAll(() => containerd.stop());

/** What the plugin was told at its DELs so far. */
function dels(): unknown[] {
  return readFileSync(join(told, 'DEL'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
}

/** A container that `ctr run` has attached, and that runs. `end` kills it and resolves when ctr has detached it. */
async function startContainer(): Promise<{ end(): Promise<void> }> {
  rmSync('/run/rootfs/up', { force: true });
  const script = 'echo up > /up; exec /bin/busybox sleep 1000';
  const options = '--cni --cpu-shares 0 --rm --rootfs /run/rootfs'.split(' ');
  const run = Bun.spawn(['ctr', 'run', ...options, 'c1', '/bin/busybox', 'sh', '-c', script]);
  await written('/run/rootfs', 'up');
  return {
    async end() {
      await output('ctr', 'task', 'kill', '--signal', 'SIGKILL', 'c1');
      await run.exited;
    },
  };
}

/** Resolves when a file is there with something in it. */
async function written(folder: string, name: string): Promise<void> {
  const path = join(folder, name);
  const there = Promise.withResolvers<void>();
  const check = () => existsSync(path) && readFileSync(path).length > 0 && there.resolve();
  const watcher = watch(folder, check);
  check();
  await there.promise;
  watcher.close();
}

test('libcni’s file is read, and ours is read by libcni', async () => {
  const container = await startContainer();

  const theirs = readCached(results, id);
  if (theirs === undefined) throw new Error('not found');
  expect(theirs).toMatchObject({
    ...id,
    invokers: [],
    config: { name: 'probe', plugins: [{ type: 'probe', json: { own: '<&>' } }] },
  });
  expect(theirs.result?.ips).toMatchObject([{ address: '10.9.0.2/24', interface: 0 }]);
  expect(listCached(results)).toEqual({ attachments: [theirs], broken: [] });

  // The same attachment in our words: the same keys but one, the same values. (libcni before 1.3 writes an empty dns too.)
  const { config: theirConfig, ...file }: Record<string, unknown> = JSON.parse(
    readFileSync(cachePath(results, id), 'utf8'),
  );
  const { config, invokers, ...ours }: Record<string, unknown> = JSON.parse(formatCached(theirs));
  const withoutEmptyDns = JSON.parse(
    JSON.stringify(file, (key, value) => (key === 'dns' && Object.keys(value).length === 0 ? undefined : value)),
  );
  expect(ours).toEqual(withoutEmptyDns);
  const decoded = [config, theirConfig].map(text => JSON.parse(Buffer.from(String(text), 'base64').toString()));
  expect(decoded[0]).toEqual(decoded[1]);

  // libcni does its DEL with what we wrote.
  const result = {
    ...theirs.result,
    cniVersion: '1.0.0' as const,
    interfaces: [],
    routes: [],
    ips: [{ address: '10.9.0.99/24' }],
  };
  await writeCached(results, { ...theirs, invokers: ['exec'], result });
  await container.end();
  // Since 1.7 ctr does another DEL after this one, without a result.
  expect(dels()[0]).toMatchObject({
    own: '<&>',
    prevResult: { cniVersion: '1.0.0', ips: [{ address: '10.9.0.99/24' }] },
  });
  expect(existsSync(cachePath(results, id))).toBe(false);
});

test('an attachment that another runtime made is checked and detached by ours', async () => {
  const container = await startContainer();
  const network = await readConflist(conflist);
  const cni = createCniRuntime();
  await expect(cni.add(network, { ...id, netns: '/run/netns/x' })).rejects.toThrow(/is attached to probe as eth0/);
  await cni.check(id, { netns: '/proc/self/ns/net' });
  expect(await cni.del(id)).toEqual({ by: 'result' });
  expect(dels().at(-1)).toMatchObject({
    prevResult: { ips: [{ address: '10.9.0.2/24' }] },
  });
  expect(existsSync(cachePath(results, id))).toBe(false);
  await container.end();
});
