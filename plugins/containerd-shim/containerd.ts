/** What the runtime and the images backend share: one connection to containerd, and how this installation uses it. */
import type { PluginKernel } from 'kuke/plugin';
import * as v from 'valibot';
import { type Client, connect } from './client/index.ts';

/** `plugins.containerd-shim` of /etc/kukeon/kuke.yaml. */
export const containerdConfig = v.strictObject({
  /** containerd's plugin that keeps the root file systems. */
  snapshotter: v.optional(v.string(), 'overlayfs'),
  /** containerd's name of the shim: `io.containerd.runc.v2`. */
  runtime: v.optional(v.string(), 'io.containerd.runc.v2'),
  /** The OCI runtime that the runc shim calls: `crun`, or a path. Absent: `runc`. */
  runtimeBinary: v.exactOptional(v.string()),
});
export type ContainerdConfig = v.InferOutput<typeof containerdConfig>;

export interface Containerd extends ContainerdConfig {
  socket: string;
  /** Connects with the first call. */
  client: Client;
  /** This installation's id. */
  instance(): Promise<string>;
}

export function openContainerd(kernel: PluginKernel<ContainerdConfig>): Containerd {
  const socket = kernel.settings.containerdSocket;
  return { ...kernel.config, socket, client: connect({ socket }), instance: () => kernel.instance() };
}
