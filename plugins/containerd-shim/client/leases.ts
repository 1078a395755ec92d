/** containerd.services.leases.v1: what a lease holds, the garbage collector leaves alone. */
import { always, type Message, map, message, repeated } from '../grpc/message.ts';
import { unary } from './method.ts';
import { Empty } from './types.ts';

export const Lease = message({ id: [1, 'string'], createdAt: [2, 'timestamp'], labels: [3, map('string')] });
export type Lease = Message<typeof Lease>;

/** type: `content`, `snapshots/overlayfs`, `ingests`. */
export const LeaseResource = message({ id: [1, 'string'], type: [2, 'string'] });
export type LeaseResource = Message<typeof LeaseResource>;

const CreateRequest = message({ id: [1, 'string'], labels: [3, map('string')] });
const CreateResponse = message({ lease: [1, Lease] });
const DeleteRequest = message({ id: [1, 'string'], sync: [2, 'bool'] });
const ListRequest = message({ filters: [1, repeated('string')] });
const ListResponse = message({ leases: [1, repeated(Lease)] });
const ResourceRequest = message({ id: [1, 'string'], resource: [2, always(LeaseResource)] });
const ListResourcesRequest = message({ id: [1, 'string'] });
const ListResourcesResponse = message({ resources: [1, repeated(LeaseResource)] });

export const Leases = {
  /** A label `containerd.io/gc.expire` with an RFC 3339 time lets it expire by itself. */
  create: unary('/containerd.services.leases.v1.Leases/Create', CreateRequest, CreateResponse, answer => answer.lease),
  /** sync: answers after the garbage collector has removed what the lease alone kept. */
  delete: unary('/containerd.services.leases.v1.Leases/Delete', DeleteRequest, Empty),
  list: unary('/containerd.services.leases.v1.Leases/List', ListRequest, ListResponse, answer => answer.leases),
  addResource: unary('/containerd.services.leases.v1.Leases/AddResource', ResourceRequest, Empty),
  deleteResource: unary('/containerd.services.leases.v1.Leases/DeleteResource', ResourceRequest, Empty),
  listResources: unary(
    '/containerd.services.leases.v1.Leases/ListResources',
    ListResourcesRequest,
    ListResourcesResponse,
    answer => answer.resources,
  ),
};
