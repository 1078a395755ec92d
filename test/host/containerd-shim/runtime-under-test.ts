/** The Runtime backend on a real containerd, with an image to run, and a configuration to vary. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import type { ContainerConfig, ContainerObservation, ContainerParams, OciSpec, RuntimeBackend } from 'kuke/plugin';
import * as v from 'valibot';
import { containerdConfig } from '../../../plugins/containerd-shim/config.ts';
import { openContainerd } from '../../../plugins/containerd-shim/containerd.ts';
import { makeImages } from '../../../plugins/containerd-shim/images/index.ts';
import { containerdRuntime } from '../../../plugins/containerd-shim/runtime/index.ts';
import { context, eventually } from '../../suites/contract.ts';
import { busybox, dockerArchive, type TestImage } from '../image.ts';
import { output } from '../observe/command.ts';

export const INSTANCE = 'instance-under-test';
export const NAMESPACE = 'kukeon-test';
export const IMAGE = 'docker.io/library/test:1';
export const LOGS = '/var/log/kukeon/test';

export interface RuntimeOptions {
  socket?: string;
  config?: Record<string, unknown>;
  instance?: string;
  specHook?: (event: { container: ContainerConfig; spec: OciSpec }) => void;
}

export function runtimeOn({
  socket = '/run/containerd/containerd.sock',
  config = {},
  instance = INSTANCE,
  specHook = () => {},
}: RuntimeOptions = {}): RuntimeBackend {
  const containerd = openContainerd({
    config: v.parse(containerdConfig, config),
    settings: { containerdSocket: socket, runPath: '/opt/kukeon' },
    instance: async () => instance,
  });
  return containerdRuntime({ containerd, images: makeImages(containerd), specHook: async event => specHook(event) });
}

/** With ctr, and labelled as ours; two layers, so that a root file system is a real overlay. */
export async function importImage(namespace: string, image: Partial<TestImage> = {}): Promise<void> {
  const path = `/tmp/${crypto.randomUUID()}.tar`;
  const { name = IMAGE, layers = [busybox(), { 'srv/file': 'from the image\n' }], ...rest } = image;
  await Bun.write(path, dockerArchive({ name, layers, ...rest }));
  await output('ctr', '-n', namespace, 'images', 'import', path);
  await output('ctr', '-n', namespace, 'images', 'label', name, `kukeon.io/instance=${INSTANCE}`);
  rmSync(path);
}

/** A container that another program made. */
export async function foreignContainer(namespace: string, id: string): Promise<void> {
  mkdirSync('/tmp/foreign-rootfs', { recursive: true });
  await output('ctr', '-n', namespace, 'containers', 'create', '--rootfs', '/tmp/foreign-rootfs', id, '/bin/true');
}

export function configOf(id: string, options: Partial<ContainerConfig> = {}): ContainerConfig {
  return {
    namespace: NAMESPACE,
    id,
    image: IMAGE,
    labels: {},
    group: 'cell',
    hostname: 'cell',
    command: ['/bin/sh', '-c', 'trap "exit 0" TERM; echo ready; sleep 1000 & wait'],
    defaultEnv: [],
    env: [],
    mounts: [],
    devices: [],
    capabilities: { add: [], drop: [] },
    privileged: false,
    readOnlyRootFilesystem: false,
    securityOpts: [],
    cgroup: `kukeon/test/${id}`,
    logPath: `${LOGS}/${id}.log`,
    ...options,
  };
}

/** What tests do with containers of one runtime, in few words. */
export function containersOf(runtime: RuntimeBackend) {
  const the = (id: string): ContainerParams => ({ namespace: NAMESPACE, id });
  const log = (id: string) => readFileSync(`${LOGS}/${id}.log`, 'utf8');
  const observed = async (id: string) =>
    (await runtime.observe({ namespace: NAMESPACE })).find(container => container.id === id);
  const inState = (id: string, state: ContainerObservation['state']) =>
    eventually(async () => {
      const container = await observed(id);
      return container?.state === state ? container : undefined;
    });
  const create = (id: string, options?: Partial<ContainerConfig>) => runtime.create(configOf(id, options), context());
  const start = (id: string) => runtime.start(the(id), context());
  return {
    the,
    log,
    observed,
    inState,
    create,
    start,
    stop: (id: string, timeoutMs = 20_000, signal?: string) =>
      runtime.stop({ ...the(id), timeoutMs, ...(signal !== undefined && { signal }) }, context()),
    remove: (id: string) => runtime.remove(the(id), context()),
    /** Creates and starts it, and gives the pid when it has said `ready`. */
    async running(id: string, options?: Partial<ContainerConfig>): Promise<number> {
      await create(id, options);
      const before = existsSync(`${LOGS}/${id}.log`) ? log(id).length : 0;
      const { pid } = await start(id);
      await eventually(async () => (log(id).includes('ready', before) ? true : undefined));
      return pid;
    },
    /** Runs a shell script to its end in a container of its own, and gives what it wrote, and its exit code. */
    async run(
      script: string,
      options?: Partial<ContainerConfig>,
    ): Promise<{ output: string; exitCode: number | undefined }> {
      const id = `run-${crypto.randomUUID().slice(0, 8)}`;
      // One pipe, for the shim copies two of them in no particular order.
      await create(id, { command: ['/bin/sh', '-c', `exec 2>&1; ${script}`], ...options });
      let exitCode: number | undefined;
      try {
        await start(id);
        ({ exitCode } = await inState(id, 'stopped'));
      } finally {
        await runtime.remove(the(id), context());
      }
      // Only now: deleting the task waits until the shim has copied what is left in the pipes.
      const output = log(id);
      rmSync(`${LOGS}/${id}.log`);
      return { output, exitCode };
    },
  };
}
