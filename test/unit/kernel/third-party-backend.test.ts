/** A plugin that brings an interface of its own: its actions are operations, as those of the kernel's are. */
import { expect, test } from 'bun:test';
import { type ActionDeclarations, type Backend, definePlugin, explainWith, thereWith } from '../../../src/plugin.ts';
import { kernelOnFakes } from './kernel-on-fakes.ts';

interface VolumeActions {
  make: { params: { name: string }; result: void };
  remove: { params: { name: string }; result: void };
}

interface VolumeBackend extends Backend<VolumeActions> {
  list(): string[];
}

declare module 'kuke/plugin' {
  interface KukeBackends {
    volumes: VolumeBackend;
  }
  interface KukeOperations {
    'volumes.make': VolumeActions['make'];
    'volumes.remove': VolumeActions['remove'];
  }
}

const actions: ActionDeclarations<VolumeBackend, VolumeActions> = {
  make: { undoneBy: 'remove' },
  remove: { irreversible: true },
};

function volumes(there: Set<string>): VolumeBackend {
  return {
    make: async ({ name }) => void there.add(name),
    remove: async ({ name }) => void there.delete(name),
    list: () => [...there],
    isThere: thereWith<VolumeActions>({ make: ({ name }) => there.has(name) }),
    explain: explainWith<VolumeActions>({ make: ({ name }) => `mkdir ${name}`, remove: ({ name }) => `rmdir ${name}` }),
  };
}

test('a plan may have its actions, which are undone as it declares', async () => {
  const there = new Set(['old']);
  const plugin = definePlugin({
    name: 'volumes',
    version: '1.0.0',
    provides: { backends: ['volumes'] },
    setup: kernel => kernel.backend('volumes', () => volumes(there), actions),
  });
  const kuke = await kernelOnFakes({ plugins: [plugin] });
  await kuke.init();
  const { operations } = kuke.kernel;
  expect(await operations.get('volumes.make').explain({ name: 'x' })).toBe('mkdir x');
  expect(operations.get('volumes.remove')).toMatchObject({ irreversible: true });
  let seen: string[] = [];
  kuke.kernel.hooks.tap('test', 'plan:made', ({ plan }) => {
    for (const name of ['old', 'new']) plan.add({ kind: 'Realm', path: ['x'] }, 'volumes.make', { name });
  });
  kuke.kernel.hooks.tap('test', 'step:after', async () => {
    seen = (await kuke.kernel.use('volumes')).list();
  });
  kuke.host.faults.fail('runtime.createNamespace', new Error('no'), { after: true });
  const [outcome] = await kuke.apply('{ apiVersion: v1beta1, kind: Realm, metadata: { name: lab } }');
  expect(outcome?.error?.message).toBe('no');
  expect(seen).toEqual(['old', 'new']);
  expect([...there]).toEqual(['old']);
});

test('of a plugin that fails in its setup no operation stays', async () => {
  const plugin = definePlugin({
    name: 'volumes',
    version: '1.0.0',
    provides: { backends: ['volumes'], operations: ['volumes.remove'] },
    setup(kernel) {
      kernel.operation({ type: 'volumes.remove', apply: async () => undefined, explain: () => '' });
      kernel.backend('volumes', () => volumes(new Set()), actions);
    },
  });
  await expect(kernelOnFakes({ plugins: [plugin] })).rejects.toMatchObject({
    code: 'PluginFailed',
    message: 'operation volumes.remove is registered twice',
  });
});
