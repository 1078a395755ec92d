/** What a cell may say (spec.md §3); its containers are checked by the Container kind's own schema. */
import {
  collides,
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
        v.description('the root; absent: the container with `root: true`, else the first'),
      ),
    ),
    desiredState: v.exactOptional(
      v.pipe(
        v.picklist(['running', 'stopped']),
        v.metadata({ kuke: { sticky: true, change: 'in-place' } }),
        v.description('what start and stop write; an apply that does not mention it leaves it'),
      ),
    ),
    runtime: v.exactOptional(
      v.pipe(
        ociRuntime,
        v.metadata({ kuke: { change: 'recreate' } }),
        v.description(
          'OCI runtime of all its containers: `runc`, `crun` or the absolute path of a program that only root can change; absent: that of the configuration, else `runc`',
        ),
      ),
    ),
    resources,
    containers: v.pipe(
      v.optional(v.array(container), []),
      v.metadata({ kuke: { change: 'recreate' } }),
      v.description('what runs in it, sharing one network; a cell without any is `Pending`'),
    ),
  });
}

export type CellSpec = v.InferOutput<ReturnType<typeof cellSchema>>;

export interface CellStatus {
  state: 'Pending' | 'Ready' | 'Degraded' | 'Stopped' | 'Failed' | 'Unknown';
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
  const ids = new Map<string, number>();
  for (const [index, container] of spec.containers.entries()) {
    const path = `spec.containers[${index}]`;
    const earlier = ids.get(container.id.toLowerCase());
    if (earlier !== undefined)
      faults.push({ path: `${path}.id`, message: `\`${container.id}\` is spec.containers[${earlier}]'s already` });
    ids.set(container.id.toLowerCase(), index);
    faults.push(...mountFaults(container, path));
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
  return all.flatMap(({ mapping, path }, index) => {
    if (hostNetwork)
      return [{ path, message: 'a cell on the host’s network publishes no ports: they are the host’s already' }];
    const earlier = all.slice(0, index).find(one => collides(one.mapping, mapping));
    return earlier ? [{ path, message: `port ${mapping.hostPort} of the host is ${earlier.path}'s already` }] : [];
  });
}
