/** containerd.services.introspection.v1: what this containerd consists of. */
import { type Message, map, message, repeated } from '../grpc/message.ts';
import { unary } from './method.ts';
import { Empty, Platform } from './types.ts';

const RpcStatus = message({ code: [1, 'int32'], message: [2, 'string'] });

export const Plugin = message({
  /** `io.containerd.snapshotter.v1` */
  type: [1, 'string'],
  /** `overlayfs` */
  id: [2, 'string'],
  requires: [3, repeated('string')],
  platforms: [4, repeated(Platform)],
  /** `root` of a snapshotter, for one. */
  exports: [5, map('string')],
  capabilities: [6, repeated('string')],
  /** Why it is not there, if it is not. */
  initErr: [7, RpcStatus],
});
export type Plugin = Message<typeof Plugin>;

const PluginsRequest = message({ filters: [1, repeated('string')] });
const PluginsResponse = message({ plugins: [1, repeated(Plugin)] });
/** pid and pidns: from containerd 1.7 on, else 0. */
const ServerResponse = message({ uuid: [1, 'string'], pid: [2, 'uint64'], pidns: [3, 'uint64'] });

export const Introspection = {
  /** filters: `type==io.containerd.snapshotter.v1`. */
  plugins: unary(
    '/containerd.services.introspection.v1.Introspection/Plugins',
    PluginsRequest,
    PluginsResponse,
    answer => answer.plugins,
  ),
  server: unary('/containerd.services.introspection.v1.Introspection/Server', Empty, ServerResponse),
};
