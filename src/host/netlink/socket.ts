/** A netlink socket: requests and dumps, answered before the call returns (the kernel works in the sender's system call). */
import { write } from 'node:fs';
import { hasCode, SystemError } from '../errno.ts';
import { asSystemError, checked, close, errnoText, lastErrno, libc } from '../libc.ts';
import { ready } from '../readable.ts';
import { ByteWriter, type Codec, MalformedMessage } from './bytes.ts';
import { type Answer, DONE, ERROR, Flag, type Message, messagesIn, readAnswer, writeMessage } from './message.ts';

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;

const EINTR = 4;
const EAGAIN = 11;
const ENOBUFS = 105;

/** How often a dump is read anew when the kernel says that the list changed meanwhile, or that it lost a part. */
const DUMP_ATTEMPTS = 20;

// The kernel fills at most 32 KiB of a dump at once; single answers are smaller. One buffer serves all, for nothing here awaits.
const receiveBuffer = new Uint8Array(256 * 1024);

/** A request: `step` is what it is to do, for the error: `create bridge kuke-x`. */
export interface Request<T> {
  step: string;
  type: number;
  flags?: number;
  codec: Codec<T>;
  value: T;
  /** Of a dump: the kernel heeds the index in the header, and sends that link's entries only (Linux 4.20; before, all come). */
  filtered?: boolean;
}

/** RTNLGRP_* of linux/rtnetlink.h: what the kernel tells of by itself. */
export const Group = { link: 1, ipv6Address: 9 } as const;
/** NFNLGRP_* of linux/netfilter/nfnetlink.h. */
export const NetfilterGroup = { nftables: 7 } as const;

type AnyGroup = (typeof Group)[keyof typeof Group] | (typeof NetfilterGroup)[keyof typeof NetfilterGroup];

/** The error of a request: the step, the kernel's own words where it has any, and errno. */
export function requestError(step: string, answer: Answer): SystemError {
  const { errno, text } = answer;
  return new SystemError(step, errno, text ? `${text}: ${errnoText(errno)}` : errnoText(errno));
}

/** write(2) in a thread of Bun's pool. To a netlink socket it is send(2); the socket says by itself in which namespace. */
function writeAside(fd: number, bytes: Uint8Array, step: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  write(fd, bytes, 0, bytes.length, null, error => {
    if (error) reject(asSystemError(error, step));
    else resolve();
  });
  return promise;
}

/** NETLINK_ROUTE or NETLINK_NETFILTER. Opened inside another network namespace (`within`), it stays in that one. */
export class NetlinkSocket implements Disposable {
  readonly #libc = libc();
  readonly #fd: number;
  #sequence = 0;
  #sendBuffer = 64 * 1024;

  constructor(protocol: 'route' | 'netfilter') {
    this.#fd = checked(
      'socket',
      this.#libc.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol === 'route' ? 0 : 12),
      'netlink',
    );
    try {
      this.#option(SOL_NETLINK, NETLINK_EXT_ACK, 1);
      this.#option(SOL_NETLINK, NETLINK_CAP_ACK, 1);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    close(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  nextSequence(): number {
    this.#sequence = (this.#sequence + 1) >>> 0 || 1;
    return this.#sequence;
  }

  /** Sends one request and hands each message of the reply to `reply`. Throws a SystemError with the kernel's words. */
  request<T>(request: Request<T>, reply: (message: Message) => void = () => {}): void {
    const answer = this.ask(request, reply);
    if (answer.errno !== 0) throw requestError(request.step, answer);
  }

  /** The same for a question to which an error is an answer, too. */
  ask<T>(request: Request<T>, reply: (message: Message) => void): Answer {
    const sequence = this.#send(request, Flag.ACK);
    return this.#reply(request.step, sequence, reply).answer;
  }

  /** The same as request, while other work goes on: a thread sends it, and waits for the kernel. Until then the socket is for nothing else. */
  async requestAside<T>(request: Request<T>): Promise<void> {
    const out = new ByteWriter();
    const sequence = this.#write(out, request, Flag.ACK);
    await writeAside(this.#fd, out.finish(), request.step);
    const { answer } = this.#reply(request.step, sequence, () => {});
    if (answer.errno !== 0) throw requestError(request.step, answer);
  }

  /**
   * Sends several requests at once. The kernel does one after the other before it lets a signal, SIGKILL too, end this process. The
   * first refusal is thrown; those after it have been tried nevertheless.
   */
  requestAll<T>(requests: readonly Request<T>[]): void {
    const out = new ByteWriter();
    const sequences = requests.map(request => this.#write(out, request, Flag.ACK));
    this.send(requests.map(({ step }) => step).join(', '), out.finish());
    const answers = requests.map(({ step }, index) => this.#reply(step, sequences[index] ?? 0, () => {}).answer);
    const refused = answers.findIndex(({ errno }) => errno !== 0);
    if (refused !== -1) throw requestError(requests[refused]?.step ?? '', answers[refused] ?? { errno: 0 });
  }

  /** Reads a whole list; `decode` is called per entry. A list that changed while it was read is read anew. */
  dump<T, R>(request: Request<T>, decode: (message: Message) => R): R[] {
    for (let attempt = 1; attempt <= DUMP_ATTEMPTS; attempt++) {
      const entries: R[] = [];
      if (request.filtered) this.#filterDumps(true);
      const sequence = this.#send(request, Flag.DUMP);
      if (request.filtered) this.#filterDumps(false);
      const { answer, whole } = this.#reply(request.step, sequence, message => entries.push(decode(message)));
      if (answer.errno !== 0 && answer.errno !== EINTR) throw requestError(request.step, answer);
      if (answer.errno === 0 && whole) return entries;
    }
    throw requestError(request.step, { errno: EINTR, text: `changed under all of ${DUMP_ATTEMPTS} readings` });
  }

  /** Reads up to the answer; `whole` is false if the kernel said that a list changed or that it lost a part. */
  #reply(step: string, sequence: number, each: (message: Message) => void): { answer: Answer; whole: boolean } {
    let whole = true;
    try {
      for (;;) {
        const datagram = this.receive();
        if (datagram === undefined) throw new MalformedMessage(`${step}: the kernel's answer has no end`);
        if (datagram === 'lost') {
          whole = false;
          continue;
        }
        for (const message of messagesIn(datagram)) {
          if (message.sequence !== sequence) continue;
          if (message.flags & Flag.DUMP_INTERRUPTED) whole = false;
          if (message.type === DONE || message.type === ERROR) return { answer: readAnswer(message), whole };
          each(message);
        }
      }
    } catch (error) {
      // What is left of this answer would make the next dump fail with EBUSY.
      while (this.receive() !== undefined) {}
      throw error;
    }
  }

  #send<T>(request: Request<T>, flags: number): number {
    const out = new ByteWriter();
    const sequence = this.#write(out, request, flags);
    this.send(request.step, out.finish());
    return sequence;
  }

  #write<T>(out: ByteWriter, request: Request<T>, flags: number): number {
    const sequence = this.nextSequence();
    const header = { type: request.type, flags: Flag.REQUEST | flags | (request.flags ?? 0), sequence };
    writeMessage(out, header, request.codec, request.value);
    return sequence;
  }

  /** Sends bytes to the kernel, which has acted on them when this returns. */
  send(step: string, bytes: Uint8Array): void {
    if (bytes.length * 2 > this.#sendBuffer) {
      this.#sendBuffer = bytes.length * 2;
      this.#option(SOL_SOCKET, SO_SNDBUFFORCE, this.#sendBuffer);
    }
    for (;;) {
      const sent = Number(this.#libc.send(this.#fd, bytes, bytes.length, 0));
      if (sent !== -1) return;
      const errno = lastErrno();
      if (errno !== EINTR) throw requestError(step, { errno });
    }
  }

  /**
   * The next datagram from the kernel: a view of a shared buffer, to be decoded before the next call. `undefined` if there is
   * none (nothing is waited for: the kernel answers before `send` returns), `lost` if answers did not fit into the socket.
   */
  receive(): Uint8Array | 'lost' | undefined {
    for (;;) {
      const flags = MSG_DONTWAIT | MSG_TRUNC;
      const size = Number(this.#libc.recv(this.#fd, receiveBuffer, receiveBuffer.length, flags));
      if (size > receiveBuffer.length) throw new MalformedMessage(`netlink answer of ${size} bytes`);
      if (size !== -1) return receiveBuffer.subarray(0, size);
      const errno = lastErrno();
      if (errno === EAGAIN) return undefined;
      if (errno === ENOBUFS) return 'lost';
      if (errno !== EINTR) throw requestError('receive from netlink', { errno });
    }
  }

  /** Joins a group; to be done before the state is read that is waited for. Such a socket is for nothing else. */
  subscribe(group: AnyGroup): void {
    // Without a port of its own a socket counts as the sender of what the kernel tells.
    const address = new Uint16Array([AF_NETLINK, 0, 0, 0, 0, 0]); // struct sockaddr_nl
    checked('bind', this.#libc.bind(this.#fd, address, address.byteLength), 'netlink');
    this.#option(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
  }

  /** Resolves when something has come since the last call; what it was is dropped. Rejects with the signal's reason. */
  async notified(signal: AbortSignal): Promise<void> {
    await ready(this.#fd, 'read', signal);
    while (this.receive() !== undefined) {}
  }

  #filterDumps(on: boolean): void {
    try {
      this.#option(SOL_NETLINK, NETLINK_GET_STRICT_CHK, Number(on));
    } catch (error) {
      if (!hasCode(error, 'ENOPROTOOPT')) throw error;
    }
  }

  #option(level: number, option: number, value: number): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setInt32(0, value, true);
    checked('setsockopt', this.#libc.setsockopt(this.#fd, level, option, bytes, bytes.length), `netlink ${option}`);
  }
}
