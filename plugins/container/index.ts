/** Container: one OCI container in a cell; it is declared there, and can be read by itself (spec.md §1, §3). */
import {
  API_VERSION,
  defineKind,
  definePlugin,
  type KindDefinition,
  type LimitStatus,
  type Manifest,
  type Resource,
} from 'kuke/plugin';
import { type ContainerSpec, containerSpec } from './schema.ts';

export interface Termination {
  /** Absent: nobody knows. */
  exitCode?: number;
  /** `Completed` with 0, `Error` with another exit code, `OOMKilled`, `Lost` when nobody knows. */
  reason: string;
  /** Of `OOMKilled`: whose limit was hit. */
  message?: string;
  /** RFC 3339, UTC. */
  at?: string;
  /** Of the life that ended then: the clock may have been moved since. */
  startedAt?: string;
}

export interface ContainerStatus {
  id: string;
  /** Its cell's life is its own. */
  root?: true;
  containerdId: string;
  /** Relative to the cgroup2 mount; it is there while the container runs. */
  cgroupPath: string;
  /** What it writes goes there. */
  logPath: string;
  state: 'Pending' | 'Created' | 'Running' | 'Paused' | 'Exited' | 'Unknown';
  pid?: number;
  exitCode?: number;
  /** RFC 3339, UTC. */
  startedAt?: string;
  finishedAt?: string;
  /** How often it was started again after its end, in all. */
  restarts: number;
  /** In a row, without ten minutes of health in between; absent: none. */
  retries?: number;
  /** By its health check, of the process that runs now; absent: it has none, or nobody looks. */
  health?: 'starting' | 'healthy' | 'unhealthy';
  /** How it ended the last time; absent: it never has. */
  lastTermination?: Termination;
  /** `OOMKilled`: it ended by that. `Unhealthy`: it was stopped for that. `RestartLimitReached`: it would be started again, had it not been so too often. */
  reason?: string;
  message?: string;
  /** How often it was killed for want of memory, in all of its lives; absent: never. */
  oomKills?: number;
  /** Its limits; absent: none. */
  resources?: LimitStatus[];
  /** It runs as it was made, and its manifest or its space says something else by now: what to do. */
  outdated?: string;
  /** What it took from its space, where it says nothing itself: `{user: {value: 'nobody', from: 'space main/default'}}`. */
  defaults?: Record<string, { value: unknown; from: string }>;
}

declare module 'kuke/plugin' {
  interface KukeKinds {
    Container: KindDefinition<ContainerSpec, ContainerStatus>;
  }
}

const statusOf = ({ manifest }: Resource): Partial<ContainerStatus> => manifest.status ?? {};

const container = defineKind<ContainerSpec, ContainerStatus>({
  kind: 'Container',
  plural: 'containers',
  aliases: ['co'],
  parent: 'Cell',
  description: 'a process of a cell with its own root file system; shares the cell’s network',
  spec: containerSpec,
  columns: [
    { header: 'STATE', value: resource => statusOf(resource).state ?? 'Pending' },
    { header: 'PID', value: resource => String(statusOf(resource).pid ?? '') },
    { header: 'RESTARTS', value: resource => String(statusOf(resource).restarts ?? 0) },
    { header: 'HEALTH', wide: true, value: resource => statusOf(resource).health ?? '' },
    { header: 'EXIT', value: resource => String(statusOf(resource).exitCode ?? '') },
    { header: 'IMAGE', value: ({ manifest }) => String(manifest.spec.image) },
    { header: 'CONTAINERD-ID', wide: true, value: resource => statusOf(resource).containerdId ?? '' },
    { header: 'REASON', wide: true, value: resource => statusOf(resource).reason ?? '' },
    { header: 'STARTED', wide: true, value: resource => statusOf(resource).startedAt ?? '' },
  ],
  embedded: cell => {
    const { containers, initContainers = [] } = cell.spec as Record<'containers' | 'initContainers', ContainerSpec[]>;
    const { status = {} } = cell.manifest;
    const statuses = [...asList(status.initContainers), ...asList(status.containers)];
    return [...initContainers, ...containers].map(spec => {
      const status = statuses.find(one => one.id === spec.id);
      const manifest: Manifest<Record<string, unknown>, ContainerStatus> = {
        apiVersion: API_VERSION,
        kind: 'Container',
        metadata: { name: spec.id, ...(spec.labels && { labels: spec.labels }) },
        spec: { ...spec },
        ...(status && { status }),
      };
      return { ref: { kind: 'Container', path: [...cell.ref.path, spec.id] }, manifest, spec };
    });
  },
});

const asList = (statuses: unknown): ContainerStatus[] => (Array.isArray(statuses) ? statuses : []);

export default definePlugin({
  name: 'container',
  version: '0.1.0',
  provides: { kinds: ['Container'] },
  setup: kernel => kernel.kind(container),
});
