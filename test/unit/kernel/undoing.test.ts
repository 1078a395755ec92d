/** Every operation of the kernel and of the kinds, on the fakes: undone, it takes away what it made and nothing of what was there. */
import { beforeEach, describe, expect, test } from 'bun:test';
import type { OperationType, ParamsOf } from '../../../src/kernel/operations.ts';
import { networkDefinition } from '../../../src/plugin.ts';
import { addImage } from '../../fakes/index.ts';
import { cellRef, cellYaml, kernelOnFakes, type TestKernel } from './kernel-on-fakes.ts';

let kuke: TestKernel;
beforeEach(async () => {
  kuke = await kernelOnFakes();
  await kuke.init();
  const namespace = kuke.host.runtime.namespaces.get('kukeon-main');
  if (namespace === undefined) throw new Error('no namespace');
  addImage(namespace, { name: 'busybox', cmd: ['sleep', '1000'] });
});

const manifest = (name: string, spec: Record<string, unknown> = {}) => ({
  apiVersion: 'v1beta1' as const,
  kind: 'Stack',
  metadata: { name },
  spec: { realmId: 'main', spaceId: 'default', ...spec },
});

const container = {
  namespace: 'kukeon-main',
  id: 'x',
  image: 'busybox',
  labels: {},
  group: 'x',
  hostname: 'x',
  defaultEnv: [],
  env: [],
  mounts: [],
  devices: [],
  capabilities: { add: [], drop: [] },
  privileged: false,
  readOnlyRootFilesystem: false,
  securityOpts: [],
  cgroup: '/kukeon/main/x',
  logPath: '/var/log/kukeon/x.log',
};
const netns = '/run/netns/kuke-x';
const network = {
  realm: 'main',
  space: 'x',
  name: 'main-x',
  configPath: '/etc/cni/net.d',
  bridge: 'kuke-main-x',
  subnet: '10.99.0.0/20',
  gateway: '10.99.0.1',
};

type Examples = { [T in OperationType]?: { params: ParamsOf<T>; needs?: () => Promise<unknown> } };

const apply = async <T extends OperationType>(type: T, params: ParamsOf<T>): Promise<void> => {
  await kuke.kernel.operations.get(type).apply(params, context);
};
const context = { signal: new AbortController().signal, progress: () => {} };

/** One of each operation that can be undone, and what it needs to be there. */
const examples: Examples = {
  'cgroup.create': { params: { path: '/kukeon/x' } },
  'cgroup.limit': {
    params: { path: '/kukeon/x', limits: { 'memory.limit': 2 ** 20, hugepages: { '2Mi': 0 } } },
    needs: () => apply('cgroup.create', { path: '/kukeon/x' }),
  },
  'cgroup.leaf': { params: { path: '/kukeon/main/leaf', limits: { 'pids.limit': 5 }, oomKills: 2 } },
  'network.define': { params: network },
  'network.open': { params: { path: netns } },
  'network.attach': {
    params: { name: 'main-x', configPath: network.configPath, attachmentId: 'x-1', netns, interface: 'eth0' },
    async needs() {
      await apply('network.define', network);
      await apply('network.open', { path: netns });
      // The bridge, which the first attachment brings, stays with the network.
      const there = kuke.host.networks.get('main-x');
      if (there) there.bridgeExists = true;
    },
  },
  'runtime.createNamespace': { params: { namespace: 'kukeon-x' } },
  'runtime.create': { params: container },
  'runtime.start': {
    params: { namespace: container.namespace, id: container.id },
    async needs() {
      await apply('runtime.create', container);
      kuke.host.logs.set(container.logPath, '');
    },
  },
  'store.write': { params: { ref: { kind: 'Stack', path: ['main', 'default', 'x'] }, manifest: manifest('x') } },
  'store.writeFile': { params: { path: 'x/y', content: 'new' } },
  'cell.writeHosts': { params: { path: 'etc/x/hosts', names: ['x'], addresses: [['10.88.0.9/16']] } },
};

/** All that is on the host. Of a task: whether it runs, for an ended one that is started again leaves another exit code. */
function state(): unknown {
  const { store, networks, attachments } = kuke.host;
  const containers = [...kuke.host.runtime.namespaces.values()].flatMap(one => [...one.containers.values()]);
  return structuredClone({
    inventory: kuke.host.inventory().map(line => line.replace(/(container .*) (created|stopped)$/, '$1 idle')),
    cgroups: [...kuke.host.cgroups].sort(),
    files: [...store.files].sort(),
    manifests: [...store.manifests].sort(),
    networks: [...networks].sort(),
    attachments: [...attachments].sort(),
    pids: containers.flatMap(({ task }) => (task?.state === 'running' ? [task.pid] : [])),
  });
}

const others = ['cgroup', 'images', 'network', 'runtime', 'store', 'cell'] as const;

test('there is an example of each operation that can be undone; the others say that nothing brings back what they do', () => {
  const all = kuke.kernel.operations.all();
  expect(new Set(all.map(({ type }) => type.split('.')[0] ?? ''))).toEqual(new Set(others));
  const undoable = all.filter(({ revert }) => revert !== undefined);
  expect(undoable.map(({ type }) => type as string).sort()).toEqual(Object.keys(examples).sort());
  for (const { type, look } of undoable) expect({ type, looks: look !== undefined }).toEqual({ type, looks: true });
  // The start that comes after a `clear` would take the same away; what was pulled may stay.
  // A wait changes nothing.
  const plain = ['runtime.clear', 'images.pull', 'cell.await', 'cell.awaitCell'];
  for (const { type, revert, irreversible } of all)
    expect({ type, one: (revert !== undefined) !== (irreversible === true) }).toEqual({
      type,
      one: !plain.includes(type),
    });
});

describe.each(Object.entries(examples))('%s', (type, { params, needs }) => {
  const operation = () => {
    const { look, revert, ...rest } = kuke.kernel.operations.get(type);
    if (look === undefined || revert === undefined) throw new Error(`${type} cannot be undone`);
    return { ...rest, look, revert };
  };
  /** What a journal gives back. */
  const look = async (): Promise<unknown> => {
    const found = await operation().look(params, context);
    return found === undefined ? undefined : JSON.parse(JSON.stringify(found));
  };

  test('undone, it leaves nothing; twice as well', async () => {
    await needs?.();
    const before = state();
    const found = await look();
    await operation().apply(params, context);
    expect(state()).not.toEqual(before);
    for (let round = 1; round <= 2; round++) {
      await operation().revert(params, found, context);
      expect(state()).toEqual(before);
    }
  });

  test('undone, it leaves what was there already', async () => {
    await needs?.();
    await operation().apply(params, context);
    const before = state();
    const found = await look();
    await operation().apply(params, context);
    await operation().revert(params, found, context);
    expect(state()).toEqual(before);
  });

  test('undone before it did anything, it changes nothing', async () => {
    await needs?.();
    const before = state();
    await operation().revert(params, await look(), context);
    expect(state()).toEqual(before);
  });
});

test('store.writeFile and cell.writeHosts give back what a file said before', async () => {
  for (const type of ['store.writeFile', 'cell.writeHosts'] as const) {
    const { params } = examples[type] ?? {};
    const operation = kuke.kernel.operations.get(type);
    const { path } = params as { path: string };
    kuke.host.store.files.set(path, 'what was there');
    const found = await operation.look?.(params, context);
    await operation.apply(params, context);
    expect(kuke.host.store.files.get(path)).not.toBe('what was there');
    await operation.revert?.(params, found, context);
    expect(kuke.host.store.files.get(path)).toBe('what was there');
  }
});

describe('a space whose manifest was lost, while its cells run', () => {
  const yaml = '{ apiVersion: v1beta1, kind: Space, metadata: { name: default }, spec: { realmId: main } }';

  async function lost() {
    await kuke.apply(cellYaml('web'));
    const before = kuke.host.inventory();
    const key = 'space:main/default';
    const entry = kuke.host.store.manifests.get(key);
    kuke.host.store.manifests.delete(key);
    // Else there is nothing to do.
    for (const one of kuke.host.networks.values()) one.enforced = false;
    return { before: before.filter(line => line !== 'manifest Space main/default'), whole: before, entry };
  }

  for (const after of [false, true]) {
    test(`is not made, ${after ? 'after' : 'before'} its network is defined again: nothing of it goes`, async () => {
      const { before, whole } = await lost();
      const was = [...kuke.host.networks.values()].map(networkDefinition);
      kuke.host.faults.fail('network.define', new Error('in the way'), { after });
      const [outcome] = await kuke.apply(yaml);
      expect(outcome?.error?.message).toBe('in the way');
      expect(kuke.host.inventory()).toEqual(before);
      expect([...kuke.host.networks.values()].map(networkDefinition)).toEqual(was);
      expect((await kuke.apply(yaml))[0]?.result).toBe('created');
      expect(kuke.host.inventory()).toEqual(whole);
    });

    test(`a kuke that dies ${after ? 'after' : 'before'} defining its network again takes nothing of it along`, async () => {
      const { before } = await lost();
      void kuke.apply(yaml);
      await kuke.host.faults.crash('network.define', { after });
      const next = await kuke.another();
      await next.apply('{ apiVersion: v1beta1, kind: Realm, metadata: { name: other } }');
      expect(next.notices.join('\n')).toContain('has been undone');
      const others = ['cgroup /kukeon/other', 'manifest Realm other', 'namespace kukeon-other'];
      expect(next.host.inventory()).toEqual([...before, ...others].sort());
    });
  }
});

test('a cell whose manifest was lost, and that cannot be made whole, loses nothing that it had', async () => {
  const two = '[{ id: web, image: busybox, root: true }, { id: side, image: busybox }]';
  await kuke.apply(cellYaml('web'));
  const before = kuke.host.inventory();
  const entry = kuke.host.store.manifests.get('cell:main/default/default/web');
  kuke.host.store.manifests.delete('cell:main/default/default/web');
  kuke.host.faults.fail('runtime.start', new Error('no start'));
  expect((await kuke.apply(cellYaml('web', two)))[0]?.error?.message).toBe('no start');
  expect(entry?.ref).toEqual(cellRef('web'));
  expect(kuke.host.inventory()).toEqual(before.filter(line => !line.startsWith('manifest Cell')));
});

test('the log of what was started before its manifest was looked for goes with it', async () => {
  await kuke.apply(cellYaml('before'));
  const before = kuke.host.inventory();
  const isLooked = kuke.host.faults.pause('store.isThere');
  kuke.kernel.hooks.tap('test', 'step:after', ({ type }) => {
    if (type === 'runtime.start') isLooked.resume();
  });
  kuke.host.faults.fail('runtime.start', new Error('no start'), { after: true });
  expect((await kuke.apply(cellYaml('web')))[0]?.error?.message).toBe('no start');
  expect(kuke.host.inventory()).toEqual(before);
});
