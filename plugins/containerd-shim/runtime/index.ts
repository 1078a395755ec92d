/** The Runtime backend on containerd and its runc shim (spec.md §1, §2, §6). */
import { type ActionContext, asKukeError, type RuntimeBackend } from 'kuke/plugin';
import { readOnly } from '../containerd.ts';
import { asContainerdError } from '../errors.ts';
import { isOurs } from '../labels.ts';
import { attachTo } from './attach.ts';
import { clearTask } from './clear.ts';
import { type Creation, createContainer } from './create.ts';
import { execIn } from './exec.ts';
import { explain } from './explain.ts';
import { createNamespace, removeNamespace } from './namespace.ts';
import { observeContainers } from './observe.ts';
import { requireOciRuntime } from './oci-runtime.ts';
import { removeContainer } from './remove.ts';
import { openRoot } from './root.ts';
import { startContainer } from './start.ts';
import { stopContainer } from './stop.ts';
import { sendSignal } from './task.ts';
import { runtimeThere } from './there.ts';
import { waitForEnd } from './wait.ts';
import { watchContainers } from './watch.ts';

export function containerdRuntime(creation: Creation): RuntimeBackend {
  const { containerd } = creation;
  const action =
    <P, R>(step: (params: P) => string, run: (params: P, signal: AbortSignal) => Promise<R>) =>
    async (params: P, { signal }: ActionContext): Promise<R> => {
      if (signal.aborted) throw asKukeError(signal.reason, 'Cancelled', { step: step(params) });
      return named(step(params), run(params, signal));
    };
  return {
    createNamespace: action(
      ({ namespace }) => `create containerd namespace ${namespace}`,
      params => createNamespace(containerd, params),
    ),
    removeNamespace: action(
      ({ namespace }) => `remove containerd namespace ${namespace}`,
      params => removeNamespace(containerd, params),
    ),
    create: action(
      ({ id }) => `create container ${id}`,
      (config, signal) => createContainer(creation, config, signal),
    ),
    clear: action(
      ({ id }) => `remove the ended task of container ${id}`,
      (params, signal) => clearTask(containerd, params, signal),
    ),
    start: action(
      ({ id }) => `start container ${id}`,
      (params, signal) => startContainer(containerd, params, signal),
    ),
    stop: action(
      ({ id }) => `stop container ${id}`,
      (params, signal) => stopContainer(containerd, params, signal),
    ),
    remove: action(
      ({ id }) => `remove container ${id}`,
      (params, signal) => removeContainer(containerd, params, signal),
    ),
    isThere: runtimeThere(containerd),
    explain,
    async ping() {
      const { version } = await named(
        'ask containerd for its version',
        readOnly(containerd.client).version.version({}),
      );
      return { name: 'containerd', version: version.replace(/^v/, '') };
    },
    async namespaces() {
      const instance = await containerd.instance();
      const all = await named('list containerd namespaces', readOnly(containerd.client).namespaces.list({}));
      return all.map(namespace => ({ namespace: namespace.name, ours: isOurs(namespace, instance) }));
    },
    requireOciRuntime: async (name = containerd.runtime) => void requireOciRuntime(name),
    watch: (changed, signal) => watchContainers(containerd, changed, signal),
    exec: (params, signal) => named(undefined, execIn(containerd, params, signal)),
    openRoot: params => named(undefined, openRoot(containerd, params)),
    attach: params => named(undefined, attachTo(containerd, params)),
    signal: (params, signal) =>
      named(`send ${signal} to container ${params.id}`, sendSignal(containerd, params, signal)),
    wait: (params, signal) => named(`wait for container ${params.id}`, waitForEnd(containerd, params, signal)),
    observe: params => named(`list the containers of ${params.namespace}`, observeContainers(containerd, params)),
  };
}

/** Without a step: what was asked for says it all. */
async function named<T>(step: string | undefined, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw asContainerdError(error, step === undefined ? {} : { step });
  }
}
