/**
 * What makes a typed function of a line in a service's table:
 *
 *     export const Tasks = { start: unary('/containerd.services.tasks.v1.Tasks/Start', StartRequest, StartResponse) };
 *     Tasks.start(caller)({ containerId: 'web' }, { namespace: 'kukeon-main' })
 *
 * A last argument, `answer => answer.image`, says what of the answer is the result.
 */
import { traced } from 'kuke/plugin';
import type { Call } from '../grpc/call.ts';
import { decode } from '../grpc/codec.ts';
import { frameBefore, frameMessage } from '../grpc/framing.ts';
import type { Init, Message, MessageType } from '../grpc/message.ts';
import { GrpcError } from '../grpc/status.ts';

export interface CallOptions {
  /** containerd's namespace; all services but Namespaces, Version and Introspection need one. */
  namespace?: string | undefined;
  /** Id of the lease that keeps what the call makes from the garbage collector. */
  lease?: string | undefined;
  /** Aborting it cancels the call: GrpcError CANCELLED. */
  signal?: AbortSignal | undefined;
  /** GrpcError DEADLINE_EXCEEDED after that; without it there is no limit. */
  timeoutMs?: number | undefined;
}

export type Caller = (method: string, options: CallOptions) => Promise<Call>;

/** A service's functions, given a way to call. */
export type Bound<Service> = {
  readonly [K in keyof Service]: Service[K] extends (caller: Caller) => infer Fn ? Fn : never;
};

/** What the server sends, as it comes; the call starts at once. Leaving a `for await` early, or `return()`, cancels it. */
export interface MessageStream<T> extends AsyncIterableIterator<T> {
  return(): Promise<IteratorResult<T>>;
}

/** A call in which both sides send. */
export interface Duplex<Request, Answer> {
  /** Resolves once flow control has taken the message; rejects with the call's error. */
  send(request: Request): Promise<void>;
  /** The same with a last field of bytes, which are not copied: they have to stay as they are until it resolves. */
  sendWith(request: Request, field: string, data: Uint8Array): Promise<void>;
  /** No more requests. */
  end(): Promise<void>;
  readonly answers: MessageStream<Answer>;
}

/** One request, one answer. Throws GrpcError. */
export function unary<Q extends MessageType, A extends MessageType, T = Message<A>>(
  method: string,
  request: Q,
  answer: A,
  result: (answer: Message<A>) => T | undefined = whole,
) {
  const name = method.slice(method.lastIndexOf('.') + 1); // Tasks/Start
  return (caller: Caller) =>
    (init: Init<Q>, options: CallOptions = {}): Promise<T> =>
      traced('call', name, async () => {
        const message = frameMessage(request, init);
        const call = await caller(method, options);
        await call.send(message, true);
        return onlyAnswer(call, answer, result);
      });
}

/** Many requests, one answer. */
export function clientStream<Q extends MessageType, A extends MessageType, T = Message<A>>(
  method: string,
  request: Q,
  answer: A,
  result: (answer: Message<A>) => T | undefined = whole,
) {
  return (caller: Caller) =>
    async (requests: AsyncIterable<Init<Q>> | Iterable<Init<Q>>, options: CallOptions = {}): Promise<T> => {
      const call = await caller(method, options);
      try {
        for await (const init of requests) await call.send(frameMessage(request, init));
        await call.end();
      } catch (error) {
        call.cancel(error);
        throw error;
      }
      return onlyAnswer(call, answer, result);
    };
}

/** One request, many answers. */
export function serverStream<Q extends MessageType, A extends MessageType, T = Message<A>>(
  method: string,
  request: Q,
  answer: A,
  results: (answer: Message<A>) => readonly T[] = alone,
) {
  return (caller: Caller) =>
    (init: Init<Q>, options: CallOptions = {}): MessageStream<T> => {
      const message = frameMessage(request, init);
      const sent = caller(method, options).then(async call => {
        await call.send(message, true);
        return call;
      });
      return messageStream(sent, answer, results);
    };
}

/** Both sides send as they like. */
export function bidirectional<Q extends MessageType, A extends MessageType>(method: string, request: Q, answer: A) {
  return (caller: Caller) =>
    async (options: CallOptions = {}): Promise<Duplex<Init<Q>, Message<A>>> => {
      const call = await caller(method, options);
      return {
        send: init => call.send(frameMessage(request, init)),
        async sendWith(init, field, data) {
          await Promise.all([call.send(frameBefore(request, init, field, data)), call.send(data)]);
        },
        end: () => call.end(),
        answers: messageStream(Promise.resolve(call), answer, alone<Message<A>, Message<A>>),
      };
    };
}

async function onlyAnswer<A extends MessageType, T>(
  call: Call,
  type: A,
  result: (answer: Message<A>) => T | undefined,
): Promise<T> {
  const bytes = await call.receive();
  if (bytes === undefined) throw new GrpcError('INTERNAL', 'the server answered without a message', call.method);
  const value = result(decodeAnswer(call, type, bytes));
  if (value === undefined) throw new GrpcError('INTERNAL', 'the server left out what was asked for', call.method);
  // The status comes after the message.
  if ((await call.receive()) !== undefined) {
    call.cancel();
    throw new GrpcError('INTERNAL', 'the server answered with more than one message', call.method);
  }
  return value;
}

function messageStream<A extends MessageType, T>(
  opening: Promise<Call>,
  type: A,
  results: (answer: Message<A>) => readonly T[],
): MessageStream<T> {
  // Whoever reads is told of a failure; nobody may be reading yet.
  opening.catch(() => {});
  const messages = readMessages(opening, type, results);
  return {
    next: () => messages.next(),
    async return() {
      // Cancelling comes first: the generator cannot return while a `next` of it is pending.
      await opening.then(
        call => call.cancel(),
        () => {},
      );
      return messages.return(undefined);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* readMessages<A extends MessageType, T>(
  opening: Promise<Call>,
  type: A,
  results: (answer: Message<A>) => readonly T[],
): AsyncGenerator<T, undefined, undefined> {
  const call = await opening;
  for (let bytes = await call.receive(); bytes !== undefined; bytes = await call.receive()) {
    yield* results(decodeAnswer(call, type, bytes));
  }
  return undefined;
}

function decodeAnswer<A extends MessageType>(call: Call, type: A, bytes: Uint8Array): Message<A> {
  try {
    return decode(type, bytes);
  } catch (error) {
    call.cancel(error);
    throw new GrpcError('INTERNAL', `the server's message cannot be read: ${error}`, call.method, error);
  }
}

function whole<A, T>(answer: A): T {
  return answer as unknown as T;
}

function alone<A, T>(answer: A): readonly T[] {
  return [answer as unknown as T];
}
