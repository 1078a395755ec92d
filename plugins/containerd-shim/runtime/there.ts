/** What an action would make and is there already: undoing it must leave that alone. */
import { type ContainerParams, type NamespaceParams, type RuntimeActions, thereWith } from 'kuke/plugin';
import { type Containerd, inNamespace } from '../containerd.ts';
import { asContainerdError, ifFound } from '../errors.ts';
import { isOurContainer, isOurs } from '../labels.ts';
import { isWaiting } from './waiting.ts';

export const runtimeThere = (containerd: Containerd) =>
  thereWith<RuntimeActions>({
    createNamespace: params => told(hasNamespace(containerd, params)),
    create: params => told(hasContainer(containerd, params)),
    start: params => told(runs(containerd, params)),
  });

async function hasNamespace({ client, instance }: Containerd, { namespace }: NamespaceParams): Promise<boolean> {
  // Not `get`, which answers for a namespace that is not there as well.
  const [all, own] = await Promise.all([client.namespaces.list({}), instance()]);
  return all.some(one => one.name === namespace && isOurs(one, own));
}

async function hasContainer(containerd: Containerd, { namespace, id }: ContainerParams): Promise<boolean> {
  const client = inNamespace(containerd, namespace);
  const [found, own] = await Promise.all([ifFound(client.containers.get({ id })), containerd.instance()]);
  return found !== undefined && isOurContainer(found, own);
}

async function runs(containerd: Containerd, { namespace, id }: ContainerParams): Promise<boolean> {
  if (isWaiting(containerd, { namespace, id })) return false;
  const task = await ifFound(inNamespace(containerd, namespace).tasks.get({ containerId: id }));
  return task !== undefined && ['RUNNING', 'PAUSED', 'PAUSING'].includes(task.status);
}

async function told(look: Promise<boolean>): Promise<boolean> {
  try {
    return await look;
  } catch (error) {
    throw asContainerdError(error, { step: 'look at what is there' });
  }
}
