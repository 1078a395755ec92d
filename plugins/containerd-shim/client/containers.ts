/** containerd.services.containers.v1: what is to run, as data. What runs are tasks. */
import { always, type Message, map, message, repeated } from '../grpc/message.ts';
import { serverStream, unary } from './method.ts';
import { Any, Empty, FieldMask } from './types.ts';

export const ContainerRuntime = message({
  /** `io.containerd.runc.v2` */
  name: [1, 'string'],
  /** `runcOptions` of runtime-types.ts. */
  options: [2, Any],
});

export const Container = message({
  id: [1, 'string'],
  labels: [2, map('string')],
  image: [3, 'string'],
  runtime: [4, ContainerRuntime],
  /** `ociSpec` of runtime-types.ts. */
  spec: [5, Any],
  snapshotter: [6, 'string'],
  snapshotKey: [7, 'string'],
  createdAt: [8, 'timestamp'],
  updatedAt: [9, 'timestamp'],
  extensions: [10, map(Any)],
  /** From containerd 1.7 on. */
  sandbox: [11, 'string'],
});
export type Container = Message<typeof Container>;

/** Without what is large: an OCI spec has eleven kilobytes and more. */
const ContainerOutline = message({
  id: [1, 'string'],
  labels: [2, map('string')],
  image: [3, 'string'],
  snapshotKey: [7, 'string'],
});
export type ContainerOutline = Message<typeof ContainerOutline>;

const ContainerRequest = message({ id: [1, 'string'] });
const ContainerMessage = message({ container: [1, always(Container)] });
const UpdateContainerRequest = message({ container: [1, always(Container)], updateMask: [2, FieldMask] });
const ListContainersRequest = message({ filters: [1, repeated('string')] });
const ListedContainer = message({ container: [1, always(ContainerOutline)] });

export const Containers = {
  get: unary(
    '/containerd.services.containers.v1.Containers/Get',
    ContainerRequest,
    ContainerMessage,
    answer => answer.container,
  ),
  /**
   * filters: `id==web`, `labels."io.kuke.realm"==main`; any of them has to match. They come one by one: with their specs, some 1300
   * are more than the 16 MiB that one message may have.
   */
  list: serverStream(
    '/containerd.services.containers.v1.Containers/ListStream',
    ListContainersRequest,
    ListedContainer,
    answer => [answer.container],
  ),
  create: unary(
    '/containerd.services.containers.v1.Containers/Create',
    ContainerMessage,
    ContainerMessage,
    answer => answer.container,
  ),
  /** updateMask: `labels`, `labels.<key>`, `spec`, `extensions`, `image`, `snapshotkey`. */
  update: unary(
    '/containerd.services.containers.v1.Containers/Update',
    UpdateContainerRequest,
    ContainerMessage,
    answer => answer.container,
  ),
  /** The data only; a task of it is to be deleted before. */
  delete: unary('/containerd.services.containers.v1.Containers/Delete', ContainerRequest, Empty),
};
