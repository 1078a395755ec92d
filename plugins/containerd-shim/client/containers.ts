/** containerd.services.containers.v1: what is to run, as data. What runs are tasks. */
import { always, type Message, map, message, repeated } from '../grpc/message.ts';
import { unary } from './method.ts';
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

const ContainerRequest = message({ id: [1, 'string'] });
const ContainerMessage = message({ container: [1, always(Container)] });
const UpdateContainerRequest = message({ container: [1, always(Container)], updateMask: [2, FieldMask] });
const ListContainersRequest = message({ filters: [1, repeated('string')] });
const ListContainersResponse = message({ containers: [1, repeated(Container)] });

export const Containers = {
  get: unary(
    '/containerd.services.containers.v1.Containers/Get',
    ContainerRequest,
    ContainerMessage,
    answer => answer.container,
  ),
  /** filters: `id==web`, `labels."io.kuke.realm"==main`; any of them has to match. */
  list: unary(
    '/containerd.services.containers.v1.Containers/List',
    ListContainersRequest,
    ListContainersResponse,
    answer => answer.containers,
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
