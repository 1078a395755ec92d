/**
 * The client of containerd 1.6, 1.7 and 2.x.
 *
 *     const containerd = connect({ socket: '/run/containerd/containerd.sock' }).with({ namespace: 'kukeon-main' });
 *
 *     const { pid } = await containerd.tasks.start({ containerId: 'web' });            // answers, decoded and unwrapped
 *     const image = await containerd.images.get({ name }, { timeoutMs: 5000 });        // options for this call alone
 *     for await (const info of containerd.snapshots.list({ snapshotter: 'overlayfs' })) ...   // leaving early cancels
 *     const events = await subscribe(containerd.events, ['topic=="/tasks/exit"']);     // misses nothing from here on
 *     for await (const envelope of events) console.log(eventOf(envelope));
 *
 *     await upload(containerd.content, { ref, digest, size, labels }, () => source);   // blobs.ts
 *     const bytes = await readBlob(containerd.content, digest);
 *
 *     await containerd.containers.create({ container: { id, spec: ociSpec(spec), runtime: {...} } });  // runtime-types.ts
 *
 * Requests take the fields of containerd's protos in camel case, each of them optional; answers have all of them.
 * Failed calls throw GrpcError (`isGrpcError(error, 'NOT_FOUND')`), with containerd's words as message. Where nobody listens
 * on the socket, ConnectError. `isUnavailable(error)` covers both ways in which containerd can be away.
 * The connection is made by the first call and again by the first one after it was lost. An idle one holds no process alive.
 */
import { Channel } from '../grpc/channel.ts';
import { isGrpcError } from '../grpc/status.ts';
import { ConnectError, Http2Error } from '../http2/errors.ts';
import { Containers } from './containers.ts';
import { Content } from './content.ts';
import { Diff } from './diff.ts';
import { Events } from './events.ts';
import { Images } from './images.ts';
import { Introspection } from './introspection.ts';
import { Leases } from './leases.ts';
import type { Bound, Caller, CallOptions } from './method.ts';
import { Namespaces } from './namespaces.ts';
import { Snapshots } from './snapshots.ts';
import { Tasks } from './tasks.ts';
import { Version } from './version.ts';

export { GrpcError, isGrpcError } from '../grpc/status.ts';
export { ConnectError } from '../http2/errors.ts';
export type { Upload } from './blobs.ts';
export { readBlob, upload } from './blobs.ts';
export type { Container, ContainerOutline } from './containers.ts';
export type { ContentInfo, UploadStatus } from './content.ts';
export type { ContainerdEvent, Envelope } from './events.ts';
export { eventOf } from './events.ts';
export type { Image } from './images.ts';
export type { Plugin } from './introspection.ts';
export type { Lease, LeaseResource } from './leases.ts';
export type { CallOptions, MessageStream } from './method.ts';
export type { Namespace } from './namespaces.ts';
export { ociProcess, ociResources, ociSpec, readRuncOptions, runcOptions } from './runtime-types.ts';
export type { SnapshotInfo } from './snapshots.ts';
export { subscribe } from './subscription.ts';
export type { Process } from './tasks.ts';
export type { Descriptor, Mount } from './types.ts';

const SERVICES = {
  namespaces: Namespaces,
  content: Content,
  images: Images,
  snapshots: Snapshots,
  diff: Diff,
  leases: Leases,
  containers: Containers,
  tasks: Tasks,
  events: Events,
  version: Version,
  introspection: Introspection,
};

export type Services = { readonly [K in keyof typeof SERVICES]: Bound<(typeof SERVICES)[K]> };

export interface Client extends Services {
  /** The same client, over the same connection, with these options in every call; a call's own ones go before them. */
  with(options: CallOptions): Client;
  /** Ends the connection, for all clients that share it; calls under way fail with CANCELLED. */
  close(): void;
  /** How many calls are under way. */
  readonly callCount: number;
}

/** Connects nothing yet: the first call does. */
export function connect({ socket }: { socket: string }): Client {
  return clientOn(new Channel(socket), {});
}

/** containerd could not be reached, or went away during the call. (It says UNAVAILABLE itself too, of a locked upload.) */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof ConnectError) return true;
  return isGrpcError(error, 'UNAVAILABLE') && error.cause instanceof Http2Error;
}

function clientOn(channel: Channel, defaults: CallOptions): Client {
  const caller: Caller = (method, options) => {
    const { namespace, lease, signal, timeoutMs } = merged(defaults, options);
    const metadata: Record<string, string> = {};
    if (namespace !== undefined) metadata['containerd-namespace'] = namespace;
    if (lease !== undefined) metadata['containerd-lease'] = lease;
    return channel.call(method, { metadata, signal, timeoutMs });
  };
  const client = {
    with: (options: CallOptions) => clientOn(channel, merged(defaults, options)),
    close: () => channel.close(),
    get callCount() {
      return channel.callCount;
    },
  };
  for (const [name, service] of Object.entries(SERVICES)) {
    let bound: unknown;
    Object.defineProperty(client, name, { enumerable: true, get: () => (bound ??= bind(service, caller)) });
  }
  return client as Client;
}

/** `timeoutMs: undefined` lifts a limit; of the others undefined says nothing. */
function merged(defaults: CallOptions, options: CallOptions): CallOptions {
  const { namespace, lease, signal } = options;
  return {
    namespace: namespace ?? defaults.namespace,
    lease: lease ?? defaults.lease,
    signal: signal ?? defaults.signal,
    timeoutMs: 'timeoutMs' in options ? options.timeoutMs : defaults.timeoutMs,
  };
}

function bind(service: Record<string, (caller: Caller) => unknown>, caller: Caller): unknown {
  return Object.fromEntries(Object.entries(service).map(([name, method]) => [name, method(caller)]));
}
