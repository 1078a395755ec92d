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
  const client = shared(socket).with({ timeoutMs: ANSWER_LIMIT_MS });
  return { ...kernel.config, socket, client, instance: () => kernel.instance() };
}

const clients = new Map<string, Client>();

/** One connection for all that this process does: kukeond makes a kernel for each command. */
function shared(socket: string): Client {
  const client = clients.get(socket) ?? connect({ socket });
  clients.set(socket, client);
  return client;
}

/** Longest that a call may take which does not wait for a container, in milliseconds: containerd hangs, it does not work. */
const ANSWER_LIMIT_MS = 120_000;

/** Longest that a person waits to be told what there is. */
const READ_LIMIT_MS = 15_000;

/** For calls about one namespace. After two minutes without an answer: GrpcError DEADLINE_EXCEEDED. */
export function inNamespace({ client }: Pick<Containerd, 'client'>, namespace: string): Client {
  return client.with({ namespace });
}

/** For calls that only look. After 15 seconds without an answer: GrpcError DEADLINE_EXCEEDED. */
export function readOnly(client: Client): Client {
  return client.with({ timeoutMs: READ_LIMIT_MS });
}

/** For work whose length is that of an image. */
export function unlimited(client: Client): Client {
  return client.with({ timeoutMs: undefined });
}
