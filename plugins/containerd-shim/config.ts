/** `plugins.containerd-shim` of /etc/kukeon/kuke.yaml. */
import { ociRuntime } from 'kuke/plugin';
import * as v from 'valibot';

export const containerdConfig = v.strictObject({
  /** containerd's plugin that keeps the root file systems. */
  snapshotter: v.optional(v.string(), 'overlayfs'),
  /** containerd's name of the shim: `io.containerd.runc.v2`. */
  shim: v.optional(v.string(), 'io.containerd.runc.v2'),
  /** The OCI runtime that the shim calls for new containers whose cell names none. */
  runtime: v.optional(ociRuntime, 'runc'),
});
export type ContainerdConfig = v.InferOutput<typeof containerdConfig>;
