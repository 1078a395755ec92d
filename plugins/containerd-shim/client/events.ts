/** containerd.services.events.v1: what happens in containerd, in all namespaces. */
import { unpackMessage } from '../grpc/any.ts';
import { always, type Message, map, message, repeated } from '../grpc/message.ts';
import { serverStream, unary } from './method.ts';
import { Any, Empty } from './types.ts';

export const Envelope = message({
  timestamp: [1, 'timestamp'],
  namespace: [2, 'string'],
  /** `/tasks/exit` */
  topic: [3, 'string'],
  event: [4, Any],
});
export type Envelope = Message<typeof Envelope>;

const SubscribeRequest = message({ filters: [1, repeated('string')] });
const PublishRequest = message({ topic: [1, 'string'], event: [2, always(Any)] });

export const Events = {
  /**
   * The server does not say from when on it sends: `subscribe` of subscription.ts finds out.
   * filters: `topic=="/tasks/exit",namespace==kukeon-main` (both), `topic~="/tasks/.*"`; any of several has to match.
   */
  subscribe: serverStream('/containerd.services.events.v1.Events/Subscribe', SubscribeRequest, Envelope),
  publish: unary('/containerd.services.events.v1.Events/Publish', PublishRequest, Empty),
};

/** By type URL (containerd/api/events). */
const EVENTS = {
  'containerd.events.TaskCreate': message({ containerId: [1, 'string'], bundle: [2, 'string'], pid: [6, 'uint32'] }),
  'containerd.events.TaskStart': message({ containerId: [1, 'string'], pid: [2, 'uint32'] }),
  'containerd.events.TaskExit': message({
    containerId: [1, 'string'],
    /** The exec's id; for a first process, the container's. */
    id: [2, 'string'],
    pid: [3, 'uint32'],
    exitStatus: [4, 'uint32'],
    exitedAt: [5, 'timestamp'],
  }),
  'containerd.events.TaskDelete': message({
    containerId: [1, 'string'],
    pid: [2, 'uint32'],
    exitStatus: [3, 'uint32'],
    exitedAt: [4, 'timestamp'],
    id: [5, 'string'],
  }),
  'containerd.events.TaskOOM': message({ containerId: [1, 'string'] }),
  'containerd.events.TaskPaused': message({ containerId: [1, 'string'] }),
  'containerd.events.TaskResumed': message({ containerId: [1, 'string'] }),
  'containerd.events.ContainerCreate': message({ id: [1, 'string'], image: [2, 'string'] }),
  'containerd.events.ContainerUpdate': message({ id: [1, 'string'], image: [2, 'string'], labels: [3, map('string')] }),
  'containerd.events.ContainerDelete': message({ id: [1, 'string'] }),
};

type EventTypes = typeof EVENTS;
/** `{ type: 'containerd.events.TaskExit', containerId, ... }`: `type` tells which fields there are. */
export type ContainerdEvent = {
  [K in keyof EventTypes]: { type: K } & Message<EventTypes[K]>;
}[keyof EventTypes];

/** The event in an envelope; undefined for a kind that kuke has no use for. */
export function eventOf(envelope: Envelope): ContainerdEvent | undefined {
  const { event } = envelope;
  if (event === undefined || !Object.hasOwn(EVENTS, event.typeUrl)) return undefined;
  const type = event.typeUrl as keyof EventTypes;
  return { type, ...unpackMessage(EVENTS[type], event) } as ContainerdEvent;
}
