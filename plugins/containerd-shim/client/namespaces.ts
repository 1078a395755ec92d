/** containerd.services.namespaces.v1: the one service that needs no namespace in its call options. */
import { always, type Init, type Message, map, message, repeated } from '../grpc/message.ts';
import { type Caller, type CallOptions, unary } from './method.ts';
import { Empty, FieldMask } from './types.ts';

export const Namespace = message({ name: [1, 'string'], labels: [2, map('string')] });
export type Namespace = Message<typeof Namespace>;

const NamespaceRequest = message({ name: [1, 'string'] });
const NamespaceMessage = message({ namespace: [1, always(Namespace)] });
const UpdateNamespaceRequest = message({ namespace: [1, always(Namespace)], updateMask: [2, FieldMask] });
const ListNamespacesRequest = message({ filter: [1, 'string'] });
const ListNamespacesResponse = message({ namespaces: [1, repeated(Namespace)] });

const update = unary(
  '/containerd.services.namespaces.v1.Namespaces/Update',
  UpdateNamespaceRequest,
  // 1.7 and later answer without the namespace.
  Empty,
);
const create = unary(
  '/containerd.services.namespaces.v1.Namespaces/Create',
  NamespaceMessage,
  NamespaceMessage,
  answer => answer.namespace,
);
const remove = unary('/containerd.services.namespaces.v1.Namespaces/Delete', NamespaceRequest, Empty);

/** containerd 1.6 makes the change, and then fails for want of a namespace to publish its event in: the event goes into its own. */
function within(name: string | undefined, options: CallOptions = {}): CallOptions {
  return name === undefined ? options : { namespace: name, ...options };
}

export const Namespaces = {
  /** One that does not exist is answered without labels; `list` tells. */
  get: unary(
    '/containerd.services.namespaces.v1.Namespaces/Get',
    NamespaceRequest,
    NamespaceMessage,
    answer => answer.namespace,
  ),
  list: unary(
    '/containerd.services.namespaces.v1.Namespaces/List',
    ListNamespacesRequest,
    ListNamespacesResponse,
    answer => answer.namespaces,
  ),
  create: (caller: Caller) => (request: Init<typeof NamespaceMessage>, options?: CallOptions) =>
    create(caller)(request, within(request.namespace?.name, options)),
  /** updateMask: `labels`, or `labels.<key>` for one; without it all labels are replaced. */
  update: (caller: Caller) => (request: Init<typeof UpdateNamespaceRequest>, options?: CallOptions) =>
    update(caller)(request, within(request.namespace?.name, options)),
  /** FAILED_PRECONDITION while anything is in it. */
  delete: (caller: Caller) => (request: Init<typeof NamespaceRequest>, options?: CallOptions) =>
    remove(caller)(request, within(request.name, options)),
};
