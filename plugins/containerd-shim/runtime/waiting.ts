/** The containers that this very process has made ready: their first process waits for its start, so nobody has to be asked. */
import type { ContainerParams } from 'kuke/plugin';
import type { Container } from '../client/index.ts';
import type { Containerd } from '../containerd.ts';

const waiting = new Map<string, Container>();
const keyOf = ({ socket }: Containerd, { namespace, id }: ContainerParams) => `${socket} ${namespace} ${id}`;

export function noteWaiting(containerd: Containerd, namespace: string, container: Container): void {
  waiting.set(keyOf(containerd, { namespace, id: container.id }), container);
}

export const isWaiting = (containerd: Containerd, params: ContainerParams): boolean =>
  waiting.has(keyOf(containerd, params));

/** It does not wait any more, whatever becomes of it now. */
export function takeWaiting(containerd: Containerd, params: ContainerParams): Container | undefined {
  const container = waiting.get(keyOf(containerd, params));
  waiting.delete(keyOf(containerd, params));
  return container;
}
