/** What a cell may say (spec.md §3); its containers are checked by the Container kind's own schema. */
import {
  circleIn,
  collides,
  dependencies,
  dependsOn,
  didYouMean,
  type KindDefinition,
  type KukeKinds,
  type LimitStatus,
  mountClashes,
  ociRuntime,
  ownId,
  parentId,
  portMapping,
  resources,
} from 'kuke/plugin';
import * as v from 'valibot';

export type ContainerSpec = KukeKinds['Container'] extends KindDefinition<infer Spec, infer _> ? Spec : never;
export type ContainerStatus = KukeKinds['Container'] extends KindDefinition<infer _, infer Status> ? Status : never;

export function cellSchema(container: v.GenericSchema<unknown, ContainerSpec>) {
  return v.strictObject({
    id: ownId,
    realmId: parentId('realm', 'main'),
    spaceId: parentId('space', 'default'),
    stackId: parentId('stack', 'default'),
    rootContainerId: v.exactOptional(
      v.pipe(
        v.string(),
        v.metadata({ kuke: { change: 'recreate' } }),
        v.description(
          'names the root, which owns the network; absent: the container with `root: true`, else the first',
        ),
      ),
    ),
    desiredState: v.exactOptional(
      v.pipe(
        v.picklist(['running', 'stopped']),
        v.metadata({ kuke: { sticky: true, change: 'in-place' } }),
        v.description(
          'whether the cell is to run: what `kuke start` and `stop` write; an apply that does not mention it leaves it',
        ),
      ),
    ),
    runtime: v.exactOptional(
      v.pipe(
        ociRuntime,
        v.metadata({ kuke: { change: 'recreate' } }),
        v.description(
          'OCI runtime that runs its containers: `runc`, `crun` or the absolute path of a program that only root can change; absent: that of the configuration, else `runc`',
        ),
      ),
    ),
    resources,
    autoDelete: v.exactOptional(
      v.pipe(
        v.boolean(),
        v.metadata({ kuke: { change: 'in-place' } }),
        v.description('kukeond deletes the cell when it has ended: stopped, or its root has ended for good'),
      ),
    ),
    dependsOn: dependsOn('cell', 'cells of the stack that come before it, and are stopped after it where all are'),
    initContainers: v.exactOptional(
      v.pipe(
        v.array(container),
        v.maxLength(MOST_CONTAINERS, TOO_MANY),
        v.metadata({ kuke: { change: 'in-place' } }),
        v.description(
          'run one after another, each to its end, before the root starts; a change of them counts from the next start on',
        ),
      ),
    ),
    containers: v.pipe(
      v.optional(v.pipe(v.array(container), v.maxLength(MOST_CONTAINERS, TOO_MANY)), []),
      v.metadata({ kuke: { change: 'recreate' } }),
      v.description('what runs in the cell, sharing its network and address; a cell without any is `Pending`'),
    ),
  });
}

/** Each is started after others: its plan grows with the square of them. */
const MOST_CONTAINERS = 250;
const TOO_MANY = `must be at most ${MOST_CONTAINERS}`;

export type CellSpec = v.InferOutput<ReturnType<typeof cellSchema>>;

export const CELL_STATES = ['Pending', 'Ready', 'Degraded', 'Stopped', 'Failed', 'Unknown'] as const;

export interface CellStatus {
  state: (typeof CELL_STATES)[number];
  reason?: string;
  message?: string;
  /** What became of the last command that changed the cell, where it failed: the kernel's part (`lastFailure`). */
  lastFailure?: { reason: string; message: string; at: string };
  cgroupPath: string;
  attachments: {
    network: string;
    interface: string;
    addresses: string[];
    gateway?: string;
    attachmentId: string;
    /** As the manifest has them: `8080:80`. */
    ports?: string[];
  }[];
  containers: ContainerStatus[];
  /** Absent: it has none. */
  initContainers?: ContainerStatus[];
  /** Limits of all that is in it; absent: none. */
  resources?: LimitStatus[];
}

/** Exactly one container is the root (spec.md §3). Undefined: there are no containers. */
export function rootOf(spec: CellSpec): ContainerSpec | undefined {
  if (spec.rootContainerId !== undefined) return spec.containers.find(one => one.id === spec.rootContainerId);
  return spec.containers.find(one => one.root === true) ?? spec.containers[0];
}

/** Of the cell as a whole: ids unique, one root, and what only the root may say. */
export function cellFaults(spec: CellSpec): { path: string; message: string }[] {
  const faults: { path: string; message: string }[] = [];
  const root = rootOf(spec);
  if (spec.rootContainerId !== undefined && root === undefined) {
    faults.push({ path: 'spec.rootContainerId', message: `there is no container \`${spec.rootContainerId}\`` });
  }
  const ids = new Map<string, string>();
  const places = [
    ...(spec.initContainers ?? []).map((one, index) => [`spec.initContainers[${index}]`, one] as const),
    ...spec.containers.map((one, index) => [`spec.containers[${index}]`, one] as const),
  ];
  for (const [path, container] of places) {
    const earlier = ids.get(container.id.toLowerCase());
    if (earlier !== undefined)
      faults.push({ path: `${path}.id`, message: `\`${container.id}\` is ${earlier}'s already` });
    ids.set(container.id.toLowerCase(), path);
    faults.push(...mountFaults(container, path), ...inputFaults(container, path), ...healthFaults(container, path));
  }
  for (const [index, container] of (spec.initContainers ?? []).entries())
    faults.push(...initFaults(container, `spec.initContainers[${index}]`));
  faults.push(...orderFaults(spec, root));
  for (const [index, container] of spec.containers.entries()) {
    const path = `spec.containers[${index}]`;
    if (container.root === true && root !== undefined && container.id !== root.id) {
      faults.push({ path: `${path}.root`, message: `a cell has one root, and that is \`${root.id}\`` });
    }
    if (container.hostNetwork === true && container.id !== root?.id) {
      faults.push({ path: `${path}.hostNetwork`, message: 'only the root can say it, for the whole cell' });
    }
  }
  faults.push(...portFaults(spec, root?.hostNetwork === true));
  if (root?.hostNetwork === true && spec.containers.some(one => (one.networks ?? []).length > 0)) {
    faults.push({ path: 'spec.containers', message: 'a cell on the host’s network joins no other networks' });
  }
  return faults;
}

/** What is read once has an end, which that of a terminal has not. */
function inputFaults({ stdin, stdinOnce, tty }: ContainerSpec, path: string): Fault[] {
  if (!stdinOnce || (stdin && !tty)) return [];
  const message = tty ? 'with `tty`, the end of the input is a key, Ctrl-D' : 'needs `stdin: true`';
  return [{ path: `${path}.stdinOnce`, message }];
}

/** Without a health check it would never come to that. */
function healthFaults({ healthcheck, onUnhealthy = 'none' }: ContainerSpec, path: string): Fault[] {
  if (healthcheck !== undefined || onUnhealthy === 'none') return [];
  return [{ path: `${path}.onUnhealthy`, message: `\`${onUnhealthy}\` needs a healthcheck` }];
}

/** What makes no sense of a container that runs once, before the others. */
const NOT_OF_INIT = [
  'root',
  'hostNetwork',
  'ports',
  'networks',
  'restartPolicy',
  'restartMaxRetries',
  'healthcheck',
  'onUnhealthy',
  'dependsOn',
] as const satisfies (keyof ContainerSpec)[];

const initFaults = (container: ContainerSpec, path: string): Fault[] =>
  NOT_OF_INIT.filter(field => container[field] !== undefined).map(field => ({
    path: `${path}.${field}`,
    message: 'is nothing for a container that runs once, before the others',
  }));

/** Whom a container waits for: others of the cell, in no circle, and one that can come to it. */
function orderFaults({ containers, id, dependsOn: others }: CellSpec, root: ContainerSpec | undefined): Fault[] {
  const faults: Fault[] = [];
  const names = containers.map(one => one.id);
  for (const [index, one] of containers.entries()) {
    const path = `spec.containers[${index}].dependsOn`;
    if (one.id === root?.id && dependencies(one.dependsOn).length > 0)
      faults.push({ path, message: 'the root is started first, so it waits for no other' });
    for (const { id: name, condition } of dependencies(one.dependsOn)) {
      const other = containers.find(({ id }) => id === name);
      if (other === undefined)
        faults.push({ path, message: `there is no container \`${name}\`${didYouMean(name, names)}` });
      else if (condition === 'healthy' && other.healthcheck === undefined)
        faults.push({ path, message: `\`${name}\` has no healthcheck, so it never is healthy` });
      else if (condition === 'completed' && (other.id === root?.id || other.restartPolicy === 'always'))
        faults.push({
          path,
          message: `\`${name}\` is not to end: it is ${other.id === root?.id ? 'the root' : 'always started again'}`,
        });
    }
  }
  const circle = circleIn(new Map(containers.map(one => [one.id, dependencies(one.dependsOn).map(({ id }) => id)])));
  if (circle !== undefined)
    faults.push({ path: 'spec.containers', message: `they wait for one another: ${circle.join(' → ')}` });
  if (id !== undefined && dependencies(others).some(one => one.id === id))
    faults.push({ path: 'spec.dependsOn', message: 'a cell does not come before itself' });
  return faults;
}

/** Those that run once first. */
export const allContainers = ({ initContainers = [], containers }: CellSpec): ContainerSpec[] => [
  ...initContainers,
  ...containers,
];

interface Fault {
  path: string;
  message: string;
}

function mountFaults({ volumes = [], tmpfs = [] }: ContainerSpec, path: string): { path: string; message: string }[] {
  return mountClashes([
    ...volumes.map(({ target }, i) => ({ path: target, at: `${path}.volumes[${i}].target` })),
    ...tmpfs.map((one, i) => ({ path: one.path, at: `${path}.tmpfs[${i}].path` })),
  ]);
}

/** A port of the host leads to one place, and a cell on the host's network has nothing to publish. */
function portFaults({ containers }: CellSpec, hostNetwork: boolean): { path: string; message: string }[] {
  const all = containers.flatMap((container, index) =>
    (container.ports ?? []).flatMap((text, port) => {
      const mapping = portMapping(text);
      return mapping ? [{ mapping, path: `spec.containers[${index}].ports[${port}]` }] : [];
    }),
  );
  if (hostNetwork)
    return all.map(({ path }) => ({
      path,
      message: 'a cell on the host’s network publishes no ports: they are the host’s already',
    }));
  return [...Map.groupBy(all, ({ mapping }) => mapping.hostPort).values()].flatMap(same =>
    same.flatMap(({ mapping, path }) => {
      const earlier = same.find(one => one.path === path || collides(one.mapping, mapping));
      return earlier !== undefined && earlier.path !== path
        ? [{ path, message: `port ${mapping.hostPort} of the host is ${earlier.path}'s already` }]
        : [];
    }),
  );
}
