/** What a plugin may import, as `kuke/plugin`: the define*() functions and the types. Nothing else is public. */
export * from './kernel/backends/index.ts';
export { CAPABILITY_NAMES, isCapability } from './kernel/capabilities.ts';
export { planCgroup, planLimits } from './kernel/cgroup-steps.ts';
export { CGROUP_ROOT, cgroupPath, observeCgroup, observeCgroupsIn } from './kernel/cgroups.ts';
export type { Claims } from './kernel/claims.ts';
export {
  type Condition,
  circleIn,
  type Dependency,
  dependencies,
  dependsOn,
  inWaves,
} from './kernel/depends-on.ts';
export { DURATION_PATTERN, durationMs, LONGEST_MS } from './kernel/duration.ts';
export { asKukeError, type ErrorCode, type ErrorDetails, KukeError, type Remedy } from './kernel/errors.ts';
export type * from './kernel/extensible.ts';
export { asFileError } from './kernel/file-errors.ts';
export type { HookName } from './kernel/hooks.ts';
export {
  digestPattern,
  familiarName,
  formatReference,
  imageNameFault,
  normaliseName,
  parseReference,
  type Reference,
} from './kernel/image-reference.ts';
export { instanceTag } from './kernel/instance-tag.ts';
export { isIpv6Range, rangeFault } from './kernel/ip-range.ts';
export {
  type Change,
  type Column,
  defineKind,
  type ElementDefaults,
  type FieldMetadata,
  type KindDefinition,
  type Lifecycle,
  type ObserveContext,
  type Resource,
  type ResourceOf,
  scopeField,
} from './kernel/kinds.ts';
export { groupName, notesOnInheritors, refuseUnlimitedAbove } from './kernel/limits/above-and-below.ts';
export { type Asked, type AskedOfGroup, askedOf } from './kernel/limits/asked.ts';
export { cpuList, formatCpuList } from './kernel/limits/cpu-list.ts';
export {
  type DeviceLimit,
  type DeviceRates,
  deviceField,
  deviceLimit,
  eachLimit,
  formatLimit,
  type LimitField,
  type Limits,
  type LimitValue,
  limitsFrom,
  limitsOf,
} from './kernel/limits/limits.ts';
export { checkLimits, type LimitsToGive } from './kernel/limits/plan.ts';
export { formatBytes, parseQuantity } from './kernel/limits/quantity.ts';
export { type Resources, resources } from './kernel/limits/schema.ts';
export { type LimitStatus, limitStatus } from './kernel/limits/status.ts';
export { watchLimits } from './kernel/limits/watch.ts';
export { type LogLimits, logLimits } from './kernel/log-limits.ts';
export { mountClashes, mountTarget, mountTargetFault } from './kernel/mount-target.ts';
export { didYouMean, NAME_SHAPE, nameFault } from './kernel/names.ts';
export { observeAttachments, observeNetwork } from './kernel/networks.ts';
export type { OciMount, OciSpec, OciSyscallRule } from './kernel/oci.ts';
export { ociRuntime } from './kernel/oci-runtime.ts';
export { defineOperation, type Operation, type OperationType } from './kernel/operations.ts';
export { othersTurn } from './kernel/others-turn.ts';
export type { Added, OnFailure, Plan, Step } from './kernel/plan.ts';
export { type PlanContext, type PlanOptions, STOP_TIMEOUT_MS, type Verb } from './kernel/planning.ts';
export { definePlugin, type PluginDefinition, type PluginKernel, type Settings } from './kernel/plugin.ts';
export { collides, formatPortMapping, PORT_PATTERN, portMapping } from './kernel/port-mapping.ts';
export { reserveStatus } from './kernel/reserve-status.ts';
export { API_VERSION, describe, keyOf, type Manifest, nameOf, type ResourceRef } from './kernel/resource.ts';
export { runPathTag } from './kernel/run-path-tag.ts';
export { entriesOf, fieldsWith, notYet, notYetFor, ownId, parentId } from './kernel/schema.ts';
export { isSecretField } from './kernel/secret-fields.ts';
export { SIGNAL_NAMES, signalNumber } from './kernel/signal-number.ts';
export type { Ref } from './kernel/step-references.ts';
export {
  type Health,
  type HealthCheck,
  isDue,
  type Member,
  type MemberNotes,
  type ProbeResult,
  type RestartPolicy,
  type Supervised,
  WAITING,
} from './kernel/supervision.ts';
export { traced } from './kernel/trace.ts';
export type { ResourceTree } from './kernel/tree.ts';
export { refuseWritable } from './kernel/trusted-path.ts';
