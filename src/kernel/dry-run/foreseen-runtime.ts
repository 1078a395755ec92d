import type { ContainerObservation, ContainerParams, ContainerState, RuntimeBackend } from '../backends/index.ts';
import type { DryRun } from './dry-run.ts';
import { orNone } from './foreseen.ts';

export function foreseenRuntime(real: RuntimeBackend, dryRun: DryRun): Partial<RuntimeBackend> {
  const namespaces = new Map<string, boolean>();
  /** Undefined: removed. */
  const containers = new Map<string, ContainerObservation | undefined>();
  const keyOf = ({ namespace, id }: ContainerParams) => `${namespace}/${id}`;
  const observe: RuntimeBackend['observe'] = async ({ namespace }) => {
    const there = namespaces.get(namespace) === false ? [] : await orNone(dryRun, real.observe({ namespace }), []);
    const others = there.filter(one => !containers.has(keyOf(one)));
    const ours = [...containers.values()].filter(one => one?.namespace === namespace);
    return [...others, ...ours.filter(one => one !== undefined)];
  };
  const become = async (params: ContainerParams, state: ContainerState): Promise<void> => {
    const there = (await observe(params)).find(({ id }) => id === params.id);
    if (there === undefined) return;
    const { pid: _, exitCode: _code, startedAt: _at, finishedAt: _end, ...rest } = there;
    containers.set(keyOf(params), { ...rest, state });
  };
  return {
    async createNamespace({ namespace }) {
      namespaces.set(namespace, true);
    },
    async removeNamespace({ namespace }) {
      namespaces.set(namespace, false);
    },
    async create({ namespace, id, labels, image }) {
      containers.set(keyOf({ namespace, id }), { namespace, id, labels, image, state: 'created' });
    },
    clear: params => become(params, 'created'),
    async start(params) {
      await become(params, 'running');
      return { pid: 0 };
    },
    async stop(params) {
      await become(params, 'stopped');
      return {};
    },
    async remove(params) {
      containers.set(keyOf(params), undefined);
    },
    ping: () => orNone(dryRun, real.ping(), { name: 'what is about to be started', version: '' }),
    async namespaces() {
      const there = await orNone(dryRun, real.namespaces(), []);
      const others = there.filter(({ namespace }) => !namespaces.has(namespace));
      const made = [...namespaces].flatMap(([namespace, isThere]) => (isThere ? [{ namespace, ours: true }] : []));
      return [...others, ...made];
    },
    observe,
  };
}
