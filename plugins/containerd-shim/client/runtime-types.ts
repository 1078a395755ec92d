/** What tasks and containers carry as Any: the OCI types as JSON, and the options of the runc shim. */
import { type Any, packJson, packMessage, unpackMessage } from '../grpc/any.ts';
import { type Init, type Message, message } from '../grpc/message.ts';

const RUNC_OPTIONS = 'containerd.runc.v1.Options';

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
  return packMessage(RUNC_OPTIONS, RuncOptions, options);
}

/** Undefined: they are another shim's. */
export function readRuncOptions(options: Any): Message<typeof RuncOptions> | undefined {
  return options.typeUrl === RUNC_OPTIONS ? unpackMessage(RuncOptions, options) : undefined;
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
