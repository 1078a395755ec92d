/** containerd.services.namespaces.v1: the one service that needs no namespace in its call options. */
import { type Message, map, message, repeated } from '../grpc/message.ts';
import { unary } from './method.ts';
import { Empty, FieldMask } from './types.ts';

export const Namespace = message({ name: [1, 'string'], labels: [2, map('string')] });
export type Namespace = Message<typeof Namespace>;

const NamespaceRequest = message({ name: [1, 'string'] });
const NamespaceMessage = message({ namespace: [1, Namespace] });
const UpdateNamespaceRequest = message({ namespace: [1, Namespace], updateMask: [2, FieldMask] });
const ListNamespacesRequest = message({ filter: [1, 'string'] });
const ListNamespacesResponse = message({ namespaces: [1, repeated(Namespace)] });

export const Namespaces = {
  get: unary('/containerd.services.namespaces.v1.Namespaces/Get', NamespaceRequest, NamespaceMessage, a => a.namespace),
  list: unary(
    '/containerd.services.namespaces.v1.Namespaces/List',
    ListNamespacesRequest,
    ListNamespacesResponse,
    answer => answer.namespaces,
  ),
  create: unary(
    '/containerd.services.namespaces.v1.Namespaces/Create',
    NamespaceMessage,
    NamespaceMessage,
    answer => answer.namespace,
  ),
  /** updateMask: `labels`, or `labels.<key>` for one; without it all labels are replaced. */
  update: unary(
    '/containerd.services.namespaces.v1.Namespaces/Update',
    UpdateNamespaceRequest,
    NamespaceMessage,
    answer => answer.namespace,
  ),
  /** FAILED_PRECONDITION while anything is in it. */
  delete: unary('/containerd.services.namespaces.v1.Namespaces/Delete', NamespaceRequest, Empty),
};
