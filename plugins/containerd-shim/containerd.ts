/** What the runtime and the images backend share: one connection to containerd, and how this installation uses it. */
import type { PluginKernel } from 'kuke/plugin';
import { type Client, connect } from './client/index.ts';
import type { ContainerdConfig } from './config.ts';

export interface Containerd extends ContainerdConfig {
  socket: string;
  /** Connects with the first call. */
  client: Client;
  /** This installation's id. */
  instance(): Promise<string>;
}

export function openContainerd(
  kernel: Pick<PluginKernel<ContainerdConfig>, 'config' | 'settings' | 'instance'>,
): Containerd {
  const socket = kernel.settings.containerdSocket;
  return { ...kernel.config, socket, client: connect({ socket }), instance: () => kernel.instance() };
}

/** Longest that a call may take which does not wait for a container, in milliseconds: containerd hangs, it does not work. */
const ANSWER_LIMIT_MS = 120_000;

/** For calls about one namespace. After two minutes without an answer: GrpcError DEADLINE_EXCEEDED. */
export function inNamespace({ client }: Containerd, namespace: string): Client {
  return client.with({ namespace, timeoutMs: ANSWER_LIMIT_MS });
}
