/** Changes of our containers, by containerd's events; where containerd is away, until it is back, by its socket. */
import { watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Availability, ContainerChange } from 'kuke/plugin';
import { type Envelope, eventOf, type MessageStream, subscribe } from '../client/index.ts';
import type { Containerd } from '../containerd.ts';
import { isOurs } from '../labels.ts';

/** What no status depends on is not asked for: images, snapshots, content. */
const FILTERS = ['topic~="^/tasks/"', 'topic~="^/containers/"', 'topic~="^/namespaces/"'];

/** For an answer when something has happened to the socket: it is there before anybody listens on it. */
const RETRY_MS = 100;
/** Events may be lost between a connection's end and the watch on the socket. */
const SWEEP_MS = 5000;

type Changed = (at?: ContainerChange | Availability) => void;

export async function watchContainers(containerd: Containerd, changed: Changed, signal: AbortSignal): Promise<void> {
  const first = await subscribed(containerd, signal);
  void follow(containerd, first, changed, signal).catch(() => {});
}

async function follow(
  containerd: Containerd,
  first: MessageStream<Envelope> | undefined,
  changed: Changed,
  signal: AbortSignal,
): Promise<void> {
  const concerns = ownNamespaces(containerd);
  let stream = first;
  if (stream === undefined) changed({ what: 'away' });
  while (!signal.aborted) {
    if (stream !== undefined) {
      try {
        for await (const envelope of stream) {
          const { namespace, topic } = envelope;
          if (isOfExec(envelope)) continue;
          if (topic.startsWith('/namespaces/') || (await concerns(namespace))) changed(changeOf(envelope));
        }
      } catch {} // containerd has gone
      if (signal.aborted) return;
      changed({ what: 'away' });
      await Bun.sleep(RETRY_MS); // one that ends at once is not to be asked for without a pause
    }
    stream = await subscribed(containerd, signal);
    if (stream === undefined) await somethingAt(containerd.socket, signal);
    else changed({ what: 'back' });
  }
}

/** What becomes of further processes in a container is no change of it. */
function isOfExec(envelope: Envelope): boolean {
  if (envelope.topic.startsWith('/tasks/exec-')) return true;
  const event = eventOf(envelope);
  const isEnd = event?.type === 'containerd.events.TaskExit' || event?.type === 'containerd.events.TaskDelete';
  return isEnd && event.id !== '' && event.id !== event.containerId;
}

/** Undefined: it is of no container. */
function changeOf(envelope: Envelope): ContainerChange | undefined {
  const event = eventOf(envelope);
  if (event === undefined) return undefined;
  const id = 'containerId' in event ? event.containerId : event.id;
  const isEnd = event.type === 'containerd.events.TaskExit';
  return { namespace: envelope.namespace, id, what: isEnd ? 'ended' : 'other' };
}

/** Undefined: nobody answers. */
async function subscribed({ client }: Containerd, signal: AbortSignal): Promise<MessageStream<Envelope> | undefined> {
  try {
    // It publishes, which takes a namespace; events are of all.
    return await subscribe(client.with({ namespace: 'kukeon', timeoutMs: undefined }).events, FILTERS, { signal });
  } catch {
    return undefined;
  }
}

/** Resolves soon after something has changed at the socket's place, and now and then in any case. */
async function somethingAt(socket: string, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, SWEEP_MS);
  signal.addEventListener('abort', () => resolve(), { once: true });
  let close = () => {};
  try {
    const watcher = watch(dirname(socket), (_, name) => {
      if (name === basename(socket)) setTimeout(resolve, RETRY_MS);
    });
    watcher.on('error', () => {});
    close = () => watcher.close();
  } catch {} // not even its folder is there
  await promise;
  clearTimeout(timer);
  close();
}

/** Whose a namespace is does not change while it is there. Where that cannot be found out, it may be ours. */
function ownNamespaces({ client, instance }: Containerd): (namespace: string) => Promise<boolean> {
  const known = new Map<string, boolean>();
  return async name => {
    try {
      if (!known.has(name)) {
        known.clear();
        const id = await instance();
        for (const one of await client.namespaces.list({})) known.set(one.name, isOurs(one, id));
      }
      return known.get(name) === true;
    } catch {
      return true;
    }
  };
}
