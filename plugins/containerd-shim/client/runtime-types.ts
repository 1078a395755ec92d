/** What tasks and containers carry as Any: the OCI types as JSON, and the options of the runc shim. */
import { type Any, packJson, packMessage } from '../grpc/any.ts';
import { type Init, message } from '../grpc/message.ts';

/** containerd.runc.v1.Options. */
const RuncOptions = message({
  noPivotRoot: [1, 'bool'],
  noNewKeyring: [2, 'bool'],
  /** cgroup that the shim is put into. */
  shimCgroup: [3, 'string'],
  ioUid: [4, 'uint32'],
  ioGid: [5, 'uint32'],
  /** `crun`, or a path. */
  binaryName: [6, 'string'],
  root: [7, 'string'],
  criuPath: [8, 'string'],
  systemdCgroup: [9, 'bool'],
  criuImagePath: [10, 'string'],
  criuWorkPath: [11, 'string'],
});

/** For `Container.runtime.options` and, where they have to differ, `tasks.create`. */
export function runcOptions(options: Init<typeof RuncOptions>): Any {
  return packMessage('containerd.runc.v1.Options', RuncOptions, options);
}

const OCI = 'types.containerd.io/opencontainers/runtime-spec/1';

/** For `Container.spec`: an OCI runtime spec. */
export function ociSpec(spec: object): Any {
  return packJson(`${OCI}/Spec`, spec);
}

/** For `tasks.exec`: the `process` of an OCI runtime spec. */
export function ociProcess(process: object): Any {
  return packJson(`${OCI}/Process`, process);
}

/** For `tasks.update`: the `linux.resources` of an OCI runtime spec. */
export function ociResources(resources: object): Any {
  return packJson(`${OCI}/LinuxResources`, resources);
}
