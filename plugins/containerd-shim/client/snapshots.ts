/** containerd.services.snapshots.v1: layers of root file systems. Every request names its snapshotter (`overlayfs`). */
import { always, enumeration, type Message, map, message, repeated } from '../grpc/message.ts';
import { serverStream, unary } from './method.ts';
import { Empty, FieldMask, Mount } from './types.ts';

export const SnapshotInfo = message({
  name: [1, 'string'],
  parent: [2, 'string'],
  kind: [3, enumeration('UNKNOWN', 'VIEW', 'ACTIVE', 'COMMITTED')],
  createdAt: [4, 'timestamp'],
  updatedAt: [5, 'timestamp'],
  labels: [6, map('string')],
});
export type SnapshotInfo = Message<typeof SnapshotInfo>;

const NewSnapshotRequest = message({
  snapshotter: [1, 'string'],
  key: [2, 'string'],
  /** A committed snapshot; empty for none. */
  parent: [3, 'string'],
  labels: [4, map('string')],
});
const CommitSnapshotRequest = message({
  snapshotter: [1, 'string'],
  /** Of the committed snapshot. */
  name: [2, 'string'],
  /** Of the active one, which ends with it. */
  key: [3, 'string'],
  labels: [4, map('string')],
});
const SnapshotRequest = message({ snapshotter: [1, 'string'], key: [2, 'string'] });
const MountsResponse = message({ mounts: [1, repeated(Mount)] });
const StatSnapshotResponse = message({ info: [1, always(SnapshotInfo)] });
const UpdateSnapshotRequest = message({
  snapshotter: [1, 'string'],
  info: [2, always(SnapshotInfo)],
  updateMask: [3, FieldMask],
});
const ListSnapshotsRequest = message({ snapshotter: [1, 'string'], filters: [2, repeated('string')] });
const ListSnapshotsResponse = message({ info: [1, repeated(SnapshotInfo)] });
/** size in bytes. */
const UsageResponse = message({ size: [1, 'int64'], inodes: [2, 'int64'] });
const CleanupRequest = message({ snapshotter: [1, 'string'] });

export const Snapshots = {
  /** A writable snapshot. */
  prepare: unary(
    '/containerd.services.snapshots.v1.Snapshots/Prepare',
    NewSnapshotRequest,
    MountsResponse,
    answer => answer.mounts,
  ),
  /** A read-only one. */
  view: unary(
    '/containerd.services.snapshots.v1.Snapshots/View',
    NewSnapshotRequest,
    MountsResponse,
    answer => answer.mounts,
  ),
  mounts: unary(
    '/containerd.services.snapshots.v1.Snapshots/Mounts',
    SnapshotRequest,
    MountsResponse,
    answer => answer.mounts,
  ),
  commit: unary('/containerd.services.snapshots.v1.Snapshots/Commit', CommitSnapshotRequest, Empty),
  /** FAILED_PRECONDITION while it has children. */
  remove: unary('/containerd.services.snapshots.v1.Snapshots/Remove', SnapshotRequest, Empty),
  stat: unary(
    '/containerd.services.snapshots.v1.Snapshots/Stat',
    SnapshotRequest,
    StatSnapshotResponse,
    answer => answer.info,
  ),
  update: unary(
    '/containerd.services.snapshots.v1.Snapshots/Update',
    UpdateSnapshotRequest,
    StatSnapshotResponse,
    answer => answer.info,
  ),
  list: serverStream(
    '/containerd.services.snapshots.v1.Snapshots/List',
    ListSnapshotsRequest,
    ListSnapshotsResponse,
    answer => answer.info,
  ),
  usage: unary('/containerd.services.snapshots.v1.Snapshots/Usage', SnapshotRequest, UsageResponse),
  /** Removes what deleted snapshots left on disk; UNIMPLEMENTED where the snapshotter has nothing to clean up. */
  cleanup: unary('/containerd.services.snapshots.v1.Snapshots/Cleanup', CleanupRequest, Empty),
};
