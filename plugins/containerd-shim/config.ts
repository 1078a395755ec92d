/** `plugins.containerd-shim` of /etc/kukeon/kuke.yaml. */
import * as v from 'valibot';

export const containerdConfig = v.strictObject({
  /** containerd's plugin that keeps the root file systems. */
  snapshotter: v.optional(v.string(), 'overlayfs'),
  /** containerd's name of the shim: `io.containerd.runc.v2`. */
  runtime: v.optional(v.string(), 'io.containerd.runc.v2'),
  /** The OCI runtime that the runc shim calls: `crun`, or a path. Absent: `runc`. */
  runtimeBinary: v.exactOptional(v.string()),
});
export type ContainerdConfig = v.InferOutput<typeof containerdConfig>;
