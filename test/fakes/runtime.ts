/** Containers in memory; what runs in them is made up by `program.ts`. */
import { closeSync, mkdtempSync, openSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ContainerConfig,
  type ContainerObservation,
  type ContainerParams,
  explainWith,
  type NamespaceParams,
  type RuntimeActions,
  type RuntimeBackend,
  type StopParams,
  shellCommand,
  thereWith,
} from '../../src/kernel/backends/index.ts';
import { KukeError } from '../../src/kernel/errors.ts';
import { fakeExec } from './exec.ts';
import { abortable, type FakeContainer, type FakeHost, processOn } from './host.ts';
import { addImage, imageConfig, normaliseImageName } from './images.ts';
import { onSignal, run } from './program.ts';

/** As in Kubernetes' table: `command` replaces ENTRYPOINT and CMD, `args` CMD. */
function argvOf({ config, image }: FakeContainer): string[] {
  if (config.command !== undefined) return [...config.command, ...(config.args ?? [])];
  return [...image.entrypoint, ...(config.args ?? image.cmd)];
}

function envOf({ config, image }: FakeContainer): Map<string, string> {
  return new Map(
    [...image.env, ...config.defaultEnv, ...config.env].map(entry => {
      const [name = '', ...value] = entry.split('=');
      return [name, value.join('=')];
    }),
  );
}

export function fakeRuntime(host: FakeHost): RuntimeBackend {
  const { action, read } = processOn(host);
  let lastPid = 100;

  const requireRuntime = () => {
    if (!host.runtime.up) throw new KukeError('RuntimeUnavailable', 'containerd does not answer');
    return host.runtime.namespaces;
  };
  const find = ({ namespace, id }: ContainerParams): FakeContainer | undefined => {
    const found = requireRuntime().get(namespace)?.containers.get(id);
    return found?.ours ? found : undefined;
  };

  function create(config: ContainerConfig): void {
    const namespace = requireRuntime().get(config.namespace);
    if (namespace === undefined) throw new KukeError('NotFound', `no namespace ${config.namespace}`);
    const there = namespace.containers.get(config.id);
    if (there?.ours === false) throw new KukeError('Conflict', `container ${config.id} exists and is not kuke's`);
    if (there !== undefined) return;
    const image = namespace.images.get(normaliseImageName(config.image));
    if (image === undefined) throw new KukeError('ImageNotFound', `${config.image} is not in ${config.namespace}`);
    namespace.containers.set(config.id, { ours: true, config, image: image.config });
  }

  /** The cgroup that it was in goes with a task. */
  function clear(params: ContainerParams): void {
    const container = find(params);
    if (container?.task === undefined || container.task.state === 'running') return;
    delete container.task;
    host.cgroups.delete(container.config.cgroup);
  }

  function start(params: ContainerParams): { pid: number } {
    const container = find(params);
    if (container === undefined) throw new KukeError('NotFound', `no container ${params.id} in ${params.namespace}`);
    const { config, task } = container;
    if (task?.state === 'running') return { pid: task.pid };
    clear(params);
    if (config.netns !== undefined && !host.netns.has(config.netns)) {
      throw new KukeError('RuntimeFailed', `open ${config.netns}: No such file or directory (ENOENT)`);
    }
    const argv = argvOf(container);
    if (argv[0]?.includes('no-such')) throw new KukeError('CommandNotFound', `${argv[0]}: not in the image`);
    const { exitCode, output } = run(argv, envOf(container));
    host.logs.set(config.logPath, (host.logs.get(config.logPath) ?? '') + output);
    delete container.ranAt;
    container.task = { pid: ++lastPid, state: 'running', startedAt: new Date().toISOString() };
    if (exitCode !== undefined) host.exit(params.namespace, params.id, exitCode);
    return { pid: lastPid };
  }

  const stop: RuntimeBackend['stop'] = async (params, { signal }) => {
    const container = find(params);
    const { task } = container ?? {};
    if (container === undefined || task === undefined) return {};
    if (task.state === 'running') {
      const code =
        params.timeoutMs === 0
          ? 137
          : onSignal(argvOf(container), params.signal ?? container.image.stopSignal ?? 'TERM');
      if (code === undefined) await abortable(signal, Bun.sleep(params.timeoutMs));
      host.exit(params.namespace, params.id, code ?? 137);
    }
    return task.exitCode === undefined ? {} : { exitCode: task.exitCode };
  };

  return {
    createNamespace: action<NamespaceParams, void>('runtime.createNamespace', ({ namespace }) => {
      const there = requireRuntime().get(namespace);
      if (there?.ours === false) throw new KukeError('Conflict', `namespace ${namespace} exists and is not kuke's`);
      if (there === undefined)
        host.runtime.namespaces.set(namespace, { ours: true, containers: new Map(), images: new Map() });
    }),
    removeNamespace: action<NamespaceParams, void>('runtime.removeNamespace', ({ namespace }) => {
      const there = requireRuntime().get(namespace);
      if (there?.ours !== true) return;
      const [id] = there.containers.keys();
      if (id !== undefined) throw new KukeError('Conflict', `namespace ${namespace} still holds the container ${id}`);
      host.runtime.namespaces.delete(namespace);
    }),
    create: action<ContainerConfig, void>('runtime.create', create),
    start: action<ContainerParams, { pid: number }>('runtime.start', start),
    stop: action<StopParams, RuntimeActions['stop']['result']>('runtime.stop', stop),
    clear: action<ContainerParams, void>('runtime.clear', clear),
    remove: action<ContainerParams, void>('runtime.remove', params => {
      if (find(params) === undefined) return;
      host.exit(params.namespace, params.id, 137);
      clear(params);
      host.runtime.namespaces.get(params.namespace)?.containers.delete(params.id);
    }),
    ping: () =>
      read('runtime.ping', () => {
        requireRuntime();
        return { name: 'fake', version: '1.0.0' };
      }),
    namespaces: () =>
      read('runtime.namespaces', () => [...requireRuntime()].map(([namespace, { ours }]) => ({ namespace, ours }))),
    requireOciRuntime: (name = 'runc') =>
      read('runtime.requireOciRuntime', () => {
        if (!host.runtime.ociRuntimes.has(name)) throw new KukeError('HostNotReady', `there is no OCI runtime ${name}`);
      }),
    exec: async (params, signal) => {
      const container = find(params);
      if (container === undefined) throw new KukeError('NotFound', `no container ${params.id} in ${params.namespace}`);
      await read('runtime.exec', () => {}, signal);
      return fakeExec(container, params, envOf(container));
    },
    openRoot: async params => {
      const container = find(params);
      if (container === undefined) throw new KukeError('NotFound', `no container ${params.id} in ${params.namespace}`);
      await read('runtime.openRoot', () => {});
      if (container.task?.state !== 'running') throw new KukeError('Conflict', `container ${params.id} is not running`);
      // Nothing is in it, and nothing can be put into it.
      const folder = mkdtempSync(join(tmpdir(), 'kuke-root-'));
      const fd = openSync(folder, 'r');
      rmdirSync(folder);
      return { fd, [Symbol.dispose]: () => closeSync(fd) };
    },
    // Nothing in a fake container reads.
    attach: async params => {
      const container = find(params);
      if (container === undefined) throw new KukeError('NotFound', `no container ${params.id} in ${params.namespace}`);
      await read('runtime.attach', () => {});
      if (container.task?.state !== 'running') throw new KukeError('Conflict', `container ${params.id} is not running`);
      const hasTerminal = container.config.terminal === true;
      return { hasTerminal, stdin: undefined, fed: async () => {}, resize: async () => {}, [Symbol.dispose]() {} };
    },
    signal: async (params, signal) => {
      const container = find(params);
      await read('runtime.signal', () => {});
      if (container?.task?.state !== 'running') return;
      const code = onSignal(argvOf(container), signal);
      if (code !== undefined) host.exit(params.namespace, params.id, code);
    },
    wait: async (params, signal) => {
      await read('runtime.wait', () => {}, signal);
      while (find(params)?.task?.state === 'running') await abortable(signal, Bun.sleep(5));
      const exitCode = find(params)?.task?.exitCode;
      return exitCode === undefined ? {} : { exitCode };
    },
    observe: ({ namespace }) =>
      read('runtime.observe', () =>
        [...(requireRuntime().get(namespace)?.containers.values() ?? [])].filter(({ ours }) => ours).map(observed),
      ),
    isThere: thereWith<RuntimeActions>({
      createNamespace: ({ namespace }) => read('runtime.isThere', () => requireRuntime().get(namespace)?.ours === true),
      create: params => read('runtime.isThere', () => find(params) !== undefined),
      start: params => read('runtime.isThere', () => find(params)?.task?.state === 'running'),
    }),
    explain: explainWith<RuntimeActions>({
      createNamespace: ({ namespace }) => shellCommand('ctr', 'namespaces', 'create', namespace),
      removeNamespace: ({ namespace }) => shellCommand('ctr', 'namespaces', 'remove', namespace),
      create: ({ namespace, id, image, env }) =>
        shellCommand('ctr', '-n', namespace, 'containers', 'create', ...env.flatMap(e => ['--env', e]), image, id),
      clear: ({ namespace, id }) => shellCommand('ctr', '-n', namespace, 'tasks', 'rm', id),
      start: ({ namespace, id }) => shellCommand('ctr', '-n', namespace, 'tasks', 'start', '-d', id),
      stop: ({ namespace, id, signal = 'TERM' }) =>
        shellCommand('ctr', '-n', namespace, 'tasks', 'kill', '-s', signal, id),
      remove: ({ namespace, id }) => shellCommand('ctr', '-n', namespace, 'containers', 'rm', id),
    }),
  };
}

function observed({ config, image, task, ranAt }: FakeContainer): ContainerObservation {
  const { namespace, id, labels } = config;
  const lost = ranAt === undefined ? { state: 'created' as const } : { state: 'stopped' as const, startedAt: ranAt };
  return { namespace, id, labels, image: image.name, ...(task ?? lost) };
}

/** Puts a container on the host without a runtime: one that another program made (`ours: false`), or a leftover. */
export function addContainer(
  host: FakeHost,
  config: Partial<ContainerConfig> & { id: string },
  ours = true,
): FakeContainer {
  const { namespace = 'kukeon-main', image = 'busybox' } = config;
  const there = host.runtime.namespaces.get(namespace) ?? { ours, containers: new Map(), images: new Map() };
  host.runtime.namespaces.set(namespace, there);
  addImage(there, { name: image });
  const container: FakeContainer = {
    ours,
    config: {
      namespace,
      image,
      labels: {},
      group: config.id,
      hostname: config.id,
      defaultEnv: [],
      env: [],
      mounts: [],
      devices: [],
      capabilities: { add: [], drop: [] },
      privileged: false,
      readOnlyRootFilesystem: false,
      securityOpts: [],
      cgroup: `/kukeon/${config.id}`,
      logPath: `/var/log/kukeon/${config.id}.log`,
      ...config,
    },
    image: imageConfig({ name: image }),
  };
  there.containers.set(config.id, container);
  return container;
}
