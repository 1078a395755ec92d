/** What containerd has of a container: the object and its task, asked for at once. */
import type { ContainerParams } from 'kuke/plugin';
import type { Client, Container } from '../client/index.ts';
import { type Containerd, inNamespace } from '../containerd.ts';
import { ifFound } from '../errors.ts';
import { isOurContainer } from '../labels.ts';

export interface LookedUp {
  /** In the container's namespace. */
  client: Client;
  /** This installation's id. */
  instance: string;
  /** Absent: there is none. */
  container: Container | undefined;
  /** The container is there, and this installation's. */
  isOwn: boolean;
  /** Absent: there is none. */
  task: Awaited<ReturnType<Client['tasks']['get']>> | undefined;
}

export async function lookUp(
  containerd: Containerd,
  { namespace, id }: ContainerParams,
  signal?: AbortSignal,
): Promise<LookedUp> {
  const client = inNamespace(containerd, namespace);
  const [instance, container, task] = await Promise.all([
    containerd.instance(),
    ifFound(client.containers.get({ id }, { signal })),
    ifFound(client.tasks.get({ containerId: id }, { signal })),
  ]);
  return { client, instance, container, isOwn: container !== undefined && isOurContainer(container, instance), task };
}
