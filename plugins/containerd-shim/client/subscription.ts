/** A subscription of which one knows when it has begun. */
import type { Envelope, Events } from './events.ts';
import type { Bound, CallOptions, MessageStream } from './method.ts';

type EventsService = Bound<typeof Events>;

/**
 * Resolves when containerd has begun to send: no matching event after that is missed. containerd itself does not say so, thus
 * an event of our own (`/kuke/subscribed/<uuid>`) is published until it comes back. Needs a namespace to publish it in;
 * the events are those of all namespaces that `filters` (as for `events.subscribe`; none for all) let through.
 */
export async function subscribe(
  events: EventsService,
  filters: readonly string[],
  options: CallOptions = {},
): Promise<MessageStream<Envelope>> {
  const topic = `/kuke/subscribed/${crypto.randomUUID()}`;
  const request = { filters: filters.length === 0 ? [] : [...filters, `topic==${JSON.stringify(topic)}`] };
  const stream = events.subscribe(request, options);
  const early: Envelope[] = [];
  let begun = false;
  const beginning = (async () => {
    for (let next = await stream.next(); !next.done; next = await stream.next()) {
      if (next.value.topic === topic) return;
      early.push(next.value);
    }
  })().finally(() => {
    begun = true;
  });
  beginning.catch(() => {});
  try {
    while (!begun) await events.publish({ topic, event: { typeUrl: 'kuke/subscribed' } }, options);
    await beginning;
  } catch (error) {
    await stream.return();
    throw error;
  }
  return without(topic, early, stream);
}

function without(topic: string, early: Envelope[], stream: MessageStream<Envelope>): MessageStream<Envelope> {
  return {
    async next() {
      const [first] = early.splice(0, 1);
      if (first !== undefined) return { value: first, done: false };
      let next = await stream.next();
      while (!next.done && next.value.topic === topic) next = await stream.next();
      return next;
    },
    return: () => stream.return(),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
