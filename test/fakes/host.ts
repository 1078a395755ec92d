/** The host that the fakes share: everything on it can be looked at and tampered with by a test, as a person would with `rm` or `ip`. */
import { cpus, totalmem } from 'node:os';
import type {
  ActionContext,
  Attachment,
  CgroupStranger,
  ContainerConfig,
  ImageConfig,
  ImageInfo,
  LimitHit,
  NetworkDefinition,
  OomObservation,
  StoreProblem,
} from '../../src/kernel/backends/index.ts';
import { asKukeError } from '../../src/kernel/errors.ts';
import type { LimitField, LimitValue } from '../../src/kernel/limits/limits.ts';
import type { Manifest, ResourceRef } from '../../src/kernel/resource.ts';
import { aborted, type FaultBoard, type Faults, makeFaults, never } from './faults.ts';

export interface Call {
  /** `network.attach` */
  action: string;
  params: unknown;
  state: 'running' | 'done' | 'failed';
}

export interface FakeContainer {
  ours: boolean;
  config: ContainerConfig;
  image: ImageConfig;
  /** Absent: there is no task. */
  task?: {
    pid: number;
    state: 'running' | 'paused' | 'stopped';
    exitCode?: number;
    startedAt: string;
    finishedAt?: string;
  };
  /** When the last task that a reboot has taken was started, which is all that is left of it. */
  ranAt?: string;
}

export interface FakeNamespace {
  ours: boolean;
  containers: Map<string, FakeContainer>;
  /** By normalised name. */
  images: Map<string, { info: ImageInfo; config: ImageConfig }>;
}

export interface FakeNetwork extends NetworkDefinition {
  ours: boolean;
  bridgeExists: boolean;
  enforced: boolean;
}

export interface FakeGroup {
  ours: boolean;
  /** What its files say, as somebody may write it by hand; absent: as in a new group. */
  values?: Map<LimitField, LimitValue>;
  /** By what was asked the last time; `found`: what the file said afterwards. */
  record?: Map<LimitField, { asked: LimitValue; found?: LimitValue | undefined; isDone: boolean }>;
  /** Of a container's: what the kernel has counted. */
  oom?: OomObservation;
  /** Bytes in use. */
  memory?: number;
}

export interface FakeHost {
  /** Every action called, in order. */
  calls: Call[];
  faults: Faults;
  store: {
    manifests: Map<string, { ref: ResourceRef; manifest: Manifest }>;
    /** By `StoredFile.path`; `instance` holds the instance id. */
    files: Map<string, string>;
    /** Resources that cannot be read, by key. */
    spoilt: Map<string, StoreProblem>;
    /** Names of what lies among the state and is somebody else's. */
    strangers: string[];
    /** `isUnknown`: to those who wait. */
    holder?: { pid: number; command: string; isUnknown?: true };
    /** Those who wait for the lock. */
    waiting: Set<() => void>;
    /** How long a second kuke waits before it says for whom. */
    noticeMs: number;
  };
  /** Groups that somebody has frozen by hand. */
  frozen: Set<string>;
  /** By path. `missing` follows from what `controllers` lacks. */
  cgroups: Map<string, FakeGroup>;
  /** What the host offers. */
  controllers: Set<string>;
  /** Bytes of memory; paths of disks; sizes of huge pages: `2Mi`. */
  machine: { cpus: number; memory: number; swap: boolean; disks: Set<string>; hugepages: Set<string> };
  /** Processes that somebody has moved into groups. */
  strangers: CgroupStranger[];
  /** What a start that fails has met. */
  limitHit?: LimitHit;
  /** By name. */
  networks: Map<string, FakeNetwork>;
  /** Ranges that the host uses otherwise: `10.88.0.0/16`. */
  usedRanges: Set<string>;
  /** Paths of network namespaces; those of ours are `true`. */
  netns: Map<string, boolean>;
  /** By attachment id. */
  /** `isCut`: somebody has taken its link away. */
  attachments: Map<string, Attachment & { netns: string; isCut?: true }>;
  /** `ociRuntimes`: names and paths of those that are installed. */
  runtime: { up: boolean; ociRuntimes: Set<string>; namespaces: Map<string, FakeNamespace> };
  /** What registries have, by normalised name; a name that is not in it is in none. */
  registries: Map<string, ImageConfig>;
  /** What containers wrote, by path. */
  logs: Map<string, string>;
  /** A container is killed for want of memory: `path` is the group whose limit it hit; absent: the host had no more. */
  oomKill(namespace: string, id: string, path?: string): void;
  /** A container ends by itself. */
  exit(namespace: string, id: string, exitCode: number): void;
  /** The lock's holder lets go, or is gone. */
  freeLock(): void;
  /** A new process after `Faults.crash`: backends made from now on answer again; the old one's lock is free. */
  restart(): void;
  /** Power off and on: no task, netns, cgroup, bridge or rule is left; metadata, containers, images, leases are. */
  reboot(): void;
  /** All that is there, a line each (`cgroup /kukeon/main`), sorted: compare before and after. */
  inventory(): string[];
}

/** How a fake does its actions and reads: past the faults, in the host's log, with plain data in and out. */
export interface FakeProcess {
  action<P, R>(
    name: string,
    effect: (params: P, context: ActionContext) => R | Promise<R>,
  ): (params: P, context: ActionContext) => Promise<R>;
  read<R>(name: string, look: () => R, signal?: AbortSignal): Promise<R>;
}

const cancelled = (reason: unknown) => asKukeError(reason, 'Cancelled');

/** Fails with the signal's reason (a KukeError), else Cancelled, if it is aborted before `work` is done. */
export async function abortable<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return await Promise.race([work, aborted(signal, cancelled)]);
}

/** Which process runs on a host: it is counted up by crashes and restarts. */
const boots = new WeakMap<FakeHost, { process: number; faults: FaultBoard }>();

/** The process that runs on `host` now; its calls stop for good when that crashes. */
export function processOn(host: FakeHost): FakeProcess {
  const state = boots.get(host);
  if (state === undefined) throw new TypeError('not made by makeHost()');
  const born = state.process;
  const alive = <T>(value: T): T | Promise<never> => (state.process === born ? value : never());
  const pass = async <R>(name: string, signal: AbortSignal | undefined, run: () => R | Promise<R>): Promise<R> => {
    await alive(undefined);
    const meet = state.faults.meet(name);
    try {
      await meet('before', signal);
      await alive(undefined);
      if (signal?.aborted) throw cancelled(signal.reason);
      const result = structuredClone(await run());
      await meet('after', signal);
      return await alive(result);
    } catch (thrown) {
      await alive(undefined);
      throw thrown;
    }
  };
  return {
    action: (name, effect) => async (params, context) => {
      await alive(undefined);
      const call: Call = { action: name, params: structuredClone(params), state: 'running' };
      host.calls.push(call);
      try {
        const result = await pass(name, context.signal, () => effect(structuredClone(params), context));
        call.state = 'done';
        return result;
      } catch (thrown) {
        call.state = 'failed';
        throw thrown;
      }
    },
    read: (name, look, signal) => pass(name, signal, look),
  };
}

/** An empty host with every controller, on which nothing has been initialised. */
export function makeHost(): FakeHost {
  const restart = () => {
    boot.process++;
    host.freeLock();
  };
  const faults = makeFaults(cancelled, restart);
  const boot = { process: 1, faults };
  const host: FakeHost = {
    calls: [],
    faults,
    store: {
      manifests: new Map(),
      files: new Map(),
      spoilt: new Map(),
      strangers: [],
      waiting: new Set(),
      noticeMs: 1000,
    },
    frozen: new Set(),
    strangers: [],
    cgroups: new Map(),
    controllers: new Set(['cpu', 'cpuset', 'memory', 'io', 'pids', 'hugetlb']),
    machine: {
      // The tests' own host has no more.
      cpus: Math.max(4, cpus().length),
      memory: Math.max(8 * 2 ** 30, totalmem()),
      swap: true,
      disks: new Set(['/dev/vda']),
      hugepages: new Set(['2Mi', '1Gi']),
    },
    networks: new Map(),
    usedRanges: new Set(),
    netns: new Map(),
    attachments: new Map(),
    runtime: { up: true, ociRuntimes: new Set(['runc', 'crun']), namespaces: new Map() },
    registries: new Map(),
    logs: new Map(),
    oomKill(namespace, id, path) {
      const leaf = host.cgroups.get(host.runtime.namespaces.get(namespace)?.containers.get(id)?.config.cgroup ?? '');
      const limit = path === undefined ? undefined : host.cgroups.get(path)?.values?.get('memory.limit');
      if (leaf?.oom !== undefined) {
        const peak = leaf.memory;
        leaf.oom = {
          kills: leaf.oom.kills + 1,
          last: {
            ...(path !== undefined && { path }),
            ...(typeof limit === 'number' && { limit }),
            ...(peak !== undefined && { peak }),
          },
        };
      }
      host.exit(namespace, id, 137);
    },
    exit(namespace, id, exitCode) {
      const task = host.runtime.namespaces.get(namespace)?.containers.get(id)?.task;
      if (task?.state === 'running') {
        Object.assign(task, { state: 'stopped', exitCode, finishedAt: new Date().toISOString() });
      }
    },
    freeLock() {
      delete host.store.holder;
      const waiting = [...host.store.waiting];
      host.store.waiting.clear();
      for (const wake of waiting) wake();
    },
    restart,
    reboot() {
      restart();
      host.cgroups.clear();
      host.netns.clear();
      for (const network of host.networks.values()) Object.assign(network, { bridgeExists: false, enforced: false });
      for (const { containers } of host.runtime.namespaces.values()) {
        for (const container of containers.values()) {
          if (container.task) container.ranAt = container.task.startedAt;
          delete container.task;
        }
      }
    },
    inventory: () => inventory(host),
  };
  boots.set(host, boot);
  return host;
}

function inventory(host: FakeHost): string[] {
  const runtime = [...host.runtime.namespaces].flatMap(([namespace, { containers, images }]) => [
    `namespace ${namespace}`,
    ...[...containers].map(([id, { task }]) => `container ${namespace} ${id} ${task?.state ?? 'created'}`),
    ...[...images.keys()].map(name => `image ${namespace} ${name}`),
  ]);
  return [
    ...[...host.store.manifests.values()].map(({ ref }) => `manifest ${ref.kind} ${ref.path.join('/')}`),
    ...[...host.store.files.keys()].map(path => `file ${path}`),
    ...[...host.cgroups.keys()].map(path => `cgroup ${path}`),
    ...[...host.networks.values()].map(
      ({ name, bridgeExists }) => `network ${name}${bridgeExists ? ' with bridge' : ''}`,
    ),
    ...[...host.netns.keys()].map(path => `netns ${path}`),
    ...[...host.attachments.values()].map(({ attachmentId, network }) => `attachment ${attachmentId} ${network}`),
    ...[...host.logs.keys()].map(path => `log ${path}`),
    ...runtime,
  ].sort();
}
