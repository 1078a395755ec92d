/**
 * Channels over one connection, each with flow control of its own: who receives gives credit, in bytes, and who sends keeps to it. So a
 * channel that nobody reads stops its sender, and nothing else. Besides, messages: what there is to say, as JSON.
 */
import { encodeFrame, FrameDecoder, FrameError } from './frame.ts';

const DATA = 1;
const END = 2;
const FAIL = 3;
const CREDIT = 4;
const MESSAGE = 5;

/** What a receiver holds unread, at most; in bytes. */
export const WINDOW = 256 * 1024;
/** Of data, in one frame. */
const PIECE = 64 * 1024;
const MOST_CHANNELS = 64;

/** The byte stream below; what it has no room for it keeps. */
export interface Transport {
  write(bytes: Uint8Array): void;
  close(): void;
}

/** Why a channel came to an untimely end: an errno's name and its words, where there is one. */
export interface ChannelFault {
  code: string;
  message: string;
}

export interface MuxEvents {
  message(value: unknown): void;
  /** The connection is gone, or the peer has broken the protocol. */
  closed(reason: string): void;
}

export class Mux {
  readonly #transport: Transport;
  readonly #events: MuxEvents;
  readonly #decoder = new FrameDecoder();
  readonly #senders = new Map<number, Sender>();
  readonly #receivers = new Map<number, Receiver>();
  #isOpen = true;

  constructor(transport: Transport, events: MuxEvents) {
    this.#transport = transport;
    this.#events = events;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** `credit`: what the receiver is known to give from the start. */
  sender(channel: number, credit = 0): Sender {
    const sender = new Sender(credit, (type, payload) => this.#send(type, channel, payload));
    this.#senders.set(channel, sender);
    if (!this.#isOpen) sender.failed(GONE);
    return sender;
  }

  receiver(channel: number, credit = 0): Receiver {
    if (this.#receivers.size >= MOST_CHANNELS) throw new FrameError('too many channels');
    const receiver = new Receiver(credit, (type, payload) => this.#send(type, channel, payload));
    this.#receivers.set(channel, receiver);
    if (!this.#isOpen) receiver.failed(GONE);
    return receiver;
  }

  /** Nothing of a channel is expected any more. */
  forget(channel: number): void {
    this.#senders.delete(channel);
    this.#receivers.delete(channel);
  }

  message(value: unknown): void {
    this.#send(MESSAGE, 0, encode(value));
  }

  received(chunk: Uint8Array): void {
    try {
      for (const frame of this.#decoder.decode(chunk)) {
        if (!this.#isOpen) return;
        this.#take(frame.type, frame.channel, frame.payload);
      }
    } catch (thrown) {
      this.close(thrown instanceof Error ? thrown.message : String(thrown));
    }
  }

  /** Done twice, it does nothing. */
  close(reason: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#transport.close();
    for (const one of [...this.#senders.values(), ...this.#receivers.values()]) one.failed(GONE);
    this.#events.closed(reason);
  }

  #send(type: number, channel: number, payload: Uint8Array): void {
    if (this.#isOpen) this.#transport.write(encodeFrame(type, channel, payload));
  }

  #take(type: number, channel: number, payload: Uint8Array): void {
    // One that is over may have something under way to it still.
    const [sender, receiver] = [this.#senders.get(channel), this.#receivers.get(channel)];
    if (type === DATA) receiver?.took(payload);
    else if (type === END) receiver?.ended();
    else if (type === CREDIT) sender?.credited(numberIn(payload));
    else if (type === MESSAGE) this.#events.message(JSON.parse(new TextDecoder().decode(payload)));
    else if (type === FAIL) {
      const fault = faultIn(JSON.parse(new TextDecoder().decode(payload)));
      sender?.failed(fault);
      receiver?.failed(fault);
    } else throw new FrameError(`a frame of type ${type}`);
  }
}

const GONE: ChannelFault = { code: 'EPIPE', message: 'the connection is gone' };

type SendFrame = (type: number, payload: Uint8Array) => void;

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

function faultIn(value: unknown): ChannelFault {
  const { code, message } = (value ?? {}) as Partial<Record<string, unknown>>;
  return { code: String(code), message: String(message) };
}

function numberIn(payload: Uint8Array): number {
  if (payload.length !== 4) throw new FrameError('credit of no number');
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** The end that writes. */
export class Sender {
  readonly #send: SendFrame;
  readonly #full: number;
  #credit: number;
  #queue: Uint8Array[] = [];
  #queued = 0;
  #hasEnd = false;
  #waiting: (() => void)[] = [];
  /** Why nothing can be written any more. */
  fault: ChannelFault | undefined;

  constructor(credit: number, send: SendFrame) {
    this.#credit = credit;
    this.#full = credit;
    this.#send = send;
  }

  /** The peer wants so much. */
  get credit(): number {
    return this.#queue.length === 0 ? this.#credit : 0;
  }

  /** What is held here, in bytes. */
  get queued(): number {
    return this.#queued;
  }

  /** Takes all of it at once; who writes much waits for `sent` in between. */
  write(bytes: Uint8Array): void {
    if (this.fault !== undefined || bytes.length === 0) return;
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    this.#flush();
  }

  end(): void {
    this.#hasEnd = true;
    this.#flush();
  }

  fail(fault: ChannelFault): void {
    this.failed(fault);
    this.#send(FAIL, encode(fault));
  }

  /** Resolves when all has gone out. False: the peer does not take it any more. */
  async sent(): Promise<boolean> {
    while (this.fault === undefined && this.#queue.length > 0) await this.#change();
    return this.fault === undefined;
  }

  /** Resolves when the peer has dealt with all of it. False: it could not. Only where the credit stood from the start. */
  async settled(): Promise<boolean> {
    while (this.fault === undefined && (this.#queue.length > 0 || this.#credit < this.#full)) await this.#change();
    return this.fault === undefined;
  }

  /** Resolves when nothing can be written any more. */
  async broken(): Promise<void> {
    while (this.fault === undefined) await this.#change();
  }

  /** Resolves when the peer wants something, or nothing any more. */
  async wanted(): Promise<boolean> {
    while (this.fault === undefined && this.credit === 0) await this.#change();
    return this.fault === undefined;
  }

  credited(bytes: number): void {
    this.#credit += bytes;
    this.#flush();
    this.#changed();
  }

  failed(fault: ChannelFault): void {
    this.fault ??= fault;
    [this.#queue, this.#queued] = [[], 0];
    this.#changed();
  }

  #flush(): void {
    while (this.#credit > 0 && this.#queue[0] !== undefined) {
      const piece = this.#queue[0].subarray(0, Math.min(this.#credit, PIECE));
      this.#credit -= piece.length;
      this.#queued -= piece.length;
      this.#send(DATA, piece);
      if (piece.length === this.#queue[0].length) this.#queue.shift();
      else this.#queue[0] = this.#queue[0].subarray(piece.length);
    }
    if (this.#queue.length > 0) return;
    if (this.#hasEnd) this.#send(END, new Uint8Array());
    this.#hasEnd = false;
    this.#changed();
  }

  #change(): Promise<void> {
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  #changed(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** The end that reads. Read by one at a time; who stops in the middle may go on later, and loses nothing. */
export class Receiver implements AsyncIterable<Uint8Array> {
  readonly #send: SendFrame;
  #granted: number;
  #queue: Uint8Array[] = [];
  #isOver = false;
  #fault: ChannelFault | undefined;
  #waiting: (() => void) | undefined;
  /**
   * Deals with what comes, at once, and returns what of it is to be read: so channels that lead to one place keep the order of what was
   * written to them. Never throws.
   */
  atOnce: (bytes: Uint8Array) => Uint8Array = bytes => bytes;

  constructor(credit: number, send: SendFrame) {
    this.#granted = credit;
    this.#send = send;
  }

  /** Undefined: that was all. Throws an error with the fault's `code`. */
  async next(): Promise<Uint8Array | undefined> {
    if (this.#granted === 0 && this.#queue.length === 0) this.done(PIECE);
    while (this.#queue.length === 0 && !this.#isOver && this.#fault === undefined)
      await new Promise<void>(resolve => (this.#waiting = resolve));
    const next = this.#queue.shift();
    if (next !== undefined) return next;
    if (this.#fault !== undefined)
      throw Object.assign(new Error(this.#fault.message), { code: this.#fault.code, isOfClient: true });
    return undefined;
  }

  /** So much of what was received has been dealt with, and as much may come. */
  done(bytes: number): void {
    if (this.#isOver || this.#fault !== undefined) return;
    this.#granted += bytes;
    this.#send(CREDIT, uint32(bytes));
  }

  /** What comes next is not taken any more. */
  fail(fault: ChannelFault): void {
    this.failed(fault);
    this.#send(FAIL, encode(fault));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (let next = await this.next(); next !== undefined; next = await this.next()) {
      yield next;
      this.done(next.length);
    }
  }

  took(bytes: Uint8Array): void {
    if (bytes.length > this.#granted) throw new FrameError('more than there was credit for');
    this.#granted -= bytes.length;
    if (this.#fault !== undefined) return;
    const rest = this.#queue.length === 0 ? this.atOnce(bytes) : bytes;
    if (rest.length < bytes.length) this.done(bytes.length - rest.length);
    if (rest.length === 0) return;
    this.#queue.push(rest);
    this.#wake();
  }

  ended(): void {
    this.#isOver = true;
    this.#wake();
  }

  failed(fault: ChannelFault): void {
    this.#fault ??= fault;
    this.#wake();
  }

  #wake(): void {
    this.#waiting?.();
    this.#waiting = undefined;
  }
}
